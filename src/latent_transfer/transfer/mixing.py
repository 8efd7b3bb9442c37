"""Source and target images in one set."""

from __future__ import annotations

from dataclasses import replace

import torch

from latent_transfer.data import ImageSet


def mix(source: ImageSet, target: ImageSet, *, share: float) -> ImageSet:
    """Repeat the target images until they are the given share, and join them to the source images.

    A generator trained on the mixture sees the few target images often, without forgetting what
    the others look like. Labels give the domain: 0 the source, 1 the target.

    Args:
        source: Many images.
        target: Few images of the same shape.
        share: Of the target in the mixture, above 0 and below 1, up to rounding to whole repeats;
            each target image is there at least once.

    Raises:
        TypeError: If one of them is not an image set.
        ValueError: If the images differ in shape, or the share is out of range.

    Example:
        >>> import torch
        >>> from latent_transfer.data import ImageSet
        >>> from latent_transfer.transfer import mix
        >>> pixels, labels = torch.rand(90, 1, 4, 4), torch.zeros(90, dtype=torch.int64)
        >>> images = ImageSet.from_pixels(pixels, labels, ["any"])
        >>> mix(images, images.subset(range(5)), share=0.1).counts()
        {'source': 90, 'target': 10}
    """
    require_one_shape(source, target)
    if not 0 < share < 1:
        raise ValueError(f"share must lie above 0 and below 1, not at {share}.")
    repeats = max(1, round(share / (1 - share) * len(source) / len(target)))
    images = torch.cat([source.images, *[target.images] * repeats])
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    labels[len(source) :] = 1
    return replace(source, images=images, labels=labels, classes=("source", "target"))


def require_one_shape(source: ImageSet, target: ImageSet) -> None:
    """Refuse two domains whose images cannot stand in one set.

    Raises:
        TypeError: If one of them is not an image set.
        ValueError: If the images differ in shape.

    Example:
        >>> import torch
        >>> from latent_transfer.data import ImageSet
        >>> from latent_transfer.transfer.mixing import require_one_shape
        >>> labels = torch.zeros(2, dtype=torch.int64)
        >>> grey, colour = (
        ...     ImageSet.from_pixels(torch.rand(2, c, 4, 4), labels, ["any"]) for c in (1, 3)
        ... )
        >>> require_one_shape(grey, colour)
        Traceback (most recent call last):
        ValueError: Both domains need images of one shape, not (1, 4, 4) and (3, 4, 4); ...
    """
    for images in (source, target):
        if not isinstance(images, ImageSet):
            raise TypeError(f"Both domains must be ImageSets, not {type(images).__name__}.")
    if source.shape != target.shape:
        raise ValueError(
            f"Both domains need images of one shape, not {source.shape} and {target.shape}; "
            "use .conform(), .resize(), .rgb() or .grey() first."
        )
