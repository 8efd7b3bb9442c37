"""An image folder as readers have them, one comparison that several tests look at, a tiny table."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image

from latent_transfer.experiments import FourWays, Outcome, compare_four_ways, tables
from latent_transfer.experiments.tables import PaperTable

#: Class, colour and number of images: colour, unbalanced, with names that must be escaped.
CLASSES = (("""<b>&"ü'""", (200, 40, 40), 22), ("cat", (40, 160, 60), 9), ("dog", (60, 60, 190), 6))


@pytest.fixture(scope="session")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of mixed sizes in a folder whose name must be escaped too."""
    top, noise = tmp_path_factory.mktemp("private") / "my <i>pets&", random.Random(0)
    for name, colour, count in CLASSES:
        (top / name).mkdir(parents=True)
        for number in range(count):
            size = noise.randint(12, 40), noise.randint(12, 40)
            patch = [tuple(c + noise.randint(-40, 40) for c in colour) for _ in range(16)]
            small = Image.new("RGB", (4, 4))
            small.putdata(patch)
            small.resize(size).save(top / name / f"{number}.{'png' if number % 2 else 'jpg'}")
    return top


@pytest.fixture(scope="session")
def settings(pets: Path) -> FourWays:
    return FourWays("digits", f"folder:{pets}", size=9, seeds=2, steps=2, pretraining_steps=2)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("comparison")


@pytest.fixture(scope="session")
def outcome(settings: FourWays, place: Path) -> Outcome:
    return compare_four_ways(settings, place, progress=False)


#: A table whose cells take a moment; a worker must be able to import it, so that it is a file.
TINY = """
import os, signal, time
import torch
from joblib.parallel import get_active_backend
from latent_transfer.experiments.tables import PaperTable, Row

def measure(row, seed, settings, place):
    place.folder.mkdir(parents=True, exist_ok=True)
    with (place.folder / "log").open("a") as log:
        log.write(f"{row.label}/{seed}/{os.getpid()}\\n")
    nested = type(get_active_backend()[0]).__name__
    if torch.get_num_threads() != 1 or nested != "SequentialBackend":
        raise RuntimeError("more than one thread, or workers of workers")
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
    monkeypatch.setitem(tables.TABLES, "tiny", "tiny_table")
    return tables.find_table("tiny")
