"""Fixed, class-stratified splits for sets that come without a test set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def hold_out(labels: Tensor, per_class: Sequence[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Chooses which images of each class become test images, the same ones at every call.

    Args:
        labels: class numbers, N.
        per_class: how many images of each class to hold out.
        seed: seed of the draw.

    Returns:
        The positions of the training images and those of the test images, in ascending order.
    """
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for number, count in enumerate(per_class):
        members = (labels == number).nonzero().squeeze(1)
        held_out[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return (~held_out).nonzero().squeeze(1), held_out.nonzero().squeeze(1)
