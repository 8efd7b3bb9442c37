"""The table of importance-weighted autoencoders, at the size of embedded digits."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest
import torch

from latent_transfer.data import Batch, load
from latent_transfer.models import VAE, mlp_vae
from latent_transfer.papers.table import Place
from latent_transfer.papers.tables import burda2015
from latent_transfer.papers.tables.burda2015 import OBJECTIVES, TABLE

QUICK = TABLE.chosen(quick=True)
LABELS = [row.label for row in TABLE.rows]


def measure(label: str, folder: Path, seed: int = 0) -> float:
    row = TABLE.row(label)
    torch.manual_seed(seed)  # as the sweep does
    return burda2015.measure(row, seed, row.used(QUICK), Place(folder, folder))


@pytest.mark.parametrize("label", LABELS)
def test_a_cell_measures_a_likelihood(label: str, tmp_path: Path) -> None:
    assert 0 < measure(label, tmp_path) < 784 * log(2)


def test_its_seed_decides_a_cell_and_a_finished_training_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = "IWAE,k=5"
    first, other = measure(label, tmp_path), measure(label, tmp_path, seed=1)
    (tmp_path / "again").mkdir()
    assert measure(label, tmp_path / "again") == first != other
    monkeypatch.setattr(torch.optim.Adam, "step", None)  # any step would fail
    assert measure(label, tmp_path) == first


@pytest.fixture
def vae() -> VAE:
    torch.manual_seed(0)
    return mlp_vae((1, 4, 4), (8,), 3)


@pytest.fixture
def batch() -> Batch:
    images = torch.randint(2, (6, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    return Batch(images.float(), torch.zeros(6, dtype=torch.int64))


def losses(vae: VAE, batch: Batch, samples: int) -> list[float]:
    found = []
    for objective in ("VAE", "IWAE"):
        torch.manual_seed(1)
        found.append(OBJECTIVES[objective](samples)(vae, batch)["loss"].item())
    return found


def test_with_one_draw_both_objectives_are_one(vae: VAE, batch: Batch) -> None:
    mean, log_mean = losses(vae, batch, 1)
    assert mean == pytest.approx(log_mean, rel=1e-6)


def test_with_more_draws_the_bound_of_the_iwae_is_the_tighter_one(vae: VAE, batch: Batch) -> None:
    for samples in (5, 50):
        mean, log_mean = losses(vae, batch, samples)
        assert log_mean < mean - 0.01


def test_before_training_every_pixel_has_its_mean() -> None:
    train = load("digits").train
    torch.manual_seed(0)
    model = burda2015._new_model(train, QUICK)
    with torch.no_grad():
        generated = model.generate(500, torch.Generator().manual_seed(0)).mean(0)
    assert (generated - train.pixels().mean(0)).abs().max() < 0.1


def test_the_paper_s_figures_stand_beside_its_methods() -> None:
    assert TABLE.row("VAE,k=1").paper == {"mean": 86.76, "std": None}
    assert TABLE.row("IWAE,k=50").paper == {"mean": 84.78, "std": None}
    assert {row.label: row.seeds for row in TABLE.rows} == {
        "VAE,k=1": 3,
        "VAE,k=5": 3,
        "VAE,k=50": 1,
        "IWAE,k=5": 3,
        "IWAE,k=50": 1,
    }


def test_rows_differ_in_the_objective_and_its_draws_alone() -> None:
    assert all(row.uses is None and set(row.condition) == {"k"} for row in TABLE.rows)
