"""SVHN: cropped house numbers, in MATLAB's format."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from latent_transfer.data.download import Remote, damaged
from latent_transfer.data.entry import TEN_DIGITS, Entry, Parts
from latent_transfer.data.images import ImageSet

SOURCE = "http://ufldl.stanford.edu/housenumbers/"

#: Training and test file; addresses and checksums are torchvision's.
FILES = (
    Remote(
        "train_32x32.mat", (f"{SOURCE}train_32x32.mat",), "md5:e26dedcc434d2e4c54c9b2d4a06d8373"
    ),
    Remote("test_32x32.mat", (f"{SOURCE}test_32x32.mat",), "md5:eb5a983be6a315427106f1b164d9cef3"),
)


def read(root: Path, files: Sequence[Remote] = FILES) -> Parts:
    """Read both files.

    Raises:
        DataError: If one of them is missing or damaged.
    """
    train, test = (_decode(file.read(root, "svhn"), root / file.path) for file in files)
    return Parts(train, test)


def _decode(content: bytes, path: Path) -> ImageSet:
    from scipy import io as scipy_io

    try:
        matrices = scipy_io.loadmat(io.BytesIO(content))
        # The file holds the images in MATLAB's order; one contiguous copy makes batches fast.
        images = np.ascontiguousarray(matrices["X"].transpose(3, 2, 0, 1))  # N×3×32×32
        labels = matrices["y"].astype(np.int64).reshape(-1) % 10  # the digit 0 is stored as 10
        return ImageSet(torch.from_numpy(images), torch.from_numpy(labels), TEN_DIGITS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, "svhn", str(error)) from None


ENTRIES = [
    Entry(
        name="svhn",
        title="house numbers, one digit each",
        train=73257,
        test=26032,
        shape=(3, 32, 32),
        classes=TEN_DIGITS,
        licence="non-commercial use only",
        citation="netzer2011svhn",
        read=read,
        files=FILES,
    )
]
