"""Real processes, some of them killed: nothing finished is lost, and nothing hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import AsyncMock

import pytest

from latent_transfer.papers import workers
from latent_transfer.papers.sweep import Sweep, reproduce
from latent_transfer.papers.table import PaperTable

# A shell that runs the tests in the background has them ignore SIGINT, and children inherit that.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from latent_transfer.papers import table as tables; tables.TABLES['tiny'] = 'tiny_table'; "
    "from latent_transfer.cli import main; main()"
)
PATIENCE = 60.0


def wait_for(ready: Callable[[], bool], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def finished(out: Path) -> list[str]:
    return [path.name for path in (out / "cells").glob("*.json")]


def begun(out: Path) -> list[tuple[str, int]]:
    """Cells in the order in which they were begun, each with the process that did it."""
    place = out / "work" / "log"
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    return [(cell, int(process)) for cell, _, process in (line.rpartition("/") for line in lines)]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def values(file: Path) -> dict[str, list[float]]:
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    return {f"{row['method']} {row['labels']}": row["values"] for row in rows}


@pytest.fixture
def expected(tiny: PaperTable, tmp_path: Path) -> dict[str, list[float]]:
    """What one process computes that nobody disturbs."""
    sweep = Sweep("tiny", only=("fine",), workers=1, seeds=3, quick=True)
    return values(reproduce(sweep, tmp_path / "whole", progress=False).file)


@contextmanager
def process(folder: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    surroundings = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TINY_OWNER": "0"}
    child = subprocess.Popen(
        [sys.executable, *command],
        env=surroundings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_stopped_sweep_goes_on_and_loses_only_the_cells_in_flight(
    tiny_folder: Path, expected: dict[str, list[float]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ["-c", START, "reproduce", "tiny", "--only", "fine", "--out", str(out)]

    slow = out / "work" / "slow"
    with process(tiny_folder, *command, "--workers", "2") as child:
        wait_for(lambda: bool(finished(out)))
        slow.touch()
        number = len(begun(out))
        wait_for(lambda: len(begun(out)) > number)
        child.kill()
        killed, in_flight = finished(out), len(begun(out)) - len(finished(out))
    assert in_flight <= 3  # two at work, one on its way
    # Nobody is left computing for half a minute what nobody would take.
    wait_for(lambda: not any(alive(worker) for _, worker in begun(out)), 10)
    assert finished(out) == killed
    slow.unlink()

    with process(tiny_folder, *command, "--workers", "1") as child:
        wait_for(lambda: len(finished(out)) > len(killed) or child.poll() is not None)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=PATIENCE)
        assert child.returncode == 130
        assert f"Stopped; run the same command again to resume from {out}." in said
        assert f"{len(killed)} of 6 cells are there already" in said
        assert "Traceback" not in said
    stopped = finished(out)
    assert len(killed) < len(stopped) < 6
    before = Counter(cell for cell, _ in begun(out))

    last = reproduce(Sweep("tiny", only=("fine",), workers=1), out, progress=False)
    assert values(last.file) == expected
    again = Counter(cell for cell, _ in begun(out)) - before
    names = {cell.replace("/", ",seed=") + ".json" for cell in again}
    assert set(again.values()) == {1}
    assert names == set(finished(out)) - set(stopped)
    # What was finished at the kill was not begun again after it.
    assert all(before[name.removesuffix(".json").replace(",seed=", "/")] == 1 for name in killed)


def test_ctrl_c_ends_workers_in_the_middle_of_their_cells(
    tiny_folder: Path, tmp_path: Path
) -> None:
    command = ["-c", START, "reproduce", "tiny", "--only", "fine", "--out", str(tmp_path)]
    with process(tiny_folder, *command, "--workers", "2") as child:
        wait_for(lambda: bool(finished(tmp_path)))
        (tmp_path / "work" / "slow").touch()  # half a minute a cell
        number = len(begun(tmp_path))
        wait_for(lambda: len(begun(tmp_path)) > number)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 130
    assert f"Stopped; run the same command again to resume from {tmp_path}." in said
    assert "Traceback" not in said
    wait_for(lambda: not any(alive(worker) for _, worker in begun(tmp_path)), 10)
    assert 1 <= len(finished(tmp_path)) < 6


def test_a_worker_that_dies_costs_a_second_try(
    expected: dict[str, list[float]], tmp_path: Path
) -> None:
    sweep = Sweep("tiny", only=("mortal", "fine"), workers=2, quick=True, seeds=3)
    outcome = reproduce(sweep, tmp_path / "out", progress=False)
    assert (outcome.computed, outcome.failed) == (9, ())
    found = values(outcome.file)
    assert found.pop("mortal 10") == expected["fine 10"]
    assert found == expected


def test_workers_that_always_die_end_in_failures(
    tiny: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    class Dying(Executor):
        def submit(self, *_: object, **__: object) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool())
            return future

    def dying(number: int) -> Dying:
        opened.append(number)
        return Dying()

    monkeypatch.setattr(workers, "_processes", dying)
    sweep = Sweep("tiny", only=("fine",), seeds=1, quick=True, workers=5)
    failed = reproduce(sweep, tmp_path, progress=False).failed
    assert opened == [2, 2, 2]
    reasons = [one.reason for one in failed]
    assert reasons == ["workers died 3 times in a row, probably out of memory"] * 2


# -- Dask -------------------------------------------------------------------------------------


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """To be asked for before the cluster, which then gives a cell up when one worker dies on it."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")


