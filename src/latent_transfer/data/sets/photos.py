"""Patches of the two sample photographs of scikit-learn."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from latent_transfer.data.entry import Entry, Parts
from latent_transfer.data.images import ImageSet

CLASSES = ("china", "flower")

#: Side and stride of a photograph's patches, and the columns from which test patches are cut.
PATCH, STRIDE = 32, 8
TEST_BANDS = ((160, 224), (416, 480))
TRAIN_BANDS = ((0, 160), (224, 416), (480, 640))


def read(root: Path) -> Parts:
    """Cut 32×32 patches from scikit-learn's two sample photographs.

    Test patches come from two vertical bands of each photograph, training patches from the
    columns between, so that no pixel is in both sets. Patches of one set overlap each other.

    Args:
        root: Not needed: the photographs come with scikit-learn.

    Returns:
        5,500 training and 1,000 test images, RGB, with the classes china and flower.
    """
    from sklearn import datasets

    photographs = datasets.load_sample_images()
    pictures = {Path(name).stem: i for i, name in enumerate(photographs.filenames)}
    pixels = [torch.tensor(photographs.images[pictures[name]]).permute(2, 0, 1) for name in CLASSES]
    return Parts(_cut(pixels, TRAIN_BANDS), _cut(pixels, TEST_BANDS))


def _cut(pictures: list[Tensor], bands: tuple[tuple[int, int], ...]) -> ImageSet:
    """Cut patches on a grid within bands of columns from pictures of 3×H×W."""
    images, labels = [], []
    for label, picture in enumerate(pictures):
        for left, right in bands:
            windows = picture[:, :, left:right].unfold(1, PATCH, STRIDE).unfold(2, PATCH, STRIDE)
            patches = windows.permute(1, 2, 0, 3, 4).reshape(-1, 3, PATCH, PATCH)
            images.append(patches)
            labels.append(torch.full((len(patches),), label))
    return ImageSet(torch.cat(images), torch.cat(labels), CLASSES)


ENTRIES = [
    Entry(
        name="photos",
        title="patches of two photographs of scikit-learn",
        train=5500,
        test=1000,
        shape=(3, 32, 32),
        classes=CLASSES,
        licence="CC BY 2.0 (danielbuechele, vultilion)",
        citation="pedregosa2011scikit",
        read=read,
    )
]
