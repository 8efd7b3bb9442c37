"""Equations of the chapter on the ELBO, each against a truth that owes nothing to our code."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from sklearn.decomposition import PCA
from torch.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from latent_transfer import objectives
from latent_transfer.densities import Gaussian, bernoulli_log_density
from latent_transfer.models import VAE, DiscreteMixture, GaussianLikelihood, LinearGaussian
from latent_transfer.nets import MLPDecoder, MLPEncoder

SEED = 0


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


@pytest.fixture
def linear(generator: torch.Generator) -> LinearGaussian:
    weight = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    bias = torch.randn(5, generator=generator, dtype=torch.float64)
    return LinearGaussian(weight, bias, noise_std=0.7)


@pytest.fixture
def points(generator: torch.Generator) -> torch.Tensor:
    return 2 * torch.randn(6, 5, generator=generator, dtype=torch.float64)


@pytest.fixture
def mixture(generator: torch.Generator) -> DiscreteMixture:
    prior = torch.randn(3, generator=generator, dtype=torch.float64)
    return DiscreteMixture(
        prior, 2 * torch.randn(3, 1, 2, 2, generator=generator, dtype=torch.float64)
    )


@pytest.fixture
def every_image() -> torch.Tensor:
    """All 16 binary images of four pixels."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).double().view(16, 1, 2, 2)


def toy() -> tuple[LinearGaussian, torch.Tensor]:
    """One latent, one pixel, so that quadrature can integrate over z."""
    weight, bias, seen = torch.tensor([1.3, 0.2, 1.5], dtype=torch.float64)
    return LinearGaussian(weight[None, None], bias[None], noise_std=0.6), seen[None, None]


def toy_log_joint(z: float) -> float:
    return float(stats.norm(1.3 * z + 0.2, 0.6).logpdf(1.5) + stats.norm.logpdf(z))


# -- probabilistic PCA ----------------------------------------------------------------------


@pytest.mark.equation("eq-ppca-evidence")
def test_ppca_evidence_is_the_density_of_x(linear: LinearGaussian, points: torch.Tensor) -> None:
    weight, bias = linear.weight.numpy(), linear.bias.numpy()
    density = stats.multivariate_normal(bias, weight @ weight.T + 0.49 * np.eye(5))
    np.testing.assert_allclose(linear.log_evidence(points), density.logpdf(points.numpy()))


@pytest.mark.equation("eq-ppca-evidence")
def test_ppca_evidence_is_the_integral_over_latents() -> None:
    model, seen = toy()
    integral, _ = integrate.quad(lambda z: math.exp(toy_log_joint(z)), -12, 12, epsabs=1e-13)
    assert model.log_evidence(seen).item() == pytest.approx(math.log(integral), abs=1e-10)


@pytest.mark.equation("eq-ppca-posterior")
def test_ppca_posterior_conditions_the_joint_gaussian(
    linear: LinearGaussian, points: torch.Tensor
) -> None:
    weight, bias = linear.weight.numpy(), linear.bias.numpy()
    gain = weight.T @ np.linalg.inv(weight @ weight.T + 0.49 * np.eye(5))  # Cov(z, x) Cov(x)⁻¹
    posterior = linear.posterior(points)
    np.testing.assert_allclose(posterior.mean, (points.numpy() - bias) @ gain.T, atol=1e-12)
    for covariance in posterior.covariance_matrix:
        np.testing.assert_allclose(covariance, np.eye(2) - gain @ weight, atol=1e-12)


@pytest.mark.equation("eq-ppca-expected-likelihood")
def test_ppca_expected_likelihood_by_quadrature(
    linear: LinearGaussian, points: torch.Tensor
) -> None:
    square = torch.tensor([[0.5, 0.0], [0.3, 0.8]]).double()
    belief = MultivariateNormal(torch.tensor([0.4, -1.1]).double(), square @ square.T)
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)  # exact for quadratics
    expected = np.zeros(len(points))
    for (one, p), (two, q) in itertools.product(zip(nodes, weights, strict=True), repeat=2):
        z = belief.mean.numpy() + square.numpy() @ np.array([one, two])
        mean = linear.weight.numpy() @ z + linear.bias.numpy()
        expected += p * q * stats.norm(mean, 0.7).logpdf(points.numpy()).sum(1)
    values = linear.expected_log_likelihood(points, belief)
    np.testing.assert_allclose(values, expected / weights.sum() ** 2, rtol=1e-12)


