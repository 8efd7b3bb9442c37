"""The equations of clustering, against Monte Carlo, brute force and torch.distributions."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from latent_transfer import evaluation, models
from latent_transfer.densities import Gaussian
from latent_transfer.objectives import (
    best_log_responsibilities,
    component_kl,
    mixture_kl,
    negative_vade_elbo,
)


@pytest.fixture
def belief() -> Gaussian:
    torch.manual_seed(3)
    return Gaussian(torch.randn(4, 2).double(), torch.randn(4, 2).double())


@pytest.fixture
def prior() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(4)
    return (
        torch.randn(3).double().log_softmax(0),
        torch.randn(3, 2).double(),
        torch.randn(3, 2).double(),
    )


def test_each_component_costs_what_torch_says(belief, prior) -> None:
    _, means, log_variances = prior
    ours = component_kl(belief, means, log_variances)
    one = Independent(Normal(belief.mean[:, None], belief.std[:, None]), 1)
    other = Independent(Normal(means, torch.exp(0.5 * log_variances)), 1)
    torch.testing.assert_close(ours, kl_divergence(one, other))


@pytest.mark.equation("eq-mixture-kl")
def test_the_mixtures_kl_is_the_mean_of_its_log_ratio(belief, prior) -> None:
    log_weights, means, log_variances = prior
    gammas = torch.randn(4, 3).double().log_softmax(-1)
    exact = mixture_kl(component_kl(belief, means, log_variances), log_weights, gammas)
    torch.manual_seed(0)
    latents = belief.rsample(400_000)  # S×B×D
    parts = Normal(means, torch.exp(0.5 * log_variances))
    log_prior = log_weights + parts.log_prob(latents[:, :, None]).sum(-1)  # S×B×K
    log_q = Normal(*(belief.mean, belief.std)).log_prob(latents).sum(-1)
    ratios = log_q[..., None] + gammas - log_prior
    sampled = (gammas.exp() * ratios).sum(-1).mean(0)
    torch.testing.assert_close(exact, sampled, atol=0.02, rtol=0)


@pytest.mark.equation("eq-best-responsibilities")
def test_no_responsibilities_are_better_than_the_best(belief, prior) -> None:
    log_weights, means, log_variances = prior
    costs = component_kl(belief, means, log_variances)
    best = best_log_responsibilities(costs, log_weights)
    least = mixture_kl(costs, log_weights, best)
    torch.testing.assert_close(least, -(log_weights - costs).logsumexp(-1))
    # A grid over all of the simplex: none of its points may cost less.
    steps = torch.arange(1, 60, dtype=torch.float64) / 60
    first, second = torch.meshgrid(steps, steps, indexing="ij")
    inside = first + second < 1
    grid = torch.stack([first[inside], second[inside], 1 - (first + second)[inside]], -1)
    tried = torch.stack(
        [mixture_kl(costs, log_weights, point.log().expand(4, 3)) for point in grid]
    )
    assert (tried >= least).all()
    assert (tried.amin(0) - least).max() < 0.02  # and one of them comes close


@pytest.mark.equation("eq-responsibilities")
def test_responsibilities_are_bayes_rule() -> None:
    torch.manual_seed(0)
    model = models.VaDE(models.mlp_vae((1, 2, 2), (3,), 2), 3)
    with torch.no_grad():
        model.weight_logits.normal_()
        model.log_variances.normal_()
    latents = torch.randn(5, 2)
    parts = Independent(Normal(model.means, torch.exp(0.5 * model.log_variances)), 1)
    joint = model.weight_logits.softmax(0) * parts.log_prob(latents[:, None]).exp()
    posterior = joint / joint.sum(-1, keepdim=True)
    torch.testing.assert_close(model.log_responsibilities(latents).exp(), posterior)


def test_the_loss_is_a_bound_on_the_evidence() -> None:
    # Two binary pixels, one latent number: the evidence comes from summing over a fine grid of z.
    torch.manual_seed(1)
    model = models.VaDE(models.mlp_vae((1, 1, 2), (4,), 1), 2).double()
    image = torch.tensor([[[[1.0, 0.0]]]]).double()
    grid = torch.linspace(-12, 12, 20_001).double()[:, None, None]  # S×B×D
    step = grid[1, 0, 0] - grid[0, 0, 0]
    with torch.no_grad():
        evidence = (model.log_joint(image, grid).logsumexp(0) + step.log()).item()
        many = image.expand(200_000, 1, 1, 2)
        terms = negative_vade_elbo(model, many)
        posterior, latents = model.posterior(image), grid[:, 0]
        log_q = posterior.log_density(latents)
        log_gammas = model.log_responsibilities(latents)
        log_true = model.log_joint(image, grid)[:, 0] - evidence  # log p(z | x)
        # The gap: KL to the true posterior, plus what the draw's own responsibilities cost.
        costs = component_kl(posterior, model.means, model.log_variances)
        kls = mixture_kl(costs, model.log_weights, log_gammas)  # of the responsibilities at each z
        likelihood = model.log_likelihood(image, grid)[:, 0]
        truth = (log_q.exp() * (likelihood - kls)).sum() * step
    assert -terms["loss"].item() == pytest.approx(truth.item(), abs=0.01)
    assert truth < evidence
    assert log_true.exp().sum().item() * step.item() == pytest.approx(1, abs=1e-6)


@pytest.mark.equation("eq-clustering-accuracy")
def test_the_accuracy_is_that_of_the_best_of_all_namings() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        labels = torch.randint(5, (40,), generator=generator)
        clusters = torch.randint(5, (40,), generator=generator)
        best = max(
            (torch.tensor(naming)[clusters] == labels).double().mean().item()
            for naming in permutations(range(5))
        )
        assert evaluation.clustering_accuracy(clusters, labels) == pytest.approx(100 * best)
