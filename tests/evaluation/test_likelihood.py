"""Estimates of log p(x) against models whose evidence is known."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from torch import nn

from latent_transfer import evaluation
from latent_transfer.data import ImageSet
from latent_transfer.evaluation import likelihood as module
from latent_transfer.models import NADE, VAE, mlp_autoencoder, mlp_vae

OFF = {"shift": 0.15, "widen": 0.5}  # a proposal that is wrong, and still covers the posterior


@pytest.mark.parametrize("samples", [1, 3, 60])
def test_an_exact_proposal_gives_the_exact_evidence(solved, images: ImageSet, samples: int) -> None:
    estimate = evaluation.negative_log_likelihood(solved.vae(), images, samples=samples)
    exact = -solved.evidence(images)
    assert estimate.mean == pytest.approx(exact.mean(), abs=2e-4)
    assert estimate.standard_error == pytest.approx(exact.std(ddof=1) / np.sqrt(200), rel=1e-4)
    assert estimate.count == 200


def test_many_samples_reach_the_exact_evidence(solved, images: ImageSet) -> None:
    estimate = evaluation.negative_log_likelihood(solved.vae(**OFF), images, samples=3000)
    # One sample is off by the gap of the proposal; three thousand bring it below a hundredth.
    assert estimate.mean == pytest.approx(-solved.evidence(images).mean(), abs=0.01)


def test_the_bound_tightens_with_every_sample(solved, images: ImageSet) -> None:
    exact = -solved.evidence(images).mean()
    values = [
        evaluation.negative_log_likelihood(solved.vae(**OFF), images, samples=k, seed=1).mean
        for k in (1, 3, 10, 100)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] - exact > 0.3
    assert exact - 0.01 < values[-1] < exact + 0.1


def test_one_sample_estimates_the_elbo(solved, images: ImageSet) -> None:
    many = images.subset(torch.arange(200).repeat(50))
    estimate = evaluation.negative_log_likelihood(solved.vae(**OFF), many, samples=1)
    truth = -solved.evidence(images).mean() + solved.gap(**OFF)
    assert estimate.mean == pytest.approx(truth, abs=0.06)


@pytest.mark.parametrize("at_once", [1, 7, 50, 1000])
def test_chunks_of_samples_do_not_change_the_estimate(
    solved, images: ImageSet, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Draws differ between chunkings, so the draws are replaced by one table that all read.
    table = torch.randn(60, 10, generator=torch.Generator().manual_seed(0)) * 5 - 700
    rows = iter(table)

    def read(model: VAE, pixels: torch.Tensor, samples: int) -> torch.Tensor:
        return torch.stack([next(rows) for _ in range(samples)])

    monkeypatch.setattr(module, "log_importance_weights", read)
    estimate = evaluation.negative_log_likelihood(
        solved.vae(), images.subset(slice(0, 10)), samples=60, samples_at_once=at_once
    )
    truth = -(np.logaddexp.reduce(table.double().numpy(), axis=0) - log(60)).mean()
    assert estimate.mean == pytest.approx(truth, rel=1e-6)
    assert next(rows, None) is None  # exactly as many draws as asked for


def test_the_elbo_is_the_evidence_less_the_gap(solved, images: ImageSet) -> None:
    exact = solved.evidence(images).mean()
    for setting in ({"shift": 0.0, "widen": 0.0}, OFF):
        bound = evaluation.evidence_bound(solved.vae(**setting), images, samples=400)
        assert bound.mean == pytest.approx(exact - solved.gap(**setting), abs=0.02)


def test_the_amortisation_gap_of_an_exact_encoder_is_zero(solved, images: ImageSet) -> None:
    # The search ends with small steps: its own noise must not look like a gap, of either sign.
    gap = evaluation.amortisation_gap(solved.vae(), images.subset(slice(0, 50)), steps=200)
    assert gap.mean == pytest.approx(0, abs=0.02)


def test_measuring_the_gap_leaves_the_model_alone(images: ImageSet) -> None:
    model = mlp_vae((1, 2, 3), (4,), 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluation.amortisation_gap(model, images.subset(slice(0, 5)), steps=3, samples=2)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("count", [37, 200])
def test_batches_do_not_change_the_mean(solved, images: ImageSet, count: int) -> None:
    # The last batch is smaller: a mean of batch means would differ.
    bound = evaluation.evidence_bound(solved.vae(), images, samples=400, batch_size=count)
    error = evaluation.reconstruction_error(solved.vae(), images, batch_size=count)
    whole = evaluation.reconstruction_error(solved.vae(), images)
    assert bound.mean == pytest.approx(solved.evidence(images).mean(), abs=0.02)
    assert error.mean == pytest.approx(whole.mean, rel=1e-5)


class _Recording(nn.Module):
    """An encoder that remembers what it saw, in which mode."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.seen: list[torch.Tensor] = []
        self.modes: list[bool] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images.clone())
        self.modes.append(self.training)
        return torch.zeros(len(images), 4)


