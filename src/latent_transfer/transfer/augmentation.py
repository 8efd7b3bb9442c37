"""Random changes to whole batches that leave the class alone."""

from __future__ import annotations

import torch

from latent_transfer import _torchvision
from latent_transfer.training import Transform


def flips_and_crops(
    size: int, *, margin: int = 4, groups: int = 8, flips: bool = True
) -> Transform:
    """Mirror images at random, and move them by up to ``margin`` pixels with torchvision's v2.

    torchvision draws once a call, and one draw for a whole batch would show all its images from
    the same side; one call an image would cost more than the net. So a batch is cut into groups,
    each with a draw of its own.

    Args:
        size: Height and width of the images.
        margin: Pixels of padding before an image of the old size is cut out at random.
        groups: Draws a batch.
        flips: Whether to mirror, which makes other characters, or none, of digits and letters.

    Returns:
        A transform of B×C×H×W batches, for ``fit``; the draws come from PyTorch's own generator.
    """
    v2 = _torchvision.load("torchvision.transforms.v2")
    crop = v2.RandomCrop(size, padding=margin)
    change = v2.Compose([v2.RandomHorizontalFlip(), crop]) if flips else crop

    def transform(images: torch.Tensor) -> torch.Tensor:
        return torch.cat([change(part) for part in images.tensor_split(min(groups, len(images)))])

    return transform