@pytest.mark.equation("eq-ppca-ml")
def test_ppca_fit_agrees_with_scikit_learn() -> None:
    source = np.random.default_rng(SEED)
    data = source.normal(size=(400, 6)) @ source.normal(size=(6, 6))
    model = LinearGaussian.maximum_likelihood(torch.from_numpy(data), latent_size=2)
    peer = PCA(2).fit(data)
    unbiased = 400 / 399  # scikit-learn divides the covariance by N − 1
    assert model.noise_variance * unbiased == pytest.approx(peer.noise_variance_, rel=1e-10)
    covariance = model.marginal().covariance_matrix * unbiased
    np.testing.assert_allclose(covariance, peer.get_covariance(), rtol=1e-9, atol=1e-9)


@pytest.mark.equation("eq-ppca-ml")
def test_no_change_of_a_ppca_parameter_helps(generator: torch.Generator) -> None:
    data = torch.randn(300, 4, generator=generator, dtype=torch.float64)
    data = data @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.8]).double())
    best = LinearGaussian.maximum_likelihood(data, latent_size=1)
    top = best.log_evidence(data).mean()
    for scale in (1e-3, 1e-2, 1e-1):
        step = scale * torch.randn(4, 1, generator=generator, dtype=torch.float64)
        std = math.sqrt(best.noise_variance)
        assert LinearGaussian(best.weight + step, best.bias, std).log_evidence(data).mean() < top
        other = LinearGaussian(best.weight, best.bias, std * (1 + scale))
        assert other.log_evidence(data).mean() < top


def test_ppca_joint_is_evidence_times_posterior(
    linear: LinearGaussian, points: torch.Tensor, generator: torch.Generator
) -> None:
    latents = torch.randn(3, 6, 2, generator=generator, dtype=torch.float64)
    expected = linear.log_evidence(points) + linear.posterior(points).log_prob(latents)
    torch.testing.assert_close(linear.log_joint(points, latents), expected)


# -- the mixture ----------------------------------------------------------------------------


@pytest.mark.equation("eq-mixture-evidence")
def test_mixture_evidence_sums_to_one(mixture: DiscreteMixture, every_image: torch.Tensor) -> None:
    assert mixture.log_evidence(every_image).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.equation("eq-mixture-evidence")
def test_mixture_evidence_agrees_with_torch_distributions(
    mixture: DiscreteMixture, every_image: torch.Tensor
) -> None:
    peer = MixtureSameFamily(
        Categorical(logits=mixture.prior_logits),
        Independent(Bernoulli(logits=mixture.pixel_logits), 3),
    )
    torch.testing.assert_close(mixture.log_evidence(every_image), peer.log_prob(every_image))


@pytest.mark.equation("eq-mixture-elbo")
def test_mixture_elbo_misses_the_evidence_by_the_kl(
    mixture: DiscreteMixture, every_image: torch.Tensor, generator: torch.Generator
) -> None:
    belief = torch.rand(16, 3, generator=generator, dtype=torch.float64)
    belief /= belief.sum(1, keepdim=True)
    kl = special.rel_entr(belief.numpy(), mixture.posterior(every_image).numpy()).sum(1)
    expected = mixture.log_evidence(every_image).numpy() - kl
    np.testing.assert_allclose(mixture.elbo(every_image, belief), expected, rtol=1e-10)


@pytest.mark.equation("eq-mixture-elbo")
def test_mixture_elbo_of_a_certain_belief_is_the_joint(
    mixture: DiscreteMixture, every_image: torch.Tensor
) -> None:
    certain = torch.eye(3).double()[[1]].expand(16, -1)
    joint = mixture.log_joint(every_image)[:, 1]
    torch.testing.assert_close(mixture.elbo(every_image, certain), joint)


# -- the bound ------------------------------------------------------------------------------


