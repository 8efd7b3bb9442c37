"""The mistakes of the chapter on autoencoder transfer: each is wrong, and its mend is right."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.evaluation import Estimate, balanced_error
from latent_transfer.models import Classifier, conv_autoencoder
from latent_transfer.nets import ConvDecoder
from latent_transfer.objectives import squared_error
from latent_transfer.transfer import (
    Recipe,
    compare,
    extract_features,
    flips_and_crops,
    initialise_from,
    snapshot,
)

RECIPE = Recipe(
    shape=(3, 8, 8), channels=(4, 8), code_size=8, pretraining_steps=20, steps=40, batch_size=10
)


def draw(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def grey() -> ImageSet:
    """Unlabelled noise without colour, in three channels."""
    return ImageSet.from_pixels(draw(40, 0), torch.zeros(40, dtype=torch.int64), ("any",)).rgb()


@pytest.fixture(scope="module")
def colours() -> ImageSet:
    """Equally light noise, tinted red or blue: only colour tells the classes apart."""
    labels = torch.arange(80) % 2
    pixels = 0.25 + 0.5 * draw(80, 1).expand(-1, 3, -1, -1).clone()
    pixels[labels == 0, 0] += 0.2
    pixels[labels == 0, 2] -= 0.2
    pixels[labels == 1, 0] -= 0.2
    pixels[labels == 1, 2] += 0.2
    return ImageSet.from_pixels(pixels, labels, ("red", "blue"))


def test_a_decoder_that_only_doubles_does_not_return_28_pixels() -> None:
    widths = pairwise([256, 128, 64, 32, 1])
    doubling = nn.Sequential(
        *[nn.ConvTranspose2d(i, o, 3, stride=2, padding=1, output_padding=1) for i, o in widths]
    )
    digit = torch.zeros(1, 1, 28, 28)
    rebuilt = doubling(torch.zeros(1, 256, 2, 2))
    assert rebuilt.shape[-2:] == (32, 32)
    with pytest.raises(ValueError, match="cannot be compared"):
        squared_error(rebuilt, digit)
    mended = ConvDecoder(128, shape=(1, 28, 28))(torch.zeros(1, 128))
    assert squared_error(mended, digit).shape == (1,)


def test_a_one_channel_encoder_refuses_colour_and_both_mends_agree() -> None:
    one, three = (conv_autoencoder((channels, 8, 8), (4, 8), 6) for channels in (1, 3))
    images = ImageSet.from_pixels(draw(5, 2), torch.zeros(5, dtype=torch.int64), ("any",))
    with pytest.raises(ValueError, match="3 channels"):
        one.encode(images.rgb().pixels())
    report = initialise_from(one, three, ["encoder"], adapt_channels=True)
    assert not report.skipped
    converted, adapted = one.encode(images.pixels()), three.encode(images.rgb().pixels())
    assert torch.allclose(converted, adapted, atol=1e-6)


def test_a_first_layer_that_does_not_fit_is_reported() -> None:
    one, three = (conv_autoencoder((channels, 8, 8), (4, 8), 6) for channels in (1, 3))
    before = snapshot(three, "encoder.convolutions.0")["encoder.convolutions.0.weight"]
    report = initialise_from(one, three, ["encoder"])
    assert list(report.skipped) == ["encoder.convolutions.0.weight"]
    assert "skipped  encoder.convolutions.0.weight" in str(report)
    assert torch.equal(three.encoder.convolutions[0].weight, before)


def test_zero_centred_digits_are_beyond_a_sigmoid() -> None:
    from latent_transfer.data import load

    targets = 2 * load("digits").test.pixels() - 1
    floor = squared_error(targets.clamp(0, 1), targets).mean()
    constant = squared_error(targets.mean(0).expand_as(targets), targets).mean()
    assert floor > constant
    proper = (targets + 1) / 2
    assert squared_error(proper.clamp(0, 1), proper).max() == 0


def test_a_good_accuracy_says_nothing_about_the_transfer(grey: ImageSet, colours: ImageSet) -> None:
    recipe = replace(RECIPE, learning_rate=0.01, augment=False)
    source = recipe.pretrain(grey, progress=False)
    methods = {
        "scratch": recipe.error,
        "tuned": lambda task: recipe.error(task, source),
    }
    results = compare(methods, colours, colours, budgets=[10], seeds=range(3), progress=False)
    accuracy = 100 - Estimate.of(results.scores("tuned", 10)).mean
    assert accuracy > 90  # far above guessing, and yet
    assert results.difference("tuned", "scratch", 10).interval()[1] >= 0


def test_grey_images_leave_the_response_to_colour_as_it_was(grey: ImageSet) -> None:
    recipe = replace(RECIPE, pretraining_steps=60, pretraining_rate=0.01)
    with seeded(0):
        start = recipe.autoencoder()
    trained = recipe.pretrain(grey, seed=0, progress=False)
    before, after = (net.encoder.convolutions[0].weight.detach() for net in (start, trained))
    moved = after - before  # K×3×3×3, the same for each channel
    assert moved.abs().mean() > 1e-3
    assert (moved - moved.mean(1, keepdim=True)).abs().max() < 1e-4 * moved.abs().max()


def test_one_draw_serves_a_whole_batch() -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    batch = image.repeat(64, 1, 1, 1)
    with seeded(0):
        different = {
            groups: len(flips_and_crops(16, groups=groups)(batch).flatten(1).unique(dim=0))
            for groups in (1, 8)
        }
    assert different[1] == 1
    assert different[8] > 4


def test_an_encoder_passed_on_as_an_object_is_refused(grey: ImageSet, colours: ImageSet) -> None:
    source = RECIPE.autoencoder()
    with pytest.raises(ValueError, match="share the parameter"):
        initialise_from(source, Classifier(source.encoder, 8, 2), ["encoder"])
    mended = RECIPE.classifier(2, source)
    assert torch.equal(mended.encoder.head.weight, source.encoder.head.weight)
    assert mended.encoder.head.weight.data_ptr() != source.encoder.head.weight.data_ptr()


def test_the_usual_start_makes_the_code_almost_constant(colours: ImageSet) -> None:
    recipe = replace(RECIPE, shape=(3, 8, 8), channels=(8, 16, 32))
    with seeded(0):
        usual = conv_autoencoder(recipe.shape, recipe.channels, recipe.code_size)
        he = recipe.autoencoder()
    spread = [extract_features(net, colours).std(0).mean() for net in (usual, he)]
    assert spread[0] < 0.2 * spread[1]


def test_random_features_do_as_well_as_those_from_grey_images(
    grey: ImageSet, colours: ImageSet
) -> None:
    recipe = replace(RECIPE, augment=False, steps=60)
    nets = {}
    for seed in range(4):
        with seeded(seed):
            start = recipe.autoencoder()
        nets[seed] = {"random": start, "grey": recipe.pretrain(grey, seed=seed, progress=False)}
    methods = {
        name: lambda task, name=name: balanced_error(
            recipe.train(task, nets[task.seed][name], frozen=True), task.test
        )
        for name in ("random", "grey")
    }
    results = compare(methods, colours, colours, budgets=[10], seeds=range(4), progress=False)
    assert results.difference("grey", "random", 10).interval()[1] > 0  # no gain to be seen
