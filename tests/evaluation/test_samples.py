"""The distance between samples and data."""

from __future__ import annotations

import pytest
import torch

from latent_transfer.evaluation import energy_distance


def test_equal_distributions_are_at_distance_zero() -> None:
    points = torch.randn(1000, 2, 3, generator=torch.Generator().manual_seed(0))
    assert abs(energy_distance(points[:500], points[500:])) < 0.02


def test_missing_modes_and_blur_are_both_seen() -> None:
    generator = torch.Generator().manual_seed(0)
    sides = torch.randint(2, (600, 1), generator=generator) * 4.0 - 2
    data = sides + torch.randn(600, 2, generator=generator)
    one_mode = 2 + torch.randn(300, 2, generator=generator)
    blurred = 3 * torch.randn(300, 2, generator=generator)
    close = energy_distance(data[:300], data[300:])
    assert energy_distance(data[:300], one_mode) > close + 0.5
    assert energy_distance(data[:300], blurred) > close + 0.1


@pytest.mark.parametrize("shapes", [((5, 2), (5, 3)), ((1, 2), (5, 2))])
def test_unusable_samples_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="two samples of at least two points of one shape"):
        energy_distance(*(torch.zeros(shape) for shape in shapes))
