"""Random changes to whole batches that leave the class alone."""

from __future__ import annotations

import torch

from latent_transfer import _torchvision
from latent_transfer.training import Transform


def flips_and_crops(
    size: int, *, margin: int = 4, groups: int = 8, flips: bool = True
) -> Transform:
    """Make a transform that mirrors images at random and moves them by up to ``margin`` pixels.

    torchvision makes one random choice per call. One call per batch would change all its images
    alike; one call per image would cost more than the net. So a batch is cut into groups, with
    one choice each.

    Args:
        size: Height and width of the images.
        margin: Pixels of padding before an image of the old size is cut out at random.
        groups: Random choices per batch.
        flips: Whether to mirror too; wrong for digits and letters, which become other characters.

    Returns:
        A transform of B×C×H×W batches, for ``fit``; it draws from PyTorch's own generator.

    Raises:
        ValueError: If ``size`` or ``groups`` is below 1 or ``margin`` below 0; and, from the
            transform, if the images are not ``size`` pixels high and wide.

    Example:
        >>> import torch
        >>> from latent_transfer.transfer import flips_and_crops
        >>> change = flips_and_crops(8, margin=1)
        >>> change(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 1, 8, 8])
    """
    if size < 1 or groups < 1 or margin < 0:
        raise ValueError(
            "flips_and_crops needs size and groups of at least 1 and a margin of at least 0, "
            f"not {size}, {groups} and {margin}."
        )
    v2 = _torchvision.load("torchvision.transforms.v2")
    crop = v2.RandomCrop(size, padding=margin)
    change = v2.Compose([v2.RandomHorizontalFlip(), crop]) if flips else crop

    def transform(images: torch.Tensor) -> torch.Tensor:
        if images.dim() != 4 or images.shape[-2:] != (size, size) or not len(images):
            raise ValueError(
                f"flips_and_crops({size}) changes batches of {size}×{size} images, B×C×H×W, "
                f"not a tensor of shape {tuple(images.shape)}."
            )
        return torch.cat([change(part) for part in images.tensor_split(min(groups, len(images)))])

    return transform
