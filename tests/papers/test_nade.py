"""The table of NADE, at the size of embedded digits."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest
import torch

from latent_transfer.data import ImageSet, load
from latent_transfer.evaluation import Estimate
from latent_transfer.papers.table import Place
from latent_transfer.papers.tables import nade
from latent_transfer.papers.tables.nade import TABLE

QUICK = TABLE.chosen(quick=True)
LABELS = ("NADE,binarisation=fixed", "NADE,binarisation=dynamic")


def measure(label: str, folder: Path, seed: int = 0) -> float:
    row = TABLE.row(label)
    torch.manual_seed(seed)  # as the sweep does
    return nade.measure(row, seed, row.used(QUICK), Place(folder, folder))


@pytest.mark.parametrize("label", LABELS)
def test_a_cell_measures_what_its_seed_decides(label: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    values = [measure(label, folder, seed) for folder, seed in zip(folders, (0, 0, 1), strict=True)]
    assert 0 < values[0] < 784 * log(2)
    assert values[0] == values[1] != values[2]


def test_a_finished_training_is_read_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = measure(LABELS[0], tmp_path)
    monkeypatch.setattr(torch.optim.Adam, "step", None)  # any step would fail
    assert measure(LABELS[0], tmp_path) == before


def test_rows_differ_in_the_training_pixels_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[ImageSet, bool]] = []
    tested: list[ImageSet] = []

    def train(
        model: object, images: ImageSet, loss: object, *, binarize: bool, **_: object
    ) -> None:
        trained.append((images, binarize))

    def test(model: object, images: ImageSet) -> Estimate:
        tested.append(images)
        return Estimate(0.0, 0.0, 1)

    monkeypatch.setattr(nade, "fit", train)
    monkeypatch.setattr(nade, "exact_negative_log_likelihood", test)
    for label in LABELS:
        measure(label, tmp_path)
    (fixed, drawn_at_each_step), (grey, dynamic) = trained
    assert (drawn_at_each_step, dynamic) == (False, True)
    assert set(fixed.images.unique().tolist()) == {0, 255}
    assert len(grey.images.unique()) > 100
    assert len(fixed) == len(grey) == len(load("digits").train) - 100
    # The fixed pixels are a draw from the grey ones.
    assert not (fixed.images[grey.images == 0]).any()
    assert (fixed.images[grey.images == 255] == 255).all()
    assert torch.equal(tested[0].images, tested[1].images)
    assert set(tested[0].images.unique().tolist()) == {0, 255}


def test_the_paper_s_figure_stands_beside_the_binarisation_that_it_is_for() -> None:
    assert TABLE.row(LABELS[0]).paper == {"mean": 88.33, "std": None}
    assert TABLE.row(LABELS[1]).paper is None
