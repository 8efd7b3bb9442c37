"""One cell of a table: how it is computed, wherever that is, and how it is kept.

A finished cell is a small JSON file with its settings, so that a sweep can go on from a folder of
them and can tell when they are of another sweep.
"""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import torch

from latent_transfer import __version__
from latent_transfer._files import write_atomically
from latent_transfer._random import seeded
from latent_transfer.errors import CheckpointError
from latent_transfer.papers.table import PaperTable, Place, Row, load_table

#: Seconds between two looks at whether the sweep that owns a worker still lives.
WATCH = 0.1

_one_at_a_time = threading.Lock()
_watching = threading.Event()


class Job(NamedTuple):
    """A cell to compute, in plain values that any process can be sent.

    Attributes:
        module: Defines the table.
        label: Of the row.
        seed: Of the cell.
        settings: Those that the row uses.
        place: Folder and data root.
        owner: Process that the worker must not outlive; none on a cluster.
    """

    module: str
    label: str
    seed: int
    settings: dict[str, Any]
    place: Place
    owner: int | None = None

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"{self.label}, seed {self.seed}"


@dataclass(frozen=True)
class Finished:
    """A computed cell.

    Attributes:
        row: Label of the row.
        seed: Of the cell.
        value: The figure.
        seconds: Wall time.
        settings: Those that the row uses.
        environment: Versions, device and threads.
    """

    row: str
    seed: int
    value: float
    seconds: float
    settings: dict[str, Any]
    environment: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """A cell that could not be computed.

    Attributes:
        row: Label of the row.
        seed: Of the cell.
        reason: One line.
        details: A traceback, or nothing.
    """

    row: str
    seed: int
    reason: str
    details: str = ""

    def __str__(self) -> str:
        return f"{self.row}, seed {self.seed}: {self.reason}"


def used_settings(row: Row, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a table's settings that a row depends on, as it comes back from JSON."""
    names = settings if row.uses is None else row.uses
    used: dict[str, Any] = json.loads(json.dumps({name: settings[name] for name in names}))
    return used


def run_cell(job: Job) -> Finished | Failed:
    """Compute a cell on one thread; an error becomes a result, so that other cells go on."""
    if job.owner is not None and job.owner != os.getpid():
        _belong_to(job.owner)
    started = time.monotonic()
    try:
        # A Dask worker may have several threads, and PyTorch's generators belong to the process.
        with _one_at_a_time, _alone():
            value = _measure(job)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return Failed(job.label, job.seed, reason, traceback.format_exc())
    seconds = round(time.monotonic() - started, 3)
    return Finished(job.label, job.seed, value, seconds, job.settings, _environment())


def _measure(job: Job) -> float:
    table = load_table(job.module)
    if table.prepare and not job.place.folder.is_dir():
        raise FileNotFoundError(
            f"{job.place.folder} is not here; --out must be on a disk that all workers see."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with seeded(job.seed, device):
        value = float(table.measure(table.row(job.label), job.seed, job.settings, job.place))
    if not isfinite(value):
        raise ValueError(f"the figure is {value}.")
    return value


@contextmanager
def _alone() -> Iterator[None]:
    """One thread, and no workers of workers; afterwards all is as it was."""
    from joblib import parallel_config

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with parallel_config(backend="sequential"):
            yield
    finally:
        torch.set_num_threads(threads)


def _belong_to(owner: int) -> None:
    """Leave Ctrl-C to the owner, and end when it ends: nobody would take the result."""
    if _watching.is_set():
        return
    _watching.set()

    def watch() -> None:
        while os.getppid() == owner:
            time.sleep(WATCH)
        os._exit(1)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def _environment() -> dict[str, Any]:
    packages = {name: version(name) for name in ("torch", "torchvision", "numpy", "scikit-learn")}
    device = f"cuda ({torch.cuda.get_device_name()})" if torch.cuda.is_available() else "cpu"
    python = platform.python_version()
    return {"latent-transfer": __version__, "python": python, **packages, "device": device}


def cell_file(folder: Path, label: str, seed: int, suffix: str = ".json") -> Path:
    """Where a cell is kept."""
    name = re.sub(r"[^\w+=,.-]+", "_", label)
    return folder / f"{name},seed={seed}{suffix}"


def write_cell(folder: Path, cell: Finished) -> None:
    """Keep a finished cell."""
    content = json.dumps(asdict(cell), indent=1, ensure_ascii=False) + "\n"
    write_atomically(cell_file(folder, cell.row, cell.seed), content.encode())


def read_cells(
    folder: Path, table: PaperTable, settings: Mapping[str, Any]
) -> dict[tuple[str, int], Finished]:
    """All cells kept in a folder, by row and seed.

    Args:
        folder: Of the cells; may be missing.
        table: The table that they must belong to.
        settings: All settings of the sweep.

    Raises:
        CheckpointError: If one is damaged, or of another row, or was computed with other settings.
    """
    rows = {row.label: used_settings(row, settings) for row in table.rows}
    cells = {}
    for path in sorted(folder.glob("*.json")):
        try:
            cell = Finished(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); delete it.") from None
        if cell.row not in rows:
            raise CheckpointError(
                f"{path} is of the row {cell.row}, which {table.name} does not have; delete it, "
                "or name another folder with --out."
            )
        _check_settings(path, cell.settings, rows[cell.row])
        cells[cell.row, cell.seed] = cell
    return cells


def _check_settings(path: Path, saved: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    for name in saved.keys() | present.keys():
        there, here = saved.get(name), present.get(name)
        if there != here:
            raise CheckpointError(
                f"{path} was computed with other settings: {name} is {there} there and {here} "
                "here; delete it and those like it, or name another folder with --out."
            )
