"""The recipe holds everything fixed but the start."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.transfer import Recipe, Task, compare

RECIPE = Recipe(
    shape=(1, 8, 8), channels=(4, 8), code_size=6, pretraining_steps=20, steps=30, batch_size=10
)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Two classes: bright in the upper or in the lower half."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 2
    pixels = torch.rand(60, 1, 8, 8, generator=generator) * 0.5
    pixels[labels == 0, :, :4] += 0.5
    pixels[labels == 1, :, 4:] += 0.5
    return ImageSet.from_pixels(pixels, labels, ("upper", "lower"))


def make_task(images: ImageSet, seed: int = 0) -> Task:
    generator = torch.Generator().manual_seed(seed)
    return Task(images.few(10, generator), images.unlabelled(), images, seed)


def test_pretraining_learns_and_its_seed_decides(images: ImageSet) -> None:
    first, again, other = (RECIPE.pretrain(images, seed=seed, progress=False) for seed in (0, 0, 1))
    weights = [next(model.parameters()) for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_start_is_the_encoders_and_not_the_heads(images: ImageSet) -> None:
    source = RECIPE.pretrain(images, progress=False)
    model = RECIPE.classifier(2, source)
    mine, theirs = model.encoder.state_dict(), source.encoder.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert next(model.encoder.parameters()) is not next(source.encoder.parameters())


def test_easy_classes_are_learnt_and_the_source_is_left_alone(images: ImageSet) -> None:
    # Moved by up to half its height, an image would no longer show where it was bright.
    recipe = replace(RECIPE, augment=False, learning_rate=0.01)
    source = recipe.pretrain(images, progress=False)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    methods = {
        "scratch": lambda task: recipe.error(task),
        "tuned": lambda task: recipe.error(task, source),
        "frozen": lambda task: recipe.error(task, source, frozen=True),
    }
    results = compare(methods, images, images, budgets=[10], seeds=[0, 1], progress=False)
    assert results.scores("scratch", 10).max() < 10
    assert results.scores("tuned", 10).max() < 10
    after = source.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    ("frozen", "moved"),
    [
        (True, [False, False, False]),
        (["encoder.convolutions.0"], [False, True, True]),
        (False, [True, True, True]),
    ],
)
def test_frozen_parts_do_not_move(
    images: ImageSet, frozen: bool | list[str], moved: list[bool]
) -> None:
    source = RECIPE.pretrain(images, progress=False)
    model = RECIPE.train(make_task(images), source, frozen=frozen)
    weights = ["convolutions.0.weight", "convolutions.2.weight", "head.weight"]
    mine, theirs = model.encoder.state_dict(), source.encoder.state_dict()
    assert [not torch.equal(mine[name], theirs[name]) for name in weights] == moved


def test_the_head_has_a_speed_of_its_own(images: ImageSet) -> None:
    moves = []
    for speed in (1e-6, 10.0):
        recipe = replace(RECIPE, head_speed=speed)
        with seeded(0):
            start = recipe.classifier(2).head[0].weight.detach().clone()
        with seeded(0):
            trained = recipe.train(make_task(images)).head[0].weight
        moves.append((trained - start).abs().max().item())
    assert moves[0] < 1e-6 < 1e-2 < moves[1]


def test_steps_are_rounded_up_to_passes(images: ImageSet) -> None:
    assert RECIPE._epochs(30, images) == 5  # 6 batches a pass
    assert RECIPE._epochs(31, images) == 6


def test_augmentation_changes_what_is_seen(images: ImageSet) -> None:
    moved, plain = (replace(RECIPE, augment=choice, learning_rate=0.01) for choice in (True, False))
    errors = []
    for recipe in (moved, plain):
        with seeded(0):
            errors.append(recipe.error(make_task(images)))
    assert errors[0] > errors[1]  # the crops hide what tells the classes apart
    assert errors[1] < 10


def test_the_learning_rate_may_stay(images: ImageSet) -> None:
    heads = []
    for decay in (True, False):
        with seeded(0):
            heads.append(replace(RECIPE, decay=decay).train(make_task(images)).head[0].weight)
    assert not torch.equal(*heads)


def test_pretraining_may_have_a_rate_of_its_own(images: ImageSet) -> None:
    fast = replace(RECIPE, learning_rate=0.01).pretrain(images, progress=False)
    own = replace(RECIPE, pretraining_rate=0.01).pretrain(images, progress=False)
    assert torch.equal(fast.encoder.head.weight, own.encoder.head.weight)
