"""A part of MNIST that comes with the package; ``tools/make_mnist5k.py`` cut it out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from latent_transfer.data.entry import TEN_DIGITS, Entry, Parts
from latent_transfer.data.images import ImageSet
from latent_transfer.errors import DataError

#: Arrays of uint8: train_images, train_labels, test_images and test_labels.
FILE = Path(__file__).with_name("mnist5k.npz")

#: SHA-256 of the bytes of the four arrays, in this order.
CHECKSUM = "832a75da2ce7e5e241d56470914280755be18a1ca792bcaab402b794cdca0426"

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


def read(root: Path) -> Parts:
    """Load the 7,000 images.

    Args:
        root: Not needed: the images are part of the package.

    Returns:
        5,000 training and 2,000 test images, equally many of each digit; they come from the
        training and the test file of MNIST.

    Raises:
        DataError: If the file is missing or damaged.
    """
    try:
        with np.load(FILE, allow_pickle=False) as content:
            arrays = [content[name] for name in ARRAYS]
    except Exception as error:  # a damaged zip file raises whatever it stumbles over
        raise DataError(f"{FILE} cannot be read ({error}); install the package again.") from None
    if checksum(arrays) != CHECKSUM:
        raise DataError(f"{FILE} is damaged (its checksum differs); install the package again.")
    images, labels, test_images, test_labels = (torch.from_numpy(array) for array in arrays)
    return Parts(
        ImageSet(images[:, None], labels, TEN_DIGITS),
        ImageSet(test_images[:, None], test_labels, TEN_DIGITS),
    )


def checksum(arrays: Sequence[npt.NDArray[np.uint8]]) -> str:
    """Return the SHA-256 of the bytes of some arrays."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


ENTRIES = [
    Entry(
        name="mnist5k",
        title="handwritten digits, a part of MNIST",
        train=5000,
        test=2000,
        shape=(1, 28, 28),
        classes=TEN_DIGITS,
        licence="CC BY-SA 3.0 (Yann LeCun, Corinna Cortes)",
        citation="lecun1998gradient",
        read=read,
    )
]