@pytest.mark.equation("eq-elbo")
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.1, 0.3), (-0.5, 1.7)])
def test_elbo_is_the_mean_log_weight(mean: float, std: float) -> None:
    model, seen = toy()
    belief = stats.norm(mean, std)

    def integrand(z: float) -> float:
        return float(belief.pdf(z) * (toy_log_joint(z) - belief.logpdf(z)))

    low, high = mean - 12 * std, mean + 12 * std
    integral, _ = integrate.quad(integrand, low, high, epsabs=1e-12, points=[mean])
    centre = torch.tensor([mean], dtype=torch.float64)
    variance = torch.tensor([[std**2]], dtype=torch.float64)
    gaussian = MultivariateNormal(centre, variance)
    kl = objectives.gaussian_kl(centre[None], variance.log())
    bound = objectives.elbo(model.expected_log_likelihood(seen, gaussian), kl)
    assert bound.item() == pytest.approx(integral, abs=1e-9)


@pytest.mark.equation("eq-elbo")
def test_elbo_and_kl_to_the_posterior_sum_to_the_evidence(
    linear: LinearGaussian, points: torch.Tensor
) -> None:
    posterior = linear.posterior(points)
    belief = MultivariateNormal(posterior.mean + 0.3, 1.5 * posterior.covariance_matrix)
    prior = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    for q in (belief, posterior):
        bound = objectives.elbo(linear.expected_log_likelihood(points, q), kl_divergence(q, prior))
        gap = kl_divergence(q, posterior)
        torch.testing.assert_close(bound + gap, linear.log_evidence(points), rtol=0, atol=1e-10)


@pytest.mark.equation("eq-beta-elbo")
@pytest.mark.parametrize("beta", [0.5, 4.0, 784.0])
def test_beta_is_a_noise_variance(beta: float, points: torch.Tensor) -> None:
    weight = torch.linspace(-1, 1, 10).double().view(5, 2)
    prior = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())

    def bound(mean: float, noise_std: float, beta: float) -> torch.Tensor:
        model = LinearGaussian(weight, torch.zeros(5).double(), noise_std)
        q = MultivariateNormal(torch.full((2,), mean).double(), 0.3 * torch.eye(2).double())
        kl = kl_divergence(q, prior)
        return objectives.elbo(model.expected_log_likelihood(points, q), kl, beta)

    # The two objectives differ by a constant and a factor, hence differences by the factor alone.
    weighted = bound(0.5, 0.7, beta) - bound(-1.0, 0.7, beta)
    noisier = bound(0.5, 0.7 * math.sqrt(beta), 1.0) - bound(-1.0, 0.7 * math.sqrt(beta), 1.0)
    torch.testing.assert_close(weighted, beta * noisier)


@pytest.mark.equation("eq-gaussian-kl")
def test_gaussian_kl_agrees_with_torch_distributions(generator: torch.Generator) -> None:
    mean, log_variance = 2 * torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    peer = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(objectives.gaussian_kl_per_dimension(mean, log_variance), peer)
    torch.testing.assert_close(objectives.gaussian_kl(mean, log_variance), peer.sum(-1))


@pytest.mark.equation("eq-gaussian-kl")
def test_gaussian_kl_is_the_integral_of_its_definition() -> None:
    q = stats.norm(0.8, 0.4)
    integral, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z)), -5, 7)
    mean, log_variance = torch.tensor([0.8, 2 * math.log(0.4)], dtype=torch.float64)[:, None, None]
    closed_form = objectives.gaussian_kl(mean, log_variance).item()
    assert closed_form == pytest.approx(integral, abs=1e-8)


# -- importance weights ---------------------------------------------------------------------


def linear_vae(model: LinearGaussian, shape: tuple[int, int, int]) -> VAE:
    """The VAE that *is* a linear-Gaussian model, with its exact posterior as the encoder."""
    size, latents = model.weight.shape
    decoder = MLPDecoder(latents, (), shape)
    encoder = MLPEncoder(shape, (), 2 * latents)
    noise = model.noise_variance * torch.eye(latents, dtype=torch.float64)
    precision = model.weight.T @ model.weight + noise
    gain = torch.linalg.solve(precision, model.weight.T)  # D×P
    variance = model.noise_variance * torch.linalg.inv(precision).diagonal()
    std = math.sqrt(model.noise_variance)
    vae = VAE(encoder, decoder, latents, GaussianLikelihood(std, learned=False)).double()
    with torch.no_grad():
        decoder.layers[0].weight.copy_(model.weight)
        decoder.layers[0].bias.copy_(model.bias)
        encoder.layers[0].weight.copy_(torch.cat([gain, torch.zeros(latents, size)]))
        encoder.layers[0].bias.copy_(torch.cat([-gain @ model.bias, variance.log()]))
        vae.likelihood.log_variance.fill_(math.log(model.noise_variance))
    return vae


