"""The mistakes of the chapter on when transfer helps, guarded: each would fail a test here."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from latent_transfer import fit
from latent_transfer.data import Batch, ImageSet
from latent_transfer.evaluation import classification_error
from latent_transfer.models import Classifier
from latent_transfer.objectives import classification_loss
from latent_transfer.transfer import (
    Task,
    compare,
    extract_features,
    freeze,
    h_score,
    initialise_from,
    l2_sp,
    leep,
    snapshot,
)

SHAPE = (1, 6, 6)


def _images(count: int, seed: int) -> ImageSet:
    """Two classes that differ by the brightness of their left half, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    pixels = torch.rand(count, *SHAPE, generator=generator)
    pixels[labels == 1, :, :, :3] *= 0.6
    return ImageSet.from_pixels(pixels, labels, ("bright", "dark"))


def _loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    return dict(classification_loss(model, batch))


def _classifier(seed: int) -> Classifier:
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.BatchNorm1d(16), nn.ReLU())
    return Classifier(encoder, 16, 2)


def _trained(images: ImageSet, seed: int, steps: int) -> Classifier:
    model = _classifier(seed)
    fit(model, images, _loss, epochs=steps, batch_size=len(images), seed=seed, progress=False)
    return model


def test_one_seed_may_tell_the_opposite_of_many() -> None:
    def first(task: Task) -> float:
        return 20 + torch.randn(()).item()

    def better_by_half(task: Task) -> float:
        torch.manual_seed(task.seed + 1000)
        return 19.5 + torch.randn(()).item()

    methods = {"first": first, "better": better_by_half}
    images, test = _images(20, 0), _images(20, 1)
    results = compare(methods, images, test, budgets=[1], seeds=range(60), progress=False)
    mean = results.difference("better", "first", 1)
    single = results.scores("better", 1) - results.scores("first", 1)
    assert mean.interval()[1] < 0  # many seeds see that it is better ...
    assert (single > 0).double().mean() > 0.2  # ... and many a single one says the opposite


def test_choosing_on_test_images_flatters_the_choice() -> None:
    generator = torch.Generator().manual_seed(0)
    wrong = torch.rand(200, 10, 400, generator=generator) < 0.2  # ten equally good models
    seen, unseen = wrong[..., :100].double().mean(-1), wrong[..., 100:].double().mean(-1)
    best = seen.argmin(-1, keepdim=True)
    reported, honest = seen.gather(-1, best).mean(), unseen.gather(-1, best).mean()
    assert reported < 0.16
    assert honest == pytest.approx(0.2, abs=0.005)


def test_a_baseline_with_fewer_steps_flatters_transfer() -> None:
    source = _trained(_images(400, 0), seed=0, steps=40)
    few, test = _images(20, 2), _images(400, 3)

    def error(start: nn.Module | None, seed: int, steps: int) -> float:
        model = _classifier(seed)
        if start is not None:
            initialise_from(start, model)
        fit(model, few, _loss, epochs=steps, batch_size=20, seed=seed, progress=False)
        return classification_error(model, test).mean

    def gain(steps_of_baseline: int) -> float:
        pairs = [error(None, s, steps_of_baseline) - error(source, s, 100) for s in range(5)]
        return sum(pairs) / len(pairs)

    assert gain(1) > gain(100) + 3


def test_frozen_parameters_do_not_stop_batch_norm_but_fit_does() -> None:
    model = freeze(_trained(_images(100, 0), seed=0, steps=5), "encoder")
    dimmed = ImageSet(_images(100, 1).images // 4, _images(100, 1).labels, ("bright", "dark"))
    norm = model.encoder.get_submodule("2")
    before = norm.running_mean.clone()
    fit(model, dimmed, _loss, epochs=3, batch_size=25, progress=False)
    assert torch.equal(norm.running_mean, before)
    model.train()  # by hand
    with torch.no_grad():
        model(dimmed.pixels())
    assert not torch.equal(norm.running_mean, before)


def test_features_are_extracted_without_moving_batch_norm() -> None:
    model = _trained(_images(100, 0), seed=0, steps=5).train()
    norm = model.encoder.get_submodule("2")
    before = norm.running_mean.clone()
    extract_features(model, _images(50, 1))
    assert torch.equal(norm.running_mean, before)


def test_leep_does_not_hear_the_names_of_the_source_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    said = (3 * torch.randn(60, 5, generator=generator)).softmax(1)
    labels = said.argmax(1)
    assert leep(said.roll(1, dims=1), labels) == pytest.approx(leep(said, labels), abs=1e-12)


def test_leep_is_one_step_of_em_and_never_below_the_label_entropy() -> None:
    generator = torch.Generator().manual_seed(1)
    said = torch.randn(40, 6, generator=generator, dtype=torch.float64).softmax(1)
    labels = torch.arange(40) % 4
    ones = torch.eye(4, dtype=torch.float64)[labels]
    table = ones.mean(0).expand(6, 4)  # p(y | z) at the start: the label frequencies
    posterior = said * table[:, labels].T  # N×Z
    posterior = posterior / posterior.sum(1, keepdim=True)
    table = (posterior.T @ ones) / posterior.sum(0)[:, None]
    likelihood = (said @ table)[torch.arange(40), labels].log().mean().item()
    assert leep(said, labels) == pytest.approx(likelihood, abs=1e-12)
    assert likelihood >= -math.log(4)


def test_the_h_score_of_noise_is_at_its_maximum_on_few_images() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2000, 40, generator=generator)
    labels = torch.arange(2000) % 5
    assert h_score(noise[:30], labels[:30]) == pytest.approx(4, abs=1e-6)
    assert h_score(noise, labels) < 0.3


def test_l2_sp_pulls_to_its_source_whether_that_is_good_or_bad() -> None:
    good, bad = (_trained(_images(100, seed), seed=seed, steps=10) for seed in (0, 1))
    model = _classifier(2)
    initialise_from(bad, model)
    start = snapshot(model, "encoder")
    assert l2_sp(model, start, strength=1.0).item() == 0  # at the bad source it asks for nothing
    initialise_from(good, model)
    assert l2_sp(model, start, strength=1.0).item() > 0  # and at the good one it pulls away
