"""Fixed, class-stratified splits for sets that come without a test set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from latent_transfer.data.examples import Examples

Kind = TypeVar("Kind", bound=Examples)


def hold_out(labels: Tensor, per_class: Sequence[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Choose which images of each class become test images, the same ones at every call.

    Args:
        labels: Class numbers, N.
        per_class: How many images of each class to hold out.
        seed: Seed of the draw.

    Returns:
        The positions of the training images and those of the test images, in ascending order.
    """
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for number, count in enumerate(per_class):
        members = (labels == number).nonzero().squeeze(1)
        held_out[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return (~held_out).nonzero().squeeze(1), held_out.nonzero().squeeze(1)


def hold_out_thirds(whole: Kind) -> tuple[Kind, Kind]:
    """Split a set into a training and a test part, which gets a third of each class."""
    train, test = hold_out(whole.labels, [number // 3 for number in whole.counts().values()])
    return whole.subset(train), whole.subset(test)
