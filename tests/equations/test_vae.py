"""Equations of the chapter on training and measuring a VAE."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from latent_transfer.data import ImageSet
from latent_transfer.evaluation import active_units, amortisation_gap, energy_distance
from latent_transfer.models import VAE, GaussianLikelihood, mlp_vae
from latent_transfer.objectives import free_bits_kl, negative_elbo


@pytest.fixture
def belief() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([0.05, 0.5, 2.0])  # one unused, one middling, one busy dimension
    mean = scale * torch.randn(40, 3, generator=generator, dtype=torch.float64)
    return mean, 0.3 * torch.randn(40, 3, generator=generator, dtype=torch.float64)


@pytest.mark.equation("eq-free-bits")
@pytest.mark.parametrize("minimum", [0.01, 0.2, 5.0])
def test_free_bits_floor_the_batch_mean_of_each_dimension(belief, minimum: float) -> None:
    mean, log_variance = belief
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    kl = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), prior).numpy()
    truth = np.maximum(kl.mean(0), minimum).sum()
    assert free_bits_kl(mean, log_variance, minimum).item() == pytest.approx(truth, rel=1e-12)
    # A floor under each image's KL would charge more: the mean comes before the maximum.
    if minimum == 0.2:
        assert np.maximum(kl, minimum).mean(0).sum() > truth + 0.01


@pytest.mark.equation("eq-free-bits")
def test_below_the_floor_there_is_no_pull(belief) -> None:
    mean, log_variance = (tensor.requires_grad_() for tensor in belief)
    free_bits_kl(mean, log_variance, 0.2).backward()
    assert (mean.grad[:, 0] == 0).all()
    torch.testing.assert_close(mean.grad[:, 2], mean.detach()[:, 2] / 40)


def test_free_bits_change_the_loss_and_not_the_reported_kl() -> None:
    torch.manual_seed(0)
    model, images = mlp_vae((1, 4, 4), (8,), 3), torch.rand(6, 1, 4, 4)
    torch.manual_seed(1)
    plain = negative_elbo(model, images)
    torch.manual_seed(1)
    floored = negative_elbo(model, images, free_bits=2.0)
    assert torch.equal(plain["kl"], floored["kl"])
    assert floored["loss"].item() == pytest.approx(plain["reconstruction"].item() + 6.0, rel=1e-6)


class _Affine(nn.Module):
    def __init__(self, factors: torch.Tensor) -> None:
        super().__init__()
        self.factors = nn.Parameter(factors)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.flatten(1) * self.factors + 3.0
        return torch.cat([mean, torch.full_like(mean, -2.0)], 1)


@pytest.mark.equation("eq-active-units")
def test_active_units_follow_the_variance_of_posterior_means() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(300, 1, 1, 4, generator=generator)
    images = ImageSet.from_pixels(pixels, torch.zeros(300).long(), ("any",))
    factors = torch.tensor([0.0, 0.2, 0.4, -1.0])
    model = VAE(_Affine(factors), nn.Identity(), 4)
    means = images.images.numpy().reshape(300, 4) / 255 * factors.numpy()
    truth = np.var(means, axis=0, ddof=1) > 0.01
    assert active_units(model, images).tolist() == truth.tolist() == [False, False, True, True]


@pytest.mark.equation("eq-amortisation-gap")
@pytest.mark.parametrize(("shift", "widen"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.8), (0.15, -0.5)])
def test_the_amortisation_gap_of_a_linear_model(shift: float, widen: float) -> None:
    # x | z ~ N(Wz, s²I) with orthogonal columns: the best Gaussian is the exact posterior, so that
    # the gap is KL(q ‖ p(z | x)).
    weight, noise = torch.tensor([[0.4, 0.3], [0.4, -0.3], [0.2, 0.0]]), 0.25
    precision = torch.eye(2) + weight.T @ weight / noise**2
    variance = 1 / precision.diagonal()
    assert abs(precision[0, 1]) < 1e-6

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Parameter(torch.ones(()))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            mean = images.flatten(1) @ weight / noise**2 * variance + shift
            return torch.cat([mean, (variance.log() + widen).expand_as(mean)], 1)

    class Decoder(nn.Module):
        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            return (latents @ weight.T).unflatten(-1, (1, 1, 3))

    model = VAE(Encoder(), Decoder(), 2, GaussianLikelihood(noise, learned=False))
    pixels = torch.rand(60, 1, 1, 3, generator=torch.Generator().manual_seed(0))
    images = ImageSet.from_pixels(pixels, torch.zeros(60).long(), ("any",))
    exact = MultivariateNormal(torch.zeros(2), torch.linalg.inv(precision))
    wrong = MultivariateNormal(torch.full((2,), shift), torch.diag(variance) * np.exp(widen).item())
    gap = amortisation_gap(model, images, steps=400, learning_rate=0.01, samples=400)
    assert gap.mean == pytest.approx(kl_divergence(wrong, exact).item(), abs=0.04)


@pytest.mark.equation("eq-energy-distance")
def test_energy_distance_agrees_with_scipy_on_a_line() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(40, 1, generator=generator, dtype=torch.float64)
    second = 0.7 + 1.5 * torch.randn(30, 1, generator=generator, dtype=torch.float64)
    a, b = first[:, 0].numpy(), second[:, 0].numpy()
    # scipy squares nothing out: its figure is the root, with the diagonals counted in.
    within = [np.abs(c[:, None] - c).mean() / (len(c) - 1) for c in (a, b)]
    truth = stats.energy_distance(a, b) ** 2 - sum(within)
    assert energy_distance(first, second) == pytest.approx(truth, rel=1e-9)


@pytest.mark.equation("eq-energy-distance")
def test_energy_distance_between_shifted_gaussians_in_many_dimensions() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(800, 1, 4, 4, generator=generator)
    second = torch.randn(800, 1, 4, 4, generator=generator) + 0.5
    noise = np.random.default_rng(0).normal(size=(200_000, 16)) * np.sqrt(2)
    within = np.linalg.norm(noise, axis=1).mean()
    between = np.linalg.norm(noise + 0.5, axis=1).mean()
    truth = 2 * (between - within)
    assert energy_distance(first, second) == pytest.approx(truth, rel=0.1)
