"""The recipe holds everything fixed but the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

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
    assert RECIPE._epochs(30, images.subset(range(55))) == 5  # the last batch is a step, too


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
    codes = [
        replace(RECIPE, decay=decay).pretrain(images, progress=False) for decay in (True, False)
    ]
    assert not torch.equal(*(source.encoder.head.weight for source in codes))


def test_pretraining_may_have_a_rate_of_its_own(images: ImageSet) -> None:
    fast = replace(RECIPE, learning_rate=0.01).pretrain(images, progress=False)
    own = replace(RECIPE, pretraining_rate=0.01).pretrain(images, progress=False)
    assert torch.equal(fast.encoder.head.weight, own.encoder.head.weight)


# -- encoders of the user's own ---------------------------------------------------------------


class Foreign(nn.Module):
    """A net as image libraries make them: features with a batch norm, pooling, a classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, classes) if classes else nn.Identity()

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(self.stem(images)).relu()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.forward_features(images).mean((2, 3)))


class MapsOnly(Foreign):
    """The same, but its own output is no matrix."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.forward_features(images)


class Encoded(nn.Module):
    """A model with an encoder as one of its parts."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder


def foreign(make: Callable[[], nn.Module] = lambda: Foreign(0), **settings: Any) -> Recipe:
    return replace(RECIPE, encoder=make, augment=False, **settings)


@pytest.mark.parametrize("make", [lambda: Foreign(0), lambda: MapsOnly(3)])
def test_an_own_encoder_gives_the_features_and_keeps_its_weights(
    make: Callable[[], nn.Module],
) -> None:
    recipe = foreign(make)
    with seeded(3):
        alone = make()
    with seeded(3):
        model = recipe.classifier(4)
    images = torch.rand(5, 1, 8, 8)
    features = Foreign.forward_features(alone.eval(), images).mean((2, 3))  # type: ignore[arg-type]
    torch.testing.assert_close(model.eval().features(images), features)
    assert model(images).shape == (5, 4)


@pytest.mark.parametrize("make", [lambda: Foreign(0), lambda: MapsOnly(3)])
@pytest.mark.parametrize("wrap", [lambda net: net, Encoded], ids=["encoder", "model"])
def test_given_weights_are_a_start(
    make: Callable[[], nn.Module], wrap: Callable[[nn.Module], nn.Module]
) -> None:
    source = make()
    mine = foreign(make).classifier(2, wrap(source)).encoder.state_dict()
    copied = {name.removeprefix("net."): value for name, value in mine.items()}
    assert copied.keys() == source.state_dict().keys()
    assert all(torch.equal(copied[name], value) for name, value in source.state_dict().items())


def test_a_start_may_have_a_classifier_that_the_encoder_lacks() -> None:
    source = Foreign(1_000)
    mine = foreign().classifier(2, source).encoder.state_dict()
    assert "fc.weight" not in mine
    assert torch.equal(mine["stem.weight"], source.stem.weight)


def test_an_own_encoder_is_trained_tuned_and_frozen(images: ImageSet) -> None:
    recipe, task = foreign(learning_rate=0.01), make_task(images)
    source = Foreign(1_000)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    scratch, tuned = recipe.train(task), recipe.train(task, source)
    frozen = recipe.train(task, source, frozen=True)
    for name, value in source.state_dict().items():
        assert torch.equal(value, before[name])
        if not name.startswith("fc"):
            assert torch.equal(frozen.encoder.state_dict()[name], value)
    for model in (scratch, tuned):
        assert not torch.equal(model.encoder.state_dict()["stem.weight"], source.stem.weight)
    methods = {"scratch": recipe.error, "frozen": partial(recipe.error, start=source, frozen=True)}
    results = compare(methods, images, images, budgets=[5], seeds=[0, 1], progress=False)
    assert results.methods == ["scratch", "frozen"]


def test_an_own_encoder_can_be_pretrained(images: ImageSet) -> None:
    recipe = foreign(learning_rate=0.01)
    source = recipe.pretrain(images, progress=False)
    assert isinstance(source.encoder, Foreign)
    assert source(images.pixels()[:3]).shape == (3, 1, 8, 8)
    model = recipe.classifier(2, source)
    assert torch.equal(
        model.encoder.state_dict()["norm.running_mean"], source.encoder.norm.running_mean
    )


def test_what_stands_on_an_own_encoder_starts_from_hes_weights() -> None:
    model, source = foreign().classifier(2), foreign().autoencoder()
    assert not model.head[0].bias.any()
    biases = [value for name, value in source.decoder.named_parameters() if name.endswith("bias")]
    assert not any(bias.any() for bias in biases)
    assert all(made.encoder.stem.bias.any() for made in (model, source))


def test_an_encoder_without_weights_will_do(images: ImageSet) -> None:
    recipe = foreign(nn.Flatten, learning_rate=0.01)
    assert recipe.error(make_task(images)) < 10
    assert recipe.error(make_task(images), nn.Flatten(), frozen=True) < 10


def test_trying_an_encoder_changes_neither_statistics_nor_generators() -> None:
    state = torch.get_rng_state()
    recipe = foreign(lambda: nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5), nn.Flatten()))
    assert torch.equal(torch.get_rng_state(), state)
    norm = recipe.classifier(2).encoder.state_dict()
    assert norm["0.num_batches_tracked"] == 0
    assert norm["0.running_mean"] == 0


SHARED = nn.Linear(64, 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(1, 4, 3), r"gave 2×4×6×6 for 2×1×8×8; pool and flatten its output"),
        (lambda: nn.AdaptiveAvgPool2d((8, 0)), r"gave 2×1×8×0 for .*nn\.Identity"),
        (lambda: nn.Flatten(0), r"gave 128 for 2×1×8×8"),
        (lambda: nn.LSTM(8, 4), r"^encoder cannot take 2×1×8×8 images: "),
        (lambda: nn.Conv2d(3, 4, 3), r"^encoder cannot take 2×1×8×8 images: .*3 channels"),
        (lambda: nn.Sequential(nn.Flatten(), SHARED), "must make a new module each time"),
        (lambda: torch.relu, "encoder must be a function without arguments that makes a torch"),
        (lambda: Tupled(), "gave a tuple for 2×1×8×8"),
    ],
)
def test_an_encoder_that_cannot_serve_is_refused_at_once(
    make: Callable[[], nn.Module], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        foreign(make)


class Tupled(nn.Module):
    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images.flatten(1), images


@pytest.mark.parametrize(
    ("recipe", "start", "message"),
    [
        (RECIPE, nn.Linear(3, 3), "start must be an encoder like the recipe's, .*Linear has other"),
        (
            RECIPE,
            replace(RECIPE, code_size=7).autoencoder(),
            r"start does not fit the recipe's encoder: head\.weight is 7×32 in the source, 6×32",
        ),
    ],
)
def test_a_start_that_does_not_fit_is_refused(
    recipe: Recipe, start: nn.Module, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        recipe.classifier(2, start)


def test_settings_are_described_without_the_encoder() -> None:
    assert "encoder" not in foreign().described()
    assert foreign().described() == {**RECIPE.described(), "augment": False}
    assert RECIPE.described()["code_size"] == 6
