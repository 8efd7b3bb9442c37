"""From grey digits to colour photographs, on the data that the seeds of this idea name."""

from __future__ import annotations

import pytest

import latent_transfer as lt
from latent_transfer.transfer import Recipe, compare

pytestmark = pytest.mark.real_data


@pytest.mark.slow
def test_mnist_to_cifar10_is_better_than_guessing_in_every_way() -> None:
    for name in ("mnist", "cifar10"):
        if lt.data.where(name) != "present":
            pytest.skip(f"{name} is not under the data root")
    recipe = Recipe(channels=(16, 32, 64), pretraining_steps=100, steps=150)
    target = lt.data.load("cifar10")
    digits = lt.data.load("mnist").train.subset(slice(0, 5_000)).conform(recipe.shape)
    source = recipe.pretrain(digits, progress=False)
    methods = {
        "scratch": recipe.error,
        "frozen": lambda task: recipe.error(task, source, frozen=True),
        "fine-tuned": lambda task: recipe.error(task, source),
    }
    test = target.test.subset(slice(0, 10_000, 5))
    results = compare(methods, target.train, test, budgets=[50], seeds=[0, 1], progress=False)
    for method in methods:
        # Ten classes: guessing is wrong in 90 per cent, a linear classifier on pixels in about 75.
        assert 55 < results.scores(method, 50).mean() < 84
