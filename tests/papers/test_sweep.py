"""Cells are computed once, kept at once, and refused when they are of another sweep."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from latent_transfer import _files
from latent_transfer.errors import CheckpointError, DataError
from latent_transfer.papers.cells import commit
from latent_transfer.papers.code import code_of, library_of
from latent_transfer.papers.sweep import Reproduction, Sweep, reproduce
from latent_transfer.papers.table import PaperTable

FINE = ("fine",)


def run(out: Path, **options: Any) -> Reproduction:
    """In this process unless told otherwise, which saves the start of another."""
    chosen: dict[str, Any] = {"only": FINE, "workers": 1, "quick": True, **options}
    return reproduce(Sweep("tiny", **chosen), out, progress=False)


def log(out: Path) -> Counter[str]:
    """How often each cell was begun."""
    lines = (out / "work" / "log").read_text(encoding="utf-8").splitlines()
    return Counter(line.rpartition("/")[0] for line in lines)


def content(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "tiny.json").read_text(encoding="utf-8"))
    return read


def test_the_file_holds_what_the_issue_of_a_table_needs(tiny: PaperTable, tmp_path: Path) -> None:
    outcome = run(tmp_path, seeds=3)
    assert outcome == Reproduction(tmp_path / "tiny.json", 6, ())
    made = content(tmp_path)
    assert list(made) == ["name", "source", "rows", "settings", "deviations", "provenance"]
    assert (made["name"], made["source"]) == ("tiny", tiny.source)
    assert made["settings"] == {"base": 1.0, "pause": 0.0, "other": [1, {"two": 3}]}
    assert made["deviations"] == list(tiny.deviations)
    first, second = made["rows"]
    names = ["method", "labels", "metric", "values", "mean", "std", "paper"]
    assert list(first) == list(second) == names
    assert (first["method"], first["labels"]) == ("fine", 10)
    assert first["metric"] == "test_error_percent"
    assert first["paper"] == {"mean": 10.5, "std": 0.3}
    values = [
        10 + torch.rand((), generator=torch.Generator().manual_seed(s)).item() for s in (0, 1, 2)
    ]
    assert first["values"] == pytest.approx(values)
    assert first["mean"] == pytest.approx(sum(values) / 3)
    assert first["std"] == pytest.approx(statistics.stdev(values))


def test_provenance_names_versions_and_command_but_no_place(
    tiny: PaperTable, tmp_path: Path
) -> None:
    run(tmp_path, seeds=1, only=("fine,labels=20",))
    provenance = content(tmp_path)["provenance"]
    command = "latent-transfer reproduce tiny --seeds 1 --only fine,labels=20 --quick"
    assert provenance["command"] == command
    assert provenance["torch"] == torch.__version__
    assert {"latent-transfer", "device", "threads", "wall_seconds"} <= provenance.keys()
    assert provenance["code"] == code_of("tiny_table")
    assert provenance["library"] == library_of("tiny_table")
    assert provenance["commit"] == commit()
    assert provenance["device"] == "cpu"
    assert str(tmp_path) not in (tmp_path / "tiny.json").read_text(encoding="utf-8")
    (only,) = content(tmp_path)["rows"]
    assert only["std"] is None


def test_provenance_tells_where_shared_things_were_made(tiny: PaperTable, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "train").touch()
    run(tmp_path, seeds=1)
    made = content(tmp_path)["provenance"]
    assert made["precision"] == "bfloat16"
    # The next sweep in the folder finds the shared things made, and still tells.
    (tmp_path / "work" / "train").unlink()
    run(tmp_path, seeds=2)
    assert content(tmp_path)["provenance"]["precision"] == "bfloat16"


def test_finished_cells_are_not_computed_again(tiny: PaperTable, tmp_path: Path) -> None:
    assert run(tmp_path, seeds=1).computed == 2
    assert run(tmp_path, seeds=3).computed == 4
    assert run(tmp_path, seeds=2).computed == 0
    assert set(log(tmp_path).values()) == {1}
    # The table shows all that is finished, whatever the last command asked for.
    assert [len(row["values"]) for row in content(tmp_path)["rows"]] == [3, 3]


def test_by_default_a_row_has_its_own_number_of_seeds(tiny: PaperTable, tmp_path: Path) -> None:
    assert run(tmp_path / "quick", only=("fine,labels=10",)).computed == 2
    sweep = Sweep("tiny", only=("fine,labels=10",), workers=1)
    assert reproduce(sweep, tmp_path / "full", progress=False).computed == 3


def test_a_cell_that_fails_does_not_stop_the_others(tiny: PaperTable, tmp_path: Path) -> None:
    outcome = run(tmp_path, only=("moody", "fine"), seeds=2)
    assert outcome.computed == 4
    assert [str(failed) for failed in outcome.failed] == [
        f"moody,labels=10, seed {seed}: ValueError: not today" for seed in (0, 1)
    ]
    traceback = tmp_path / "failures" / "moody,labels=10,seed=1.txt"
    assert 'raise ValueError("not today")' in traceback.read_text(encoding="utf-8")
    assert [row["method"] for row in content(tmp_path)["rows"]] == ["fine", "fine"]

    (tmp_path / "work" / "calm").touch()
    assert run(tmp_path, only=("moody", "fine"), seeds=2) == Reproduction(
        tmp_path / "tiny.json", 2, ()
    )
    assert list((tmp_path / "failures").iterdir()) == []
    assert [row["method"] for row in content(tmp_path)["rows"]] == ["fine", "fine", "moody"]


def test_only_rows_with_cells_left_are_prepared(tiny: PaperTable, tmp_path: Path) -> None:
    prepared = tmp_path / "work" / "prepared"
    run(tmp_path, only=("fine,labels=10",))
    run(tmp_path, only=FINE)
    assert prepared.read_text() == "fine,labels=20"
    prepared.unlink()
    run(tmp_path, only=FINE)
    assert not prepared.exists()


def _tamper(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def on(path: Path) -> None:
        cell = json.loads(path.read_text(encoding="utf-8"))
        change(cell)
        path.write_text(json.dumps(cell), encoding="utf-8")

    return on


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            _tamper(lambda cell: cell["settings"].update(base=2.0)),
            r"seed=0\.json was computed with other settings: base is 2.0 there and 1.0 here",
        ),
        (
            _tamper(lambda cell: cell["settings"].pop("base")),
            "base is None there and 1.0 here",
        ),
        (
            _tamper(lambda cell: cell["environment"].update(code="0123")),
            r"seed=0\.json was computed with other code: code is 0123 there and [0-9a-f]{12} here",
        ),
        (
            _tamper(lambda cell: cell["environment"].pop("library")),
            r"was computed with other code: library is None there and [0-9a-f]{12} here",
        ),
        (_tamper(lambda cell: cell.update(row="gone")), "is of the row gone, which tiny does not"),
        (lambda path: path.write_text("{"), "is damaged"),
        (lambda path: path.write_text("[]"), "is damaged"),
    ],
)
def test_cells_of_another_sweep_are_refused(
    tiny: PaperTable, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    run(tmp_path, seeds=1)
    before = (tmp_path / "tiny.json").read_bytes()
    damage(tmp_path / "cells" / "fine,labels=10,seed=0.json")
    with pytest.raises(CheckpointError, match=message):
        run(tmp_path, seeds=2)
    assert (tmp_path / "tiny.json").read_bytes() == before
    assert set(log(tmp_path).values()) == {1}


def test_settings_that_a_row_does_not_use_leave_its_cells_valid(
    tiny: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, seeds=1)
    monkeypatch.setitem(tiny.settings, "other", 5)
    assert run(tmp_path, seeds=1).computed == 0
    assert content(tmp_path)["settings"]["other"] == 5
    run(tmp_path, seeds=1, only=("moody & slow",))
    monkeypatch.setitem(tiny.settings, "other", 6)
    with pytest.raises(CheckpointError, match=r"moody_slow.*other is 5 there and 6 here"):
        run(tmp_path, seeds=1)


def test_a_folder_that_cannot_be_written_is_found_out_first(
    tiny: PaperTable, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataError, match=r"--out .*file is a file; name a folder"):
        run(file)
    with pytest.raises(DataError, match=r"--out: .*file.* cannot be written \(Not a directory\)"):
        run(file / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_up_is_named_and_keeps_what_is_finished(
    tiny: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = _files.write_atomically

    def filling(path: Path, text: bytes) -> None:
        if path.name == "fine,labels=10,seed=1.json":
            raise OSError(28, "No space left on device", str(path))
        write(path, text)

    monkeypatch.setattr("latent_transfer.papers.sweep.write_atomically", filling)
    with pytest.raises(DataError, match=r"seed=1\.json cannot be written \(No space left"):
        run(tmp_path, seeds=2)
    monkeypatch.undo()
    assert [len(row["values"]) for row in content(tmp_path)["rows"]] == [1, 1]


@pytest.mark.parametrize("options", [{"seeds": 0}, {"workers": 0}])
def test_numbers_below_one_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"--{next(iter(options))} must be at least 1, not 0"):
        Sweep("tiny", **options)  # type: ignore[arg-type]


def test_a_figure_that_is_no_number_is_a_failure(
    tiny: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tiny.settings, "base", float("nan"))
    (first, _) = run(tmp_path, seeds=1).failed
    assert first.reason == "ValueError: the number is nan."
    assert not (tmp_path / "cells").exists()


def test_a_cell_leaves_generators_and_threads_as_they_were(
    tiny: PaperTable, tmp_path: Path
) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        assert run(tmp_path, seeds=1).computed == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
