"""What the objectives refuse: each check says in one sentence what was wrong."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import torch

from latent_transfer.data import Batch
from latent_transfer.densities import known_to_hold


def checked(batch: Any) -> Batch:
    """Return the batch, or make one of images, and refuse one that no loss can be computed on.

    Raises:
        ValueError: If there is no image, or its pixels are integers.
    """
    batch = Batch.of(batch)
    if not batch.images.is_floating_point():
        raise ValueError(
            f"A loss needs floating-point images with pixels in [0, 1], not {batch.images.dtype}; "
            "ImageSet.pixels() gives them."
        )
    if not len(batch.images):
        raise ValueError("A loss needs at least one image, but the batch is empty.")
    return batch


def require_same_shape(one: torch.Tensor, other: torch.Tensor, names: str) -> None:
    """Refuse two tensors that broadcasting would combine in another way than is meant.

    Args:
        one: Any tensor.
        other: Of the same shape.
        names: What they are, for the message: "mean and log-variance".

    Raises:
        ValueError: If the shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(
            f"{names} must have one shape, not {tuple(one.shape)} and {tuple(other.shape)}."
        )


def require_between(name: str, value: float, low: float = 0.0, high: float = inf) -> None:
    """Refuse a weight that is out of range, infinite or not a number.

    Raises:
        ValueError: If it is.
    """
    if not (low <= value <= high and isfinite(value)):
        accepted = f"lie in [{low:g}, {high:g}]" if high < inf else f"be finite and ≥ {low:g}"
        raise ValueError(f"{name} must {accepted}, but is {value}.")


def require_labels(labels: torch.Tensor, count: int, classes: int) -> None:
    """Refuse labels that are not one class number per image.

    Args:
        labels: Of any kind.
        count: How many images there are.
        classes: How many classes there are.

    Raises:
        ValueError: If they are not integers, not one per image, or out of range.
    """
    if labels.is_floating_point() or labels.shape != (count,):
        raise ValueError(
            f"Labels must be integers, one per image, not {labels.dtype} of shape "
            f"{tuple(labels.shape)} for {count} images."
        )
    if known_to_hold(((labels < 0) | (labels >= classes)).any()):
        low, high = (int(end) for end in labels.aminmax())
        raise ValueError(
            f"Labels run from {low} to {high}, but there are logits "
            f"for {classes} classes; give the head as many outputs as there are classes."
        )
