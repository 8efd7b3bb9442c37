"""The chapter's common mistakes, guarded: each would make one of these tests fail."""

from __future__ import annotations

import math

import pytest
import torch

from latent_transfer.data import Batch, ImageSet
from latent_transfer.models import VAE, Classifier, mlp_vae
from latent_transfer.nets import MLPDecoder, MLPEncoder
from latent_transfer.objectives import classification_loss, negative_elbo
from latent_transfer.training import fit
from latent_transfer.transfer import (
    compare,
    extract_features,
    freeze,
    initialise_from,
    linear_probe,
    snapshot,
)

SHAPE = (1, 4, 4)


def minus_elbo(model: VAE, batch: Batch) -> dict[str, torch.Tensor]:
    return negative_elbo(model, batch.images)


def train(model: VAE, images: ImageSet) -> None:
    fit(model, images, minus_elbo, epochs=2, batch_size=20, progress=False)


@pytest.fixture
def source() -> VAE:
    torch.manual_seed(0)
    return mlp_vae(SHAPE, (8,), 3)


@pytest.fixture
def images() -> ImageSet:
    labels = torch.arange(60) % 2
    pixels = torch.rand(60, *SHAPE, generator=torch.Generator().manual_seed(0))
    pixels[labels == 1, :, :2] *= 0.5
    return ImageSet.from_pixels(pixels, labels, ("bright", "dark"))


def test_an_encoder_passed_on_as_an_object_is_shared(source: VAE, images: ImageSet) -> None:
    target = VAE(source.encoder, MLPDecoder(3, (8,), SHAPE), 3)
    with pytest.raises(ValueError, match="share the parameter"):
        initialise_from(source, target, ["encoder"])
    before = snapshot(source, "encoder")
    train(target, images)
    after = snapshot(source, "encoder")
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_an_initialised_target_leaves_the_source_alone(source: VAE, images: ImageSet) -> None:
    target = mlp_vae(SHAPE, (8,), 3)
    initialise_from(source, target)
    before = snapshot(source)
    train(target, images)
    assert all(torch.equal(before[name], value) for name, value in snapshot(source).items())
    assert any(not torch.equal(before[name], value) for name, value in snapshot(target).items())


def test_features_run_no_decoder_and_draw_no_noise(source: VAE, images: ImageSet) -> None:
    calls: list[str] = []
    source.decoder.register_forward_hook(lambda *_: calls.append("decoder"))
    state = torch.get_rng_state()
    first, second = (extract_features(source, images) for _ in range(2))
    assert calls == []
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, source.posterior(images.pixels()).mean)


def test_a_frozen_encoder_makes_no_new_features(source: VAE, images: ImageSet) -> None:
    target = mlp_vae(SHAPE, (8,), 3)
    initialise_from(source, target)
    freeze(target, "encoder")
    train(target, images)
    assert torch.equal(extract_features(source, images), extract_features(target, images))


def test_a_short_trained_head_is_mostly_its_random_start(source: VAE, images: ImageSet) -> None:
    torch.manual_seed(0)
    model = Classifier(MLPEncoder(SHAPE, (8,), 6), 3, 2)
    initialise_from(source, model, ["encoder"])
    freeze(model, "encoder")
    start = snapshot(model, "head")
    steps, rate = 20, 1e-3
    fit(
        model,
        images,
        lambda model, batch: classification_loss(model, batch),
        epochs=steps,
        batch_size=60,
        learning_rate=rate,
        progress=False,
    )
    moved = max((snapshot(model, "head")[n] - v).abs().max().item() for n, v in start.items())
    assert moved <= 1.1 * steps * rate
    features, labels = extract_features(source, images), images.labels
    # The probe, trained to convergence, does not depend on the scale of the features.
    errors = [linear_probe(s * features, labels, s * features, labels) for s in (1.0, 1e-3)]
    assert errors[0] == errors[1]


def test_one_draw_has_no_interval_and_several_are_paired(images: ImageSet) -> None:
    drawn: dict[str, list[int]] = {"one": [], "other": []}

    def method(name: str, better: float):
        def run(task) -> float:
            drawn[name].append(task.few.fingerprint())
            return task.few.fingerprint() % 50 - better  # the draw matters more than the method

        return run

    methods = {"one": method("one", 1.0), "other": method("other", 0.0)}
    options = {"budgets": [5], "progress": False}
    results = compare(methods, images, images, seeds=range(4), **options)
    assert drawn["one"] == drawn["other"]
    gap = results.difference("one", "other", 5)
    assert gap.mean == pytest.approx(-1)
    assert gap.standard_error == pytest.approx(0)
    alone = compare(methods, images, images, seeds=[0], **options)
    interval = alone.difference("one", "other", 5).interval()
    assert all(math.isnan(end) for end in interval)  # a single draw has no spread
