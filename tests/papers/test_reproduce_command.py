"""``latent-transfer reproduce`` as users type it."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest

from latent_transfer import cli
from latent_transfer.papers import table as tables
from latent_transfer.papers.sweep import Sweep
from latent_transfer.papers.table import PaperTable


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leaving:
        cli.main(["reproduce", *arguments])
    said = capsys.readouterr()
    return int(str(leaving.value.code)), said.out, said.err


def test_the_list_has_rows_cells_and_source(
    tiny: PaperTable, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "TABLES", {"tiny": "tiny_table"})
    for arguments in (["--list"], []):
        code, out, _ = run(capsys, *arguments)
        assert code == 0
        (line,) = [line for line in out.splitlines() if line.strip().startswith("tiny")]
        assert line.split() == ["tiny", "5", "15", "Nobody", "1999,", "Table", "1"]


def test_it_shows_progress_and_where_the_table_is(
    tiny: PaperTable,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--quick", "--workers", "1", "--only", "fine,labels=10", "--only", "fine,labels=20")
    code, out, err = run(capsys, "tiny", *options)
    place = Path("reproduce-tiny-quick")
    assert code == 0
    assert out.splitlines()[-1] == f"Table: {place / 'tiny.json'}"
    assert "fine" in out  # the table itself
    assert "4/4" in err
    assert (place / "tiny.json").exists()
    code, out, err = run(capsys, "tiny", *options)
    assert (code, out.splitlines()[-1]) == (0, f"Table: {place / 'tiny.json'}")
    assert "4 of 4 cells are there already" in err


def test_failed_cells_are_named_and_the_exit_code_tells(
    tiny: PaperTable, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    only = ("--only", "moody", "--only", "fine,labels=10", "--seeds", "1")
    code, out, err = run(capsys, "tiny", "--quick", "--workers", "1", "--out", str(tmp_path), *only)
    assert code == 1
    assert "Failed: moody,labels=10, seed 0: ValueError: not today" in err
    assert err.splitlines()[-1] == (
        f"1 cell failed: moody,labels=10, seed 0; see {tmp_path / 'failures'}. "
        "Run the same command to try again."
    )
    assert f"Table: {tmp_path / 'tiny.json'}" in out


@pytest.mark.parametrize(
    ("arguments", "message", "exit_code"),
    [
        (("nope",), "There is no table 'nope'; there are kingma2014, ", 1),
        (("tiny", "--only", "nice"), "tiny has no row 'nice'; its rows are fine,labels=10; ", 1),
        (("tiny", "--seeds", "0"), "--seeds must be at least 1, not 0.", 2),
        (("tiny", "--workers", "-1"), "--workers must be at least 1, not -1.", 2),
    ],
)
def test_errors_are_one_sentence(
    tiny: PaperTable,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
    exit_code: int,
) -> None:
    out = tmp_path / "out"
    code, said, err = run(capsys, *arguments, "--out", str(out))
    assert (code, said) == (exit_code, "")
    assert err.startswith(message)
    assert len(err.strip().splitlines()) == 1
    assert not out.exists()


def test_defaults_are_the_packages() -> None:
    options = inspect.signature(cli.reproduce).parameters
    for field in fields(Sweep)[1:]:
        assert (options[field.name].default or None) == (field.default or None)
