"""An image folder as readers have them, and one comparison that several tests look at."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image

from latent_transfer.comparison import FourWays, Outcome, compare_four_ways

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