@pytest.mark.equation("eq-importance-weight")
def test_with_the_exact_posterior_every_weight_is_the_evidence(generator: torch.Generator) -> None:
    orthogonal = torch.linalg.qr(torch.randn(6, 2, generator=generator, dtype=torch.float64)).Q
    weight = orthogonal * torch.tensor([2.0, 0.7]).double()  # a diagonal posterior
    model = LinearGaussian(weight, torch.linspace(0, 1, 6).double(), noise_std=0.4)
    images = torch.rand(3, 1, 2, 3, generator=generator, dtype=torch.float64)
    torch.manual_seed(SEED)
    log_weights = objectives.log_importance_weights(linear_vae(model, (1, 2, 3)), images, 8)
    expected = model.log_evidence(images.flatten(1)).expand(8, 3)
    torch.testing.assert_close(log_weights, expected, rtol=0, atol=1e-9)


@pytest.mark.equation("eq-importance-weight")
def test_weights_average_to_the_evidence_for_any_belief(generator: torch.Generator) -> None:
    model = LinearGaussian(torch.ones(4, 1).double(), torch.zeros(4).double(), noise_std=0.5)
    images = torch.rand(2, 1, 2, 2, generator=generator, dtype=torch.float64)
    vae = linear_vae(model, (1, 2, 2))
    with torch.no_grad():
        vae.encoder.layers[0].bias += torch.tensor([0.1, math.log(1.5)])  # shifted and wider
    torch.manual_seed(SEED)
    weights = objectives.log_importance_weights(vae, images, 20_000).detach().exp()
    evidence = model.log_evidence(images.flatten(1)).exp()
    assert ((weights.mean(0) - evidence).abs() < 5 * weights.std(0) / math.sqrt(20_000)).all()


def tuples_of(values: int, samples: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(values), repeat=samples))).T  # S×T


@pytest.mark.equation("eq-importance-weighted-bound")
def test_importance_weighted_bound_is_the_log_of_the_mean(generator: torch.Generator) -> None:
    log_weights = torch.randn(7, 4, generator=generator, dtype=torch.float64) - 900
    expected = special.logsumexp(log_weights.numpy(), axis=0, b=1 / 7)
    values = objectives.importance_weighted_bound(log_weights)
    np.testing.assert_allclose(values, expected, rtol=1e-14)


@pytest.mark.equation("eq-importance-weighted-bound")
def test_importance_weighted_bound_climbs_to_the_evidence(
    mixture: DiscreteMixture, every_image: torch.Tensor
) -> None:
    belief = torch.tensor([0.5, 0.2, 0.3]).double()
    log_weights = mixture.log_joint(every_image) - belief.log()  # B×K
    bounds = []
    for samples in (1, 2, 3, 6):
        chosen = tuples_of(3, samples)
        chances = belief[chosen].prod(0)  # T
        values = objectives.importance_weighted_bound(log_weights.T[chosen])  # T×B
        bounds.append(chances @ values)
    elbo = mixture.elbo(every_image, belief.expand(16, -1))
    torch.testing.assert_close(bounds[0], elbo, rtol=0, atol=1e-12)
    ladder = torch.stack([*bounds, mixture.log_evidence(every_image)])
    assert (ladder.diff(dim=0) > 0).all()


# -- gradients ------------------------------------------------------------------------------

MEAN = torch.tensor([0.3, -1.2]).double()
LOG_VARIANCE = torch.tensor([0.2, -1.0]).double()


def wave(z: torch.Tensor) -> torch.Tensor:
    return torch.sin(2 * z[:, 0]) + z[:, 0] * z[:, 1].square()


def exact_gradient() -> torch.Tensor:
    """∇_μ of E[sin 2z₁ + z₁z₂²] = e^{−2σ₁²}·sin 2μ₁ + μ₁(μ₂² + σ₂²)."""
    (one, two), variance = MEAN, LOG_VARIANCE.exp()
    first = 2 * torch.cos(2 * one) * torch.exp(-2 * variance[0]) + two.square() + variance[1]
    return torch.stack([first, 2 * one * two])


