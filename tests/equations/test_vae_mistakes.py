"""The chapter's common mistakes, guarded: each would make one of these tests fail."""

from __future__ import annotations

import pytest
import torch

from latent_transfer.data import Batch, ImageSet
from latent_transfer.evaluation import evidence_bound
from latent_transfer.models import mlp_vae
from latent_transfer.objectives import negative_elbo
from latent_transfer.training import fit


@pytest.fixture
def images() -> ImageSet:
    pixels = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return ImageSet.from_pixels(pixels, torch.zeros(60).long(), ("any",))


def test_the_loss_under_another_beta_is_no_elbo(images: ImageSet) -> None:
    torch.manual_seed(0)
    model = mlp_vae((1, 4, 4), (8,), 3)
    losses = {}
    for beta in (0.5, 1.0, 4.0):
        torch.manual_seed(1)
        terms = negative_elbo(model, images.pixels(), beta=beta)
        losses[beta] = terms["loss"].item()
        assert losses[beta] == pytest.approx(
            (terms["reconstruction"] + beta * terms["kl"]).item(), rel=1e-6
        )
    # One model, one batch, one noise: the order of the losses is that of β.
    assert losses[0.5] < losses[1.0] < losses[4.0]


def test_generate_returns_means_and_not_draws() -> None:
    torch.manual_seed(0)
    model = mlp_vae((1, 4, 4), (8,), 3)
    pixels = model.generate(20, torch.Generator().manual_seed(0))
    assert ((pixels > 0) & (pixels < 1)).all()


def test_the_bound_of_a_set_is_not_that_of_its_last_batch(images: ImageSet) -> None:
    torch.manual_seed(0)
    model = mlp_vae((1, 4, 4), (8,), 3)
    whole = evidence_bound(model, images, samples=200).mean
    parts = [
        evidence_bound(model, images.subset(slice(k, k + 20)), samples=200) for k in (0, 20, 40)
    ]
    assert whole == pytest.approx(sum(part.mean for part in parts) / 3, abs=0.05)
    assert abs(parts[-1].mean - whole) > 0.1


def test_validation_runs_at_the_full_weight_of_a_warmed_up_kl(images: ImageSet) -> None:
    seen: list[tuple[bool, float]] = []

    def loss(model, batch: Batch):
        seen.append((model.training, batch.progress))
        return negative_elbo(model, batch.images, beta=min(1.0, 2 * batch.progress))

    torch.manual_seed(0)
    model = mlp_vae((1, 4, 4), (8,), 3)
    fit(model, images, loss, epochs=2, batch_size=30, validation=images, progress=False)
    assert {progress for training, progress in seen if not training} == {1.0}
    assert {progress for training, progress in seen if training} == {0.0, 0.25, 0.5, 0.75}