@pytest.fixture
def cluster(tiny_folder: Path, tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """The address of a scheduler with two workers, and the three processes."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    local = ["--no-dashboard", "--host", "127.0.0.1"]
    options = [*local, "--port", "0", "--scheduler-file", str(file)]
    with process(tiny_folder, "-m", "distributed.cli.dask_scheduler", *options) as scheduler:
        wait_for(lambda: file.exists() and file.stat().st_size > 0)
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        one = [
            "-m",
            "distributed.cli.dask_worker",
            address,
            "--nthreads",
            "1",
            "--no-nanny",
            *local,
        ]
        one += ["--local-directory", str(tmp_path / "dask")]
        with process(tiny_folder, *one) as first, process(tiny_folder, *one) as second:
            yield address, [scheduler, first, second]


@pytest.mark.slow
def test_a_dead_dask_worker_s_cell_is_computed_by_another(
    cluster: tuple[str, list[subprocess.Popen[str]]],
    expected: dict[str, list[float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, (scheduler, *members) = cluster
    out = tmp_path / "out"
    # Whichever cell of "mortal" is begun first kills the worker that computes it.
    sweep = Sweep("tiny", only=("fine", "mortal"), scheduler=address, quick=True, seeds=3)
    outcome = reproduce(sweep, out, progress=False)
    assert (outcome.computed, outcome.failed) == (9, ())
    found = values(outcome.file)
    assert found.pop("mortal 10") == expected["fine 10"]
    assert found == expected

    assert {process for _, process in begun(out)} == {member.pid for member in members}
    assert sorted(member.poll() or 0 for member in members) == [-signal.SIGKILL, 0]
    counts = Counter(cell for cell, _ in begun(out))
    assert sorted(counts[f"mortal,labels=10/{seed}"] for seed in range(3)) == [1, 1, 2]
    assert not (out / "failures").exists()

    scheduler.kill()
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    with pytest.raises(ConnectionError, match=r"--scheduler tcp://.*: no scheduler answers there"):
        reproduce(Sweep("tiny", scheduler=address, quick=True), out, progress=False)


@pytest.mark.slow
def test_neither_a_cell_that_dask_gives_up_nor_a_lost_scheduler_makes_it_wait(
    impatience: None,
    cluster: tuple[str, list[subprocess.Popen[str]]],
    tiny: PaperTable,
    tmp_path: Path,
) -> None:
    address, (scheduler, *_) = cluster
    first = Sweep("tiny", only=("mortal",), scheduler=address, quick=True, seeds=1)
    (failed,) = reproduce(first, tmp_path / "first", progress=False).failed
    assert failed.reason == "every worker that tried it died, probably out of memory"

    out = tmp_path / "second"

    def end() -> None:
        wait_for(lambda: bool(finished(out)))
        scheduler.kill()

    ending = threading.Thread(target=end)
    ending.start()
    with pytest.raises(
        ConnectionError, match="the connection was lost; run the same command again"
    ):
        reproduce(Sweep("tiny", only=("fine",), scheduler=address), out, progress=False)
    ending.join()
    assert 1 <= len(finished(out)) < 6


def test_a_scheduler_that_is_not_there_is_named_before_anything_is_prepared(
    tiny: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    for address in ("tcp://127.0.0.1:1", "nonsense"):
        sweep = Sweep("tiny", scheduler=address)
        with pytest.raises(ConnectionError, match=f"--scheduler {address}: no scheduler answers"):
            reproduce(sweep, tmp_path, progress=False)
    assert not (tmp_path / "work").exists()


def test_a_wrong_address_is_one_sentence_and_the_end(tiny_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    options = ["reproduce", "tiny", "--scheduler", "localhost", "--out", str(tmp_path)]
    with process(tiny_folder, "-c", START, *options) as child:
        _, said = child.communicate(timeout=2 * PATIENCE)
    assert child.returncode == 1
    (line,) = said.strip().splitlines()
    assert line.startswith("--scheduler localhost: no scheduler answers there")


class Cluster:
    """As a client of a cluster without workers, or with such as have several threads."""

    threads: ClassVar[dict[str, int]] = {}

    def __init__(self, address: str, **_: object) -> None:
        self.address = address

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_for_workers(self, count: int, timeout: float) -> None:
        if not self.threads:
            raise TimeoutError

    def nthreads(self) -> dict[str, int]:
        return self.threads


@pytest.mark.parametrize(
    ("threads", "error", "message"),
    [
        ({}, ConnectionError, "it has no workers; start some with 'dask worker tcp://x --nthreads"),
        ({"a": 1, "b": 4}, ValueError, "its workers have several threads, .* with --nthreads 1"),
    ],
)
def test_a_cluster_that_cannot_serve_is_refused(
    tiny: PaperTable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    threads: dict[str, int],
    error: type[Exception],
    message: str,
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(Cluster, "threads", threads)
    monkeypatch.setattr("distributed.Client", Cluster)
    monkeypatch.setattr(workers, "_knock", AsyncMock())
    with pytest.raises(error, match=message):
        reproduce(Sweep("tiny", scheduler="tcp://x"), tmp_path, progress=False)


def test_without_dask_it_says_what_to_install(
    tiny: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"--scheduler needs Dask: pip install 'latent-transfer\["):
        reproduce(Sweep("tiny", scheduler="tcp://127.0.0.1:1"), tmp_path, progress=False)
