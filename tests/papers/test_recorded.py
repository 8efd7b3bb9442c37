"""What is recorded was measured with the settings that the code has now, and says so honestly."""

from __future__ import annotations

import json
import math
import platform
import re
import shlex
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import latent_transfer as lt
from latent_transfer.papers import code
from latent_transfer.papers.code import code_of
from latent_transfer.papers.sweep import Sweep, reproduce
from latent_transfer.papers.table import TABLES, PaperTable, Row, find_table, known_tables
from latent_transfer.records.reader import FIELDS, recorded_names

KEYS = ["name", "source", "rows", "settings", "deviations", "provenance"]
PROVENANCE = {
    *("latent-transfer", "commit", "code", "library", "python", "torch"),
    *("device", "threads", "command", "wall_seconds"),
}
OTHER_CODE = "it was measured with other code of its module"
RECORDED = Path(lt.__file__).parent / "records" / "tables"


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return content


def problems(content: dict[str, Any], table: PaperTable) -> list[str]:
    """What is wrong with a recorded table, or stale."""
    found = [f"its keys are {list(content)}"] if list(content) != KEYS else []
    for name in ("settings", "source", "deviations"):
        if content[name] != json.loads(json.dumps(getattr(table, name))):
            found.append(f"{name} are not those of the code")
    provenance = content["provenance"]
    # Older records have a checksum that was taken later, and no other.
    older = "code_taken_later" in provenance
    missing = PROVENANCE - provenance.keys() - ({"code", "library", "commit"} if older else set())
    found += [f"provenance lacks {name}" for name in sorted(missing)]
    checksum = provenance.get("code_taken_later" if older else "code")
    if checksum != code_of(known_tables()[table.name]):
        found.append("it was measured with other code of its module")
    command = shlex.split(provenance["command"])
    # Rows may be recorded before the others are measured, but never with small settings.
    if command[:3] != ["latent-transfer", "reproduce", table.name] or "--quick" in command:
        found.append("its command does not make what is recorded")
    rows = {row.label: row for row in table.rows}
    for recorded in content["rows"]:
        found += row_problems(recorded, rows)
    text = json.dumps(content)
    if re.search(r"(?<![\w.])(/[\w.-]+){2,}", text) or platform.node() in re.findall(
        r"[\w.-]+", text
    ):
        found.append("it names a place")
    return found


def row_problems(recorded: dict[str, Any], rows: dict[str, Row]) -> list[str]:
    condition = {key: value for key, value in recorded.items() if key not in FIELDS}
    label = ",".join([recorded["method"], *(f"{key}={value}" for key, value in condition.items())])
    if label not in rows:
        return [f"the code has no row {label}"]
    found, values, row = [], recorded["values"], rows[label]
    if (recorded["metric"], recorded["paper"]) != (row.metric, row.paper):
        found.append(f"metric or paper of {label} are not those of the code")
    if not values or not all(math.isfinite(value) for value in values):
        return [*found, f"{label} has no finite values"]
    if len(values) < row.seeds:
        found.append(f"{label} has {len(values)} of {row.seeds} seeds")
    if not math.isclose(recorded["mean"], statistics.fmean(values), abs_tol=1e-9):
        found.append(f"mean of {label} is not that of its values")
    spread = statistics.stdev(values) if len(values) > 1 else None
    if spread is None or recorded["std"] is None:
        found += [f"std of {label} is not null"] if spread is not recorded["std"] else []
    elif not math.isclose(recorded["std"], spread, abs_tol=1e-9):
        found.append(f"std of {label} is not that of its values")
    return found


@pytest.mark.parametrize("name", recorded_names())
def test_a_change_of_method_makes_a_record_stale(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, tree = code._read(known_tables()[name])
    changed = source.replace("cosine_schedule", "warm_schedule").replace("fit_gan(", "fit_other(")
    assert changed != source
    code_of.cache_clear()
    monkeypatch.setattr(code, "_read", lambda _: (changed, tree))
    try:
        assert OTHER_CODE in problems(read(name), find_table(name))
    finally:
        code_of.cache_clear()


@pytest.mark.parametrize("name", recorded_names())
def test_recorded_results_are_those_of_the_code(name: str) -> None:
    content = read(name)
    assert content["name"] == name
    assert problems(content, find_table(name)) == []
    assert len(lt.recorded(name).rows) == len(content["rows"]) > 0


def test_the_book_shows_every_table() -> None:
    page = Path(__file__).parents[2] / "book" / "appendix" / "reproductions.ipynb"
    text = page.read_text(encoding="utf-8")
    assert [name for name in TABLES if f'show(\\"{name}\\"' not in text] == []


@pytest.fixture
def content(tiny: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A table fresh from the command, with all that its rows need."""
    monkeypatch.setitem(tiny.settings, "pause", 0.0)
    (tmp_path / "work").mkdir()
    for marker in ("calm", "died"):
        (tmp_path / "work" / marker).touch()
    made = reproduce(Sweep("tiny", workers=1), tmp_path, progress=False)
    fresh: dict[str, Any] = json.loads(made.file.read_text(encoding="utf-8"))
    return fresh


def test_a_fresh_table_has_no_problems(tiny: PaperTable, content: dict[str, Any]) -> None:
    assert len(content["rows"]) == len(tiny.rows)
    assert problems(content, tiny) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda made: made["settings"].update(base=2.0), "settings are not those of the code"),
        (lambda made: made["settings"].pop("other"), "settings are not those of the code"),
        (lambda made: made["deviations"].clear(), "deviations are not those of the code"),
        (lambda made: made.update(note=""), "its keys are"),
        (lambda made: made["provenance"].pop("torch"), "provenance lacks torch"),
        (lambda made: made["provenance"].pop("commit"), "provenance lacks commit"),
        (lambda made: made["provenance"].pop("code"), "provenance lacks code"),
        (lambda made: made["provenance"].update(code="0123456789ab"), OTHER_CODE),
        (lambda made: made["provenance"].update(code_taken_later="0123456789ab"), OTHER_CODE),
        (
            lambda made: made["provenance"].update(
                command="latent-transfer reproduce tiny --quick"
            ),
            "its command does not make what is recorded",
        ),
        (lambda made: made["rows"][0].update(labels=11), "the code has no row fine,labels=11"),
        (lambda made: made["rows"][2].update(method="gone"), "the code has no row gone,labels=10"),
        (lambda made: made["rows"][0].update(mean=3.0), "mean of fine,labels=10 is not"),
        (lambda made: made["rows"][0].update(std=3.0), "std of fine,labels=10 is not that"),
        (lambda made: made["rows"][0].update(std=None), "std of fine,labels=10 is not null"),
        (lambda made: made["rows"][0]["values"].pop(), "fine,labels=10 has 2 of 3 seeds"),
        (lambda made: made["rows"][0].update(values=[]), "fine,labels=10 has no finite values"),
        (lambda made: made["rows"][0].update(paper=None), "metric or paper of fine,labels=10"),
        (lambda made: made["provenance"].update(data="/home/me/data"), "it names a place"),
        (lambda made: made["provenance"].update(host=platform.node()), "it names a place"),
    ],
)
def test_stale_and_damaged_tables_are_found(
    tiny: PaperTable,
    content: dict[str, Any],
    damage: Callable[[dict[str, Any]], object],
    problem: str,
) -> None:
    damage(content)
    found = problems(content, tiny)
    assert any(line.startswith(problem) for line in found), found
