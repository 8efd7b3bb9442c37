"""How far are samples from data? A distance that needs no model of either."""

from __future__ import annotations

import torch

from latent_transfer.evaluation._checks import check_finite


def energy_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return 2·E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖, estimated without bias from two samples.

    It is zero where the two distributions are equal and positive elsewhere; the estimate may come
    out slightly negative where they are close. The unit is that of a Euclidean distance between
    images, so that figures compare only on the same data.

    Equation: eq-energy-distance (Székely & Rizzo 2013).

    Args:
        first: N×… points, at least two; everything but the first axis is one point.
        second: M×… points of the same shape.

    Raises:
        ValueError: If the points differ in shape a sample has fewer than two, or a
            number is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import energy_distance
        >>> points = torch.arange(10.0).view(10, 1)
        >>> round(energy_distance(points, points + 20), 1)
        32.7
    """
    if first.shape[1:] != second.shape[1:] or min(len(first), len(second)) < 2:
        raise ValueError(
            "energy_distance needs two samples of at least two points of one shape, "
            f"not {tuple(first.shape)} and {tuple(second.shape)}."
        )
    for sample in (first, second):
        check_finite("Points", sample)
    first, second = (sample.detach().flatten(1).double() for sample in (first, second))
    between = torch.cdist(first, second).mean()  # of N×M distances
    return (2 * between - _mean_distance(first) - _mean_distance(second)).item()


def _mean_distance(points: torch.Tensor) -> torch.Tensor:
    # The zeros on the diagonal, each point against itself, do not count.
    count = len(points)
    return torch.cdist(points, points).sum() / (count * (count - 1))
