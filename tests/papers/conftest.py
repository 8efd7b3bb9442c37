"""A tiny table, which workers can import."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from latent_transfer.papers import table
from latent_transfer.papers.table import PaperTable

#: A table whose cells take a moment; a worker must be able to import it, so that it is a file.
TINY = """
import os, signal, time
import torch
from latent_transfer.papers.table import PaperTable, Row

OWNER = int(os.environ["TINY_OWNER"])

def measure(row, seed, settings, place):
    place.folder.mkdir(parents=True, exist_ok=True)
    with (place.folder / "log").open("a") as log:
        log.write(f"{row.label}/{seed}/{os.getpid()}\\n")
    if torch.get_num_threads() != 1:
        raise RuntimeError("more than one thread")
    if os.getpid() != OWNER and os.environ.get("OMP_NUM_THREADS") != "1":
        raise RuntimeError("more than one thread of the numerical libraries")
    time.sleep(30 if (place.folder / "slow").exists() else settings["pause"])
    if row.method == "moody" and not (place.folder / "calm").exists():
        raise ValueError("not today")
    if row.method == "mortal":
        try:  # of several cells at once exactly one is the first
            (place.folder / "died").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return settings["base"] * row.condition["labels"] + torch.rand(()).item()

def prepare(rows, settings, place):
    (place.folder / "prepared").write_text(" ".join(row.label for row in rows))
    if (place.folder / "train").exists():
        with torch.autocast("cpu", torch.bfloat16):
            torch.nn.Linear(2, 2)(torch.zeros(1, 2))

def row(method, labels, **more):
    return Row(method, {"labels": labels}, 3, more.get("paper"), "test_error_percent", more["uses"])

TABLE = PaperTable(
    name="tiny",
    source="Nobody 1999, Table 1",
    rows=(
        row("fine", 10, uses=("base", "pause"), paper={"mean": 10.5, "std": 0.3}),
        row("fine", 20, uses=("base", "pause"), paper={"mean": 20.5, "std": None}),
        row("moody & slow", 10, uses=None),
        row("moody", 10, uses=None),
        row("mortal", 10, uses=None),
    ),
    settings={"base": 1.0, "pause": 0.3, "other": [1, {"two": 3}]},
    quick={"pause": 0.0},
    deviations=("Nothing is as in the paper.",),
    measure=measure,
    prepare=prepare,
)
"""


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    (folder / "tiny_table.py").write_text(TINY, encoding="utf-8")
    return folder


@pytest.fixture
def tiny(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> PaperTable:
    monkeypatch.syspath_prepend(tiny_folder)
    monkeypatch.setenv("TINY_OWNER", str(os.getpid()))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setitem(table.TABLES, "tiny", "tiny_table")
    return table.find_table("tiny")
