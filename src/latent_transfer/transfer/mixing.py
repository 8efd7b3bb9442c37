"""Training on source and target together."""

from __future__ import annotations

from dataclasses import replace

import torch

from latent_transfer.data import ImageSet


def mix(source: ImageSet, target: ImageSet, *, share: float) -> ImageSet:
    """Source images, and the target images repeated until they are that share of the whole.

    A generator that is trained on it sees the few target images often without forgetting what all
    others look like. Labels say the domain: 0 the source, 1 the target.

    Args:
        source: Many images.
        target: Few images of the same shape.
        share: Of the target in the mixture, above 0 and below 1, up to rounding to whole repeats;
            each target image is there at least once.

    Raises:
        ValueError: If the images differ in shape or the share is out of range.
    """
    if source.shape != target.shape:
        raise ValueError(
            f"Both domains need images of one shape, not {source.shape} and {target.shape}; "
            "use ImageSet.conform first."
        )
    if not 0 < share < 1:
        raise ValueError(f"share must lie above 0 and below 1, not at {share}.")
    repeats = max(1, round(share / (1 - share) * len(source) / len(target)))
    images = torch.cat([source.images, *[target.images] * repeats])
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    labels[len(source) :] = 1
    return replace(source, images=images, labels=labels, classes=("source", "target"))
