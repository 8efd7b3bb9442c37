from __future__ import annotations

from itertools import permutations
from math import exp, log

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from latent_transfer.densities import Gaussian, log_arrangements, multinomial_log_density
from latent_transfer.evaluation import perplexity
from latent_transfer.models import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    MultimodalVAE,
    product_of_experts,
)
from latent_transfer.objectives import multimodal_bound

GRID = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
STEP = (GRID[1] - GRID[0]).item()


@pytest.mark.equation("eq-product-of-experts")
@pytest.mark.parametrize("present", [(True, True), (True, False), (False, True), (False, False)])
def test_product_is_the_normalised_product_of_densities(present):
    means, stds = [1.5, -0.7], [0.5, 1.3]
    density = stats.norm.pdf(GRID)
    for mean, std, there in zip(means, stds, present, strict=True):
        density = density * stats.norm.pdf(GRID, mean, std) if there else density
    density = density / (density.sum() * STEP)
    mean = (density * GRID.numpy()).sum() * STEP
    variance = (density * (GRID.numpy() - mean) ** 2).sum() * STEP
    experts = Gaussian(
        torch.tensor(means).double()[:, None, None],
        2 * torch.tensor(stds).double().log()[:, None, None],
    )  # 2×1×1
    product = product_of_experts(experts, torch.tensor(present)[:, None])
    assert product.mean.item() == pytest.approx(mean, abs=1e-6)
    assert product.log_variance.exp().item() == pytest.approx(variance, abs=1e-6)


def tiny_model() -> MultimodalVAE:
    """One latent, an image of 1×1×2 pixels and a label of 3 classes, so that grids can sum."""
    torch.manual_seed(4)
    encoders = [nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), nn.Embedding(3, 2)]
    decoders = [
        nn.Sequential(nn.Linear(1, 2), nn.Unflatten(-1, (1, 1, 2))),
        nn.Linear(1, 3),
    ]
    likelihoods = [BernoulliLikelihood(), CategoricalLikelihood()]
    return MultimodalVAE(encoders, decoders, likelihoods, 1).double().requires_grad_(False)


@pytest.mark.equation("eq-multimodal-bound")
@pytest.mark.parametrize("there", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("looked_at", [(True, True), (True, False), (False, True)])
def test_bound_is_its_integral_and_lies_below_the_evidence(there, looked_at):
    model = tiny_model()
    image, label = torch.tensor([[[[1.0, 0.0]]]]).double(), torch.tensor([2])
    # Densities written out with scipy and numpy, summed over the grid of z.
    weights = [layer[0] if isinstance(layer, nn.Sequential) else layer for layer in model.decoders]
    outputs = [
        GRID[:, None].numpy() @ layer.weight.T.numpy() + layer.bias.numpy() for layer in weights
    ]
    pixels = 1 / (1 + np.exp(-outputs[0]))
    shares = np.exp(outputs[1]) / np.exp(outputs[1]).sum(1, keepdims=True)
    logs = [np.log(pixels[:, 0] * (1 - pixels[:, 1])), np.log(shares[:, 2])]
    prior = stats.norm.logpdf(GRID)
    log_likelihood = sum((log_p for log_p, t in zip(logs, there, strict=True) if t), np.zeros(1))
    evidence = log(np.exp(prior + log_likelihood).sum() * STEP)
    heads = [model.encoders[0](image)[0].numpy(), model.encoders[1](label)[0].numpy()]
    log_q = prior.copy()
    for (mean, log_variance), t, seen in zip(heads, there, looked_at, strict=True):
        if t and seen:
            log_q = log_q + stats.norm.logpdf(GRID, mean, exp(0.5 * log_variance))
    log_q = log_q - log(np.exp(log_q).sum() * STEP)
    wanted = (np.exp(log_q) * (log_likelihood + prior - log_q)).sum() * STEP
    many = 40_000
    modalities = image.expand(many, 1, 1, 2), label.expand(many)
    present = torch.tensor(there)[:, None].expand(2, many)
    seen = torch.tensor(looked_at)[:, None].expand(2, many)
    torch.manual_seed(0)
    bounds = multimodal_bound(model, modalities, present, seen=seen)
    error = bounds.std().item() / many**0.5
    assert bounds.mean().item() == pytest.approx(wanted, abs=5 * error + 1e-6)
    assert wanted <= evidence + 1e-9


@pytest.mark.equation("eq-multinomial")
def test_multinomial_agrees_with_scipy():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 9, 1, 1, generator=generator).double()
    counts = torch.randint(0, 7, (6, 9, 1, 1), generator=generator).double()
    counts[0] = 0
    shares = logits.flatten(1).softmax(1).numpy()
    numbers = counts.flatten(1).numpy()
    wanted = [
        stats.multinomial.logpmf(x, int(x.sum()), p / p.sum())
        for x, p in zip(numbers, shares, strict=True)
    ]
    found = multinomial_log_density(logits, counts)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    many = multinomial_log_density(logits.expand(3, 6, 9, 1, 1), counts)
    np.testing.assert_allclose(many[2], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.equation("eq-perplexity")
def test_perplexity_is_that_of_the_words_one_after_the_other():
    shares = torch.tensor([0.5, 0.3, 0.2]).double()
    texts = [[0, 0, 2, 1], [1, 1]]
    one_by_one = exp(-sum(log(shares[word]) for text in texts for word in text) / 6)
    counts = torch.stack([torch.bincount(torch.tensor(text), minlength=3) for text in texts])
    counts = counts.double()[:, :, None, None]
    logits = shares.log().view(3, 1, 1).expand_as(counts)
    found = perplexity(multinomial_log_density(logits, counts), counts)
    assert found == pytest.approx(one_by_one)
    orders = [len(set(permutations(text))) for text in texts]
    np.testing.assert_allclose(log_arrangements(counts).exp(), orders)
    even = torch.zeros_like(counts)
    assert perplexity(multinomial_log_density(even, counts), counts) == pytest.approx(3)
