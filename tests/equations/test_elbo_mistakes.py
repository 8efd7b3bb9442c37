"""The mistakes that the chapter on the ELBO shows: each is off by a known amount."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate
from torch.distributions import Categorical, MultivariateNormal, kl_divergence
from torch.nn import functional as F

from latent_transfer import objectives
from latent_transfer.densities import bernoulli_log_density
from latent_transfer.models import DiscreteMixture, LinearGaussian, mlp_vae

PRIOR = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())


@pytest.fixture
def model() -> LinearGaussian:
    # Orthogonal columns: the posterior is diagonal, as a VAE's belief is.
    weight = torch.tensor([[1.0, 0.5], [1.0, -0.5], [-1.0, 0.5], [-1.0, -0.5]]).double()
    return LinearGaussian(weight, torch.zeros(4).double(), noise_std=0.3)


@pytest.fixture
def points() -> torch.Tensor:
    return torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_wrong_formula_overshoots_by_the_kl_to_the_prior(
    model: LinearGaussian, points: torch.Tensor
) -> None:
    posterior = model.posterior(points)
    overshoot = model.expected_log_likelihood(points, posterior) - model.log_evidence(points)
    torch.testing.assert_close(overshoot, kl_divergence(posterior, PRIOR), rtol=0, atol=1e-10)
    assert overshoot.min() > 1


def test_the_wrong_formula_overshoots_on_a_mixture_too() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(3, 1, 2, 2, generator=generator, dtype=torch.float64)
    mixture = DiscreteMixture(torch.tensor([0.0, 1.0, -1.0]).double(), logits)
    images = torch.rand(5, 1, 2, 2, generator=generator).round().double()
    log_prior = mixture.prior_logits.log_softmax(0)
    wrong = (mixture.posterior(images) * (mixture.log_joint(images) - log_prior)).sum(-1)
    posterior = Categorical(logits=mixture.log_joint(images))
    overshoot = kl_divergence(posterior, Categorical(logits=log_prior))
    torch.testing.assert_close(wrong, mixture.log_evidence(images) + overshoot, rtol=0, atol=1e-12)


def test_a_mean_over_pixels_is_a_beta() -> None:
    vae, images = mlp_vae((1, 4, 7), (8,), 3), torch.rand(5, 1, 4, 7).round()
    torch.manual_seed(0)
    belief = vae.posterior(images)
    error = F.binary_cross_entropy_with_logits(vae.decode(belief.rsample()), images)
    by_mean = error + objectives.gaussian_kl(*belief).mean()
    torch.manual_seed(0)
    by_beta = objectives.negative_elbo(vae, images, beta=28)["loss"]
    torch.testing.assert_close(28 * by_mean, by_beta)


@pytest.mark.parametrize("noise_variance", [1.2, 4.5, 20.0])
def test_a_direction_needs_more_variance_than_the_noise(noise_variance: float) -> None:
    # The best weight of one latent for a given noise: √(λ − v) where positive, else nothing.
    scales = torch.tensor([3.0, 2.0, 1.0, 0.5]).double()
    data = torch.randn(4000, 4, generator=torch.Generator().manual_seed(3)).double() * scales
    covariance = torch.cov(data.T, correction=0)
    largest, direction = (part[..., -1] for part in torch.linalg.eigh(covariance))

    def evidence(size: float) -> float:
        weight = size * direction[:, None]
        ppca = LinearGaussian(weight, data.mean(0), math.sqrt(noise_variance))
        return ppca.log_evidence(data).mean().item()

    best = math.sqrt(max(largest.item() - noise_variance, 0.0))
    others = [size for size in (0.0, 0.3, 1.0, 2.0, 3.0, 5.0) if abs(size - best) > 1e-6]
    assert evidence(best) > max(evidence(size) for size in others)


def test_a_wrong_sign_exceeds_the_evidence(model: LinearGaussian, points: torch.Tensor) -> None:
    posterior = model.posterior(points)
    kl = objectives.gaussian_kl(posterior.mean, posterior.variance.log())
    log_likelihood = model.expected_log_likelihood(points, posterior)
    evidence = model.log_evidence(points)
    torch.testing.assert_close(objectives.elbo(log_likelihood, kl), evidence, rtol=0, atol=1e-10)
    assert (log_likelihood + kl > evidence).all()


def test_the_posterior_mean_flatters_by_the_trace(
    model: LinearGaussian, points: torch.Tensor
) -> None:
    posterior = model.posterior(points)
    at_mean = model.log_likelihood(points, posterior.mean)
    spread = model.weight @ posterior.covariance_matrix[0] @ model.weight.T
    bias = spread.trace() / (2 * model.noise_variance)
    expected = model.expected_log_likelihood(points, posterior) + bias
    torch.testing.assert_close(at_mean, expected, rtol=0, atol=1e-10)


def test_probabilities_as_logits_have_a_floor() -> None:
    images = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
    logits = torch.linspace(-50, 50, 1001).view(-1, 1, 1, 1, 1).expand(-1, 1, 1, 2, 2)
    values = bernoulli_log_density(torch.sigmoid(logits), images)
    black = bernoulli_log_density(torch.sigmoid(logits), torch.zeros_like(images))
    assert black.max().item() == pytest.approx(-4 * math.log(2), abs=1e-5)
    assert values.max() < -3 * math.log(2)
    sharp = 50 * (2 * images - 1)
    assert bernoulli_log_density(sharp, images).item() == pytest.approx(0, abs=1e-6)


def test_grey_pixels_have_a_best_value_below_zero() -> None:
    grey = torch.tensor([0.1, 0.3, 0.5, 0.9]).double().view(1, 1, 2, 2)
    best = bernoulli_log_density(torch.logit(grey), grey).item()
    entropy = (torch.special.entr(grey) + torch.special.entr(1 - grey)).sum().item()
    assert best == pytest.approx(-entropy, abs=1e-12)
    for shift in (-0.2, 0.1):
        assert bernoulli_log_density(torch.logit(grey) + shift, grey).item() < best


@pytest.mark.parametrize("p", [0.02, 0.4, 0.9])
def test_the_bernoulli_expression_integrates_to_less_than_a_half(p: float) -> None:
    integral, _ = integrate.quad(lambda x: p**x * (1 - p) ** (1 - x), 0, 1)
    assert integral == pytest.approx((2 * p - 1) / math.log(p / (1 - p)), abs=1e-10)
    assert integral <= 0.5


def test_bernoulli_in_place_ignores_the_probabilities() -> None:
    black = torch.zeros(100, 100)
    generator = torch.Generator().manual_seed(0)
    assert torch.bernoulli(black, generator=generator).sum() == 0
    assert black.clone().bernoulli_(generator=generator).mean().item() == pytest.approx(
        0.5, abs=0.05
    )


def test_a_categorical_of_probabilities_clamps_small_ones() -> None:
    log_probabilities = torch.tensor([0.0, -200.0]).double()
    clamped = Categorical(probs=log_probabilities.exp()).logits[1].item()
    assert clamped > -40
    assert Categorical(logits=log_probabilities).logits[1].item() == pytest.approx(-200)
