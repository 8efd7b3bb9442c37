"""Flips and crops: shapes stay, several draws a batch, the seed decides."""

from __future__ import annotations

import pytest
import torch

from latent_transfer._random import seeded
from latent_transfer.transfer import flips_and_crops


def test_shape_and_range_stay() -> None:
    images = torch.rand(7, 3, 8, 8)
    changed = flips_and_crops(8)(images)
    assert changed.shape == images.shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1


def test_a_batch_gets_as_many_draws_as_groups() -> None:
    image = torch.rand(1, 1, 8, 8)
    batch = image.expand(40, -1, -1, -1)
    with seeded(0):
        changed = flips_and_crops(8, groups=5)(batch)
    assert len(changed.flatten(1).unique(dim=0)) == 5
    assert torch.equal(changed[0], changed[7])


@pytest.mark.parametrize("settings", [{"margin": -1}, {"groups": 0}, {"size": 0}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="size and groups of at least 1 and a margin of at least"):
        flips_and_crops(**{"size": 8, **settings})


@pytest.mark.parametrize("shape", [(3, 1, 8, 9), (1, 8, 8), (0, 1, 8, 8), (2, 1, 9, 9)])
def test_images_of_another_size_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"batches of 8×8 images, B×C×H×W, not a tensor of shape"):
        flips_and_crops(8)(torch.rand(shape))


def test_flips_alone_mirror() -> None:
    image = torch.rand(1, 1, 8, 8)
    with seeded(0):
        changed = flips_and_crops(8, margin=0, groups=30)(image.expand(30, -1, -1, -1))
    seen = changed.flatten(1).unique(dim=0)
    expected = torch.cat([image, image.flip(-1)]).flatten(1).unique(dim=0)
    assert torch.equal(seen, expected)


def test_the_seed_decides() -> None:
    images, change = torch.rand(9, 1, 8, 8), flips_and_crops(8)
    runs = []
    for seed in (0, 0, 1):
        with seeded(seed):
            runs.append(change(images))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_without_flips_nothing_is_mirrored() -> None:
    image = torch.rand(1, 1, 8, 8)
    with seeded(0):
        change = flips_and_crops(8, margin=1, groups=60, flips=False)
        changed = change(image.expand(60, -1, -1, -1))
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    shifts = [
        padded[..., down : down + 8, right : right + 8] for down in range(3) for right in range(3)
    ]
    expected = {tuple(shift.flatten().tolist()) for shift in shifts}
    assert {tuple(part.flatten().tolist()) for part in changed} == expected
