"""NADE's likelihood against everything that a distribution must be."""

from __future__ import annotations

import math

import pytest
import torch

from latent_transfer.models import NADE


def random_nade(shape: tuple[int, int, int]) -> NADE:
    torch.manual_seed(0)
    model = NADE(shape, hidden=6).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=2.0)
    return model


def every_image(pixels: int) -> torch.Tensor:
    numbers = torch.arange(2**pixels)[:, None]
    return ((numbers >> torch.arange(pixels)) & 1).double()


@pytest.mark.equation("eq-nade")
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 2), (1, 3, 4), (3, 2, 2)])
def test_the_probabilities_of_all_images_sum_to_one(shape: tuple[int, int, int]) -> None:
    images = every_image(math.prod(shape)).view(-1, *shape)
    total = random_nade(shape).log_density(images).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)


@pytest.mark.equation("eq-nade")
def test_conditionals_are_those_of_the_joint_distribution() -> None:
    model, images = random_nade((1, 2, 3)), every_image(6)
    joint = model.log_density(images.view(-1, 1, 2, 3)).exp().detach()
    conditionals = model.conditionals(images.view(-1, 1, 2, 3)).flatten(1).sigmoid()
    for number, image in enumerate(images):
        for d in range(6):  # p(x_d = 1 | x_<d), as a ratio of sums over all images
            alike = (images[:, :d] == image[:d]).all(1)
            ones = joint[alike & (images[:, d] == 1)].sum()
            assert conditionals[number, d].item() == pytest.approx(ones / joint[alike].sum())


@pytest.mark.equation("eq-nade")
def test_the_log_density_is_the_sum_of_coins() -> None:
    model, images = random_nade((1, 2, 3)), every_image(6).view(-1, 1, 2, 3)
    coins = torch.distributions.Bernoulli(logits=model.conditionals(images))
    expected = coins.log_prob(images).sum((1, 2, 3))
    torch.testing.assert_close(model.log_density(images), expected)
