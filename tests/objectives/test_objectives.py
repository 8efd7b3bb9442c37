"""Losses: sums over pixels, means over the batch, logits in, and nothing reduced in silence.

The equations themselves are checked under tests/equations.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from latent_transfer import objectives
from latent_transfer.data import Batch
from latent_transfer.densities import bernoulli_log_density
from latent_transfer.models import VaDE, mlp_autoencoder, mlp_vae, sparse_autoencoder

SHAPE = (1, 6, 6)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bernoulli_density_is_minus_the_summed_cross_entropy(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    # Large logits must not overflow.
    logits = 30 * torch.randn(4, 5, *SHAPE, dtype=dtype, generator=generator)
    images = torch.rand(5, *SHAPE, dtype=dtype, generator=generator)
    losses = F.binary_cross_entropy_with_logits(logits, images.expand_as(logits), reduction="none")
    expected = -losses.sum((-3, -2, -1))
    torch.testing.assert_close(bernoulli_log_density(logits, images), expected)


def test_bfloat16_logits_are_summed_in_float32(images: torch.Tensor) -> None:
    logits = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1)).bfloat16()
    exact = bernoulli_log_density(logits.double(), images.double())
    torch.testing.assert_close(
        bernoulli_log_density(logits, images).double(), exact, rtol=1e-6, atol=1e-5
    )


def test_probabilities_in_place_of_logits_give_another_value(images: torch.Tensor) -> None:
    logits = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1))
    right, wrong = (bernoulli_log_density(x, images) for x in (logits, torch.sigmoid(logits)))
    assert (right - wrong).abs().min() > 0.1


def test_squared_error_sums_over_pixels_and_keeps_the_batch(images: torch.Tensor) -> None:
    errors = objectives.squared_error(images + 0.5, images)
    torch.testing.assert_close(errors, torch.full((5,), 36 * 0.25))


def test_squared_error_refuses_to_broadcast(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(5, 1, 1, 6\) cannot be compared .* \(5, 1, 6, 6\)"):
        objectives.squared_error(images[:, :, :1], images)


@pytest.mark.parametrize("kind", ["squared", "bernoulli"])
def test_reconstruction_loss_is_a_batch_mean(kind: str, images: torch.Tensor) -> None:
    model = mlp_autoencoder(SHAPE, (8,), 2)
    whole = objectives.reconstruction_loss(model, images, kind=kind)["loss"]  # type: ignore[arg-type]
    single = [
        objectives.reconstruction_loss(model, image[None], kind=kind)["loss"]  # type: ignore[arg-type]
        for image in images
    ]
    torch.testing.assert_close(whole, torch.stack(single).mean())


def test_an_unknown_kind_is_named(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="'squared' or 'bernoulli', not 'l2'"):
        objectives.reconstruction_loss(mlp_autoencoder(SHAPE), images, kind="l2")  # type: ignore[arg-type]


def test_sparse_loss_is_reconstruction_plus_weighted_penalty(images: torch.Tensor) -> None:
    terms = objectives.sparse_reconstruction_loss(
        sparse_autoencoder(SHAPE, 12), images, penalty=objectives.l1_sparsity, weight=0.3
    )
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + 0.3 * terms["sparsity"])


@pytest.mark.parametrize("target", [0.0, 1.0, -0.2])
def test_kl_sparsity_needs_a_target_inside_the_unit_interval(target: float) -> None:
    with pytest.raises(ValueError, match="target must lie between 0 and 1"):
        objectives.kl_sparsity(torch.rand(4, 3), target)


def test_kl_sparsity_needs_bounded_activations() -> None:
    with pytest.raises(ValueError, match="give the code a sigmoid"):
        objectives.kl_sparsity(torch.randn(100, 3))


def test_kl_sparsity_survives_dead_units() -> None:
    assert torch.isfinite(objectives.kl_sparsity(torch.zeros(4, 3)))


@pytest.mark.parametrize(("beta", "free_bits"), [(1.0, 0.0), (4.0, 0.0), (0.5, 2.0)])
def test_negative_elbo_reports_the_terms_it_is_made_of(
    beta: float, free_bits: float, images: torch.Tensor
) -> None:
    model = mlp_vae(SHAPE, (8,), 3)
    terms = objectives.negative_elbo(model, images, beta=beta, free_bits=free_bits)
    belief = model.posterior(images)
    charged = objectives.free_bits_kl(*belief, free_bits) if free_bits else terms["kl"]
    torch.testing.assert_close(terms["kl"], objectives.gaussian_kl(*belief).mean())
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + beta * charged)


def test_one_importance_sample_is_the_elbo_on_average(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = mlp_vae(SHAPE, (8,), 3)
    with torch.no_grad():
        bounds = [
            objectives.negative_importance_weighted_bound(model, images, samples=1)["loss"]
            for _ in range(2000)
        ]
        elbos = [objectives.negative_elbo(model, images)["loss"] for _ in range(2000)]
    difference = torch.stack(bounds).mean() - torch.stack(elbos).mean()
    assert abs(difference) < 5 * torch.stack(bounds).std() / 2000**0.5


def test_the_classification_loss_averages_and_counts_errors() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 1, 1])
    images = torch.rand(4, *SHAPE)
    terms = objectives.classification_loss(lambda _: logits, Batch(images, labels))  # type: ignore[arg-type]
    assert terms["error"].item() == 25
    assert terms["loss"].item() == pytest.approx(F.cross_entropy(logits, labels).item())


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0])
def test_beta_weighs_the_kl_of_vade(beta: float, images: torch.Tensor) -> None:
    model = VaDE(mlp_vae(SHAPE, (8,), 3), 4)
    terms = objectives.negative_vade_elbo(model, images, beta=beta)
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + beta * terms["kl"])
    assert terms["kl"] != 0
