"""Handwritten digits of scikit-learn, at their own size or drawn like MNIST's."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from latent_transfer.data.entry import TEN_DIGITS, Entry, Parts
from latent_transfer.data.images import ImageSet
from latent_transfer.data.splits import hold_out

#: Test images per class.
TEST_PER_CLASS = 36


def read(root: Path, size: int = 28) -> Parts:
    """Load scikit-learn's 1,797 handwritten digits with a fixed split, 36 test images per class.

    Args:
        root: Not needed: the digits come with scikit-learn.
        size: 8 for the original pixels, 28 for digits of 20×20 pixels in a frame like MNIST's.

    Returns:
        1,437 training and 360 test images, grey.

    Raises:
        ValueError: If ``size`` is neither 8 nor 28.
    """
    if size not in (8, 28):
        raise ValueError(f"digits come with size 8 or 28, not {size}; use resize for other sizes.")
    from sklearn import datasets

    bunch = datasets.load_digits()
    pixels = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16  # N×1×8×8 in [0, 1]
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    whole = ImageSet.from_pixels(pixels if size == 8 else _enlarge(pixels), labels, TEN_DIGITS)
    train, test = hold_out(labels, [TEST_PER_CLASS] * 10)
    return Parts(whole.subset(train), whole.subset(test))


def _enlarge(pixels: Tensor) -> Tensor:
    """Draw 8×8 digits as 20×20 ones in the middle of a 28×28 frame.

    The margin is added before the interpolation, so that strokes at the edge of the 8×8 grid end
    softly. Contrast and threshold are chosen by eye: strokes about as wide and as sharp as MNIST's.
    """
    framed = functional.pad(pixels, (2, 2, 2, 2))  # N×1×12×12
    large = functional.interpolate(framed, (30, 30), mode="bicubic", align_corners=False)
    return ((large[..., 1:-1, 1:-1] - 0.55) * 1.6 + 0.5).clamp(0, 1)  # N×1×28×28


ENTRIES = [
    Entry(
        name="digits",
        title="handwritten digits of scikit-learn",
        train=1437,
        test=360,
        shape=(1, 28, 28),
        classes=TEN_DIGITS,
        licence="BSD 3-Clause (part of scikit-learn)",
        citation="alpaydin1998digits",
        read=read,
        options=("size",),
    )
]