@pytest.mark.equation("eq-reparameterisation")
def test_reparameterised_draws_shift_and_stretch_the_noise() -> None:
    gaussian = Gaussian(MEAN.expand(4, -1), LOG_VARIANCE.expand(4, -1))
    torch.manual_seed(SEED)
    noise = torch.randn(3, 4, 2, dtype=torch.float64)
    torch.manual_seed(SEED)
    draws = gaussian.rsample(3)
    torch.testing.assert_close(draws, MEAN + LOG_VARIANCE.exp().sqrt() * noise)


@pytest.mark.equation("eq-reparameterisation")
def test_reparameterised_draws_have_the_right_law() -> None:
    torch.manual_seed(SEED)
    draws = Gaussian(MEAN, LOG_VARIANCE).rsample(20_000)
    for column, mean, log_variance in zip(draws.T, MEAN, LOG_VARIANCE, strict=True):
        law = stats.norm(mean.item(), math.exp(log_variance.item() / 2))
        assert stats.kstest(column.numpy(), law.cdf).pvalue > 1e-3


@pytest.mark.equation("eq-pathwise-gradient")
def test_pathwise_gradients_average_to_the_exact_gradient() -> None:
    torch.manual_seed(SEED)
    rows = objectives.pathwise_gradients(wave, MEAN, LOG_VARIANCE, samples=40_000)
    deviation = (rows.mean(0) - exact_gradient()) / (rows.std(0) / 200)
    assert rows.shape == (40_000, 2)
    assert deviation.abs().max() < 4.5


@pytest.mark.equation("eq-pathwise-gradient")
def test_pathwise_gradient_is_what_autograd_finds_through_the_draw() -> None:
    mean = MEAN.clone().requires_grad_()
    torch.manual_seed(SEED)
    (expected,) = torch.autograd.grad(wave(Gaussian(mean, LOG_VARIANCE).rsample(50)).mean(), mean)
    torch.manual_seed(SEED)
    rows = objectives.pathwise_gradients(wave, MEAN, LOG_VARIANCE, samples=50)
    torch.testing.assert_close(rows.mean(0), expected)


@pytest.mark.equation("eq-score-function")
def test_score_function_gradients_average_to_the_exact_gradient() -> None:
    torch.manual_seed(SEED)
    rows = objectives.score_function_gradients(wave, MEAN, LOG_VARIANCE, samples=40_000)
    deviation = (rows.mean(0) - exact_gradient()) / (rows.std(0) / 200)
    assert rows.shape == (40_000, 2)
    assert deviation.abs().max() < 4.5


@pytest.mark.equation("eq-score-function")
def test_the_score_is_the_gradient_of_the_log_density() -> None:
    mean = MEAN.clone().requires_grad_()
    torch.manual_seed(SEED)
    draws = Gaussian(MEAN, LOG_VARIANCE).rsample(9)
    log_density = Normal(mean, (LOG_VARIANCE / 2).exp()).log_prob(draws).sum()
    (expected,) = torch.autograd.grad(log_density, mean)
    torch.manual_seed(SEED)
    rows = objectives.score_function_gradients(
        lambda z: torch.ones(len(z)).double(), MEAN, LOG_VARIANCE, 9
    )
    torch.testing.assert_close(rows.sum(0), expected)


# -- pixels ---------------------------------------------------------------------------------


@pytest.mark.equation("eq-bernoulli")
def test_bernoulli_probabilities_of_all_images_sum_to_one(every_image: torch.Tensor) -> None:
    logits = torch.tensor([3.0, -0.5, 0.0, -7.0]).double().view(1, 1, 2, 2).expand(16, -1, -1, -1)
    values = bernoulli_log_density(logits, every_image)
    assert values.exp().sum().item() == pytest.approx(1, abs=1e-14)
    probabilities = special.expit(logits.flatten(1).numpy())
    expected = stats.bernoulli(probabilities).logpmf(every_image.flatten(1).numpy()).sum(1)
    np.testing.assert_allclose(values, expected, rtol=1e-10)