MEASURES = [
    evaluation.evidence_bound,
    lambda *given, **named: evaluation.negative_log_likelihood(*given, samples=2, **named),
]


@pytest.mark.parametrize("measure", MEASURES)
def test_binarize_shows_the_model_binary_pixels(images: ImageSet, measure) -> None:
    model = mlp_vae((1, 2, 3), (4,), 2)
    for binarize, binary in ((False, False), (True, True)):
        model.encoder = _Recording()
        measure(model, images, binarize=binarize)
        seen = torch.cat(model.encoder.seen)
        assert bool(((seen == 0) | (seen == 1)).all()) is binary
        assert len(seen) == len(images)  # all of them, once: no last batch stands for the rest


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_switch_training_mode_off(images: ImageSet, measure) -> None:
    model = mlp_vae((1, 2, 3), (4,), 2).train()
    model.encoder = _Recording()
    measure(model, images)
    assert not any(model.encoder.modes)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_seed_alone_decides(images: ImageSet, measure) -> None:
    torch.manual_seed(0)
    model = mlp_vae((1, 2, 3), (4,), 2)
    first = measure(model, images, seed=4, binarize=True)
    state = torch.get_rng_state()
    second = measure(model, images, seed=4, binarize=True)
    assert first == second
    assert torch.equal(state, torch.get_rng_state())
    assert measure(model, images, seed=5, binarize=True) != first


def test_reconstruction_errors_are_sums_over_pixels(solved, images: ImageSet) -> None:
    for model in (solved.vae(), mlp_autoencoder((1, 2, 3), (5,), 2)):
        estimate = evaluation.reconstruction_error(model, images)
        pixels = images.pixels()
        differences = (model.reconstruct(pixels) - pixels).detach().double().numpy()
        truth = (differences.reshape(200, -1) ** 2).sum(1)
        assert estimate.mean == pytest.approx(truth.mean(), rel=1e-5)


def test_a_bernoulli_model_without_latents_gives_the_cross_entropy(images: ImageSet) -> None:
    model = mlp_vae((1, 2, 3), (4,), 2)
    logits = torch.linspace(-2, 2, 6)
    for parameter in model.decoder.parameters():
        nn.init.zeros_(parameter)
    list(model.decoder.parameters())[-1].data.copy_(logits)
    model.encoder = _Recording()  # q is the prior: every weight is p(x)
    estimate = evaluation.negative_log_likelihood(model, images, samples=3)
    probabilities = 1 / (1 + np.exp(-logits.double().numpy()))
    pixels = images.pixels().double().flatten(1).numpy()
    terms = pixels * np.log(probabilities) + (1 - pixels) * np.log(1 - probabilities)
    assert estimate.mean == pytest.approx(-terms.sum(1).mean(), rel=1e-5)


def test_the_gap_is_measured_on_noise_that_the_search_has_not_seen(
    solved, images: ImageSet
) -> None:
    # One step from the best belief fits the noise of its draw; on fresh noise that only costs.
    gap = evaluation.amortisation_gap(
        solved.vae(), images, steps=1, samples=1, learning_rate=0.1, seed=1
    )
    assert gap.mean < -0.02


def test_the_seed_decides_the_binarisation_of_an_exact_measure(images: ImageSet) -> None:
    nade = NADE((1, 2, 3), 4)
    nn.init.normal_(nade.output_bias)
    first, again, other = (
        evaluation.exact_log_likelihoods(nade, images, binarize=True, seed=seed)
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_seed_decides_the_search_for_the_best_belief(solved, images: ImageSet) -> None:
    def first_draw(seed: int) -> torch.Tensor:
        seen = list[torch.Tensor]()
        model = solved.vae()
        model.decoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
        evaluation.amortisation_gap(model, images, steps=1, samples=1, seed=seed)
        return seen[0]

    assert torch.equal(first_draw(0), first_draw(0))
    assert not torch.equal(first_draw(0), first_draw(1))
