"""What a table may look like, and that the package's own can be loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from latent_transfer.papers import table
from latent_transfer.papers.sweep import Sweep, reproduce
from latent_transfer.papers.table import (
    TABLES,
    PaperTable,
    Row,
    find_table,
    known_tables,
    load_table,
    register,
)


def row(method: str, **condition: str | int | float) -> Row:
    return Row(method, condition, 3, None, "test_errors")


@pytest.mark.parametrize("name", TABLES)
def test_each_table_can_be_loaded_and_kept_as_json(name: str) -> None:
    found = find_table(name)
    assert found.name == name
    for quick in (False, True):
        chosen = found.chosen(quick)
        assert json.loads(json.dumps(chosen)).keys() == found.settings.keys()
    assert found.rows


def test_the_list_of_tables_loads_none_of_them() -> None:
    code = "import sys, latent_transfer.papers.table; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(TABLES.values()) & set(loaded)
    assert "distributed" not in loaded


@pytest.mark.parametrize(
    ("only", "labels"),
    [
        ([], ["fine,labels=10", "fine,labels=20", "moody & slow,labels=10"]),
        (["fine"], ["fine,labels=10", "fine,labels=20"]),
        (["moody & slow", "fine, labels=20"], ["fine,labels=20", "moody & slow,labels=10"]),
    ],
)
def test_rows_are_chosen_in_the_order_of_the_table(
    tiny: PaperTable, only: list[str], labels: list[str]
) -> None:
    assert [chosen.label for chosen in tiny.select(only)][:3] == labels


@pytest.mark.parametrize("name", ["nice", "fine,labels=11", "fine,units=10", "labels=10"])
def test_an_unknown_row_is_answered_with_those_that_there_are(tiny: PaperTable, name: str) -> None:
    message = rf"tiny has no row '{name}'; its rows are fine,labels=10; fine,labels=20; moody & s"
    with pytest.raises(ValueError, match=message):
        tiny.select(["fine", name])


def test_an_unknown_table_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="no table 'nope'; there are kingma2014, "):
        find_table("nope")


def test_another_package_adds_a_table_by_an_entry_point(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = tmp_path / "theirs-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    entries = "[latent_transfer.tables]\nsmall = tiny_table\nnade = tiny_table\n"
    (described / "entry_points.txt").write_text(entries)
    monkeypatch.setenv("TINY_OWNER", "0")
    monkeypatch.syspath_prepend(tiny_folder)
    monkeypatch.syspath_prepend(tmp_path)
    assert known_tables() == {**TABLES, "small": "tiny_table"}  # ours cannot be replaced
    assert find_table("small").source == "Nobody 1999, Table 1"
    assert find_table("nade").name == "nade"


def test_a_table_can_be_registered_for_a_process(
    tiny: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "TABLES", dict(TABLES))
    register("mine", "tiny_table")
    register("mine", "tiny_table")
    assert find_table("mine") is tiny
    made = reproduce(
        Sweep("mine", seeds=1, only=("fine",), workers=2, quick=True), tmp_path, progress=False
    )
    assert (made.computed, made.failed) == (2, ())
    with pytest.raises(ValueError, match="'nade' is in latent_transfer"):
        register("nade", "tiny_table")


def test_a_module_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="json defines no TABLE that is a PaperTable"):
        load_table("json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": (row("a", k=1), row("a", k=1))}, "Two rows of tiny are called 'a,k=1'"),
        ({"quick": {"pauses": 0}}, "tiny has no setting 'pauses'"),
        ({"rows": (replace(row("a"), uses=("depth",)),)}, "tiny has no setting 'depth'"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    tiny: PaperTable, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(tiny, **change)  # type: ignore[arg-type]


def test_names_that_the_file_or_the_option_could_not_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="no commas or equals signs, unlike a,b"):
        row("a,b")
    with pytest.raises(ValueError, match="cannot be called 'mean'"):
        row("a", mean=1)
    with pytest.raises(ValueError, match="at least one seed, not 0"):
        replace(row("a"), seeds=0)
