"""Recorded tables: reading them, showing them, and refusing what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

import latent_transfer as lt
from latent_transfer.errors import DataError
from latent_transfer.records import RecordedTable, reader, recorded_names


def row(method: str, values: list[float], std: float | None, **more: Any) -> dict[str, Any]:
    fields = {"metric": "test_error_percent", "mean": sum(values) / len(values), "paper": None}
    return {"method": method, "values": values, "std": std, **fields, **more}


CONTENT = {
    "name": "example",
    "source": "Nobody <1999>, Table 1",
    "rows": [
        row("M2 & co", [11.0, 13.0], 1.4142, labels=100, paper={"mean": 11.97, "std": 1.71}),
        row("M2 & co", [4.5], None, labels=600, paper={"mean": 4.94, "std": None}),
        row("PCA", [7.0, 9.0, 8.0], 1.0, units=3),
    ],
    "settings": {"epochs": 3},
    "deviations": ["Fewer passes.", "Another net."],
    "provenance": {
        "torch": "2.9",
        "device": "cpu",
        "threads": 1,
        "command": "latent-transfer reproduce example",
        "wall_seconds": 7_200.0,
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reader, "_folder", lambda: tmp_path)
    (tmp_path / "example.json").write_text(json.dumps(CONTENT), encoding="utf-8")
    (tmp_path / "readme.txt").touch()
    return tmp_path


@pytest.fixture
def table(folder: Path) -> RecordedTable:
    return lt.recorded("example")


def test_a_table_is_found_by_name_and_by_path(folder: Path, table: RecordedTable) -> None:
    assert recorded_names() == ["example"]
    assert (table.name, table.source) == ("example", "Nobody <1999>, Table 1")
    for place in (folder / "example.json", str(folder / "example.json")):
        assert lt.recorded(place) == table


def test_a_row_is_found_by_method_and_condition(table: RecordedTable) -> None:
    found = table.row("M2 & co", labels=100)
    assert (found.values, found.condition) == ((11.0, 13.0), {"labels": 100})
    assert (found.mean, found.std, found.paper) == (12, 1.4142, {"mean": 11.97, "std": 1.71})
    assert table.row("PCA").quantity == "test error, %"
    assert table.values["M2 & co, labels 600"] == (4.5,)


@pytest.mark.parametrize(
    ("method", "condition", "message"),
    [
        ("M2 & co", {}, "example has 2 rows 'M2 & co', not 1; its rows are M2 & co, labels 100; "),
        ("PCA", {"labels": 100}, "example has 0 rows 'PCA, labels 100', not 1"),
    ],
)
def test_a_row_that_is_not_one_is_refused(
    table: RecordedTable, method: str, condition: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        table.row(method, **condition)


def test_text_shows_ours_beside_the_paper_s(table: RecordedTable) -> None:
    caption, header, *lines = str(table).splitlines()
    assert caption == "Nobody <1999>, Table 1. Means ± standard deviations over the seeds."
    assert header.split() == ["method", "labels", "units", "test", "error,", "%", "paper", "seeds"]
    assert lines[0].split("  ")[0] == "M2 & co"
    assert lines[0].endswith("12.00 ± 1.41   11.97 ± 1.71  2")
    assert lines[1].split()[-3:] == ["4.50", "4.94", "1"]
    assert lines[2].split() == ["PCA", "–", "3", "8.00", "±", "1.00", "–", "3"]
    assert repr(table) == str(table)


def test_markdown_and_html_show_the_same(table: RecordedTable) -> None:
    header, rule, *lines = table.markdown().splitlines()
    assert rule == "| --- | --- | --- | --- | --- | --- |"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in [header, *lines]]
    page = BeautifulSoup(table._repr_html_(), "html.parser")
    assert page.caption is not None
    assert page.caption.text == str(table).splitlines()[0]
    heads = page.select("thead th")
    assert [head.text for head in heads] == cells[0]
    assert {head["scope"] for head in heads} == {"col"}
    body = page.select("tbody tr")
    assert [[cell.text for cell in line.select("th, td")] for line in body] == cells[1:]
    assert [line.select("th")[0]["scope"] for line in body] == ["row"] * 3


def test_one_condition_can_go_along_the_columns(table: RecordedTable) -> None:
    grid = table.across("labels")
    assert grid.header == ("test error, % at labels", "100", "600")
    assert grid.body == (
        ("M2 & co", "12.00 ± 1.41", "4.50"),
        ("M2 & co (paper)", "11.97 ± 1.71", "4.94"),
        ("PCA, units 3", "8.00 ± 1.00", "8.00 ± 1.00"),
    )
    with pytest.raises(ValueError, match="example has no condition 'colour'"):
        table.across("colour")


def test_several_metrics_have_a_column(folder: Path) -> None:
    content = json.loads(json.dumps(CONTENT))
    content["rows"][2] |= {"metric": "auroc", "values": [0.912], "mean": 0.912, "std": None}
    (folder / "example.json").write_text(json.dumps(content), encoding="utf-8")
    _, header, *lines = str(lt.recorded("example")).splitlines()
    assert "measured" in header
    assert lines[0].count("test error, %") == 1
    assert lines[2].split() == ["PCA", "–", "3", "AUROC", "0.91", "–", "1"]


def test_how_it_was_measured_is_told(table: RecordedTable) -> None:
    told = table.about()
    for text in ("`latent-transfer reproduce example`", "- Fewer passes.\n- Another net.", "2.0 h"):
        assert text in told
    assert "torch 2.9, device cpu, threads 1" in told
    assert '"epochs": 3' in told


@pytest.mark.parametrize("damage", [{"rows": [{"method": "M2"}]}, {"rows": 3}, {"name": None}])
def test_a_file_that_is_no_table_is_named(folder: Path, damage: dict[str, Any]) -> None:
    content = {key: value for key, value in (CONTENT | damage).items() if value is not None}
    (folder / "example.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=r"example\.json is no recorded table"):
        lt.recorded("example")


def test_an_unknown_name_is_answered_with_those_that_there_are(folder: Path) -> None:
    with pytest.raises(ValueError, match="no recorded table 'nope'; there are: example"):
        lt.recorded("nope")
    (folder / "example.json").unlink()
    with pytest.raises(ValueError, match="there are: none yet"):
        lt.recorded("example")


def test_a_folder_that_is_missing_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_folder", lambda: tmp_path / "gone")
    assert recorded_names() == []


def test_it_stays_a_function_when_its_module_is_imported() -> None:
    assert callable(lt.recorded)
    assert lt.recorded is reader.recorded
