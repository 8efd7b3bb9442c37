"""USPS: digits from envelopes, in the text format of libsvm."""

from __future__ import annotations

import bz2
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from latent_transfer.data.download import Remote, damaged
from latent_transfer.data.entry import TEN_DIGITS, Entry, Parts
from latent_transfer.data.images import ImageSet

SOURCE = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"

#: Training and test file; addresses and checksums are torchvision's.
FILES = (
    Remote("usps.bz2", (f"{SOURCE}usps.bz2",), "md5:ec16c51db3855ca6c91edd34d0e9b197"),
    Remote("usps.t.bz2", (f"{SOURCE}usps.t.bz2",), "md5:8ea070ee2aca1ac39742fdd1ef5ed118"),
)


def read(root: Path, files: Sequence[Remote] = FILES) -> Parts:
    """Read both files.

    Raises:
        DataError: If one of them is missing or damaged.
    """
    train, test = (_decode(file.read(root, "usps"), root / file.path) for file in files)
    return Parts(train, test)


def _decode(content: bytes, path: Path) -> ImageSet:
    """Read lines of a class (1 to 10) and 256 numbered values in [-1, 1]."""
    try:
        rows = [line.split() for line in bz2.decompress(content).decode().splitlines()]
        labels = torch.tensor([int(row[0]) - 1 for row in rows])
        values = np.array([[cell.split(":")[1] for cell in row[1:]] for row in rows], np.float32)
        # Cut rather than rounded, as torchvision does, so that both have the same pixels.
        pixels = ((values.reshape(-1, 1, 16, 16) + 1) / 2 * 255).astype(np.uint8)
        return ImageSet(torch.from_numpy(pixels), labels, TEN_DIGITS)
    except (OSError, ValueError, IndexError) as error:
        raise damaged(path, "usps", str(error)) from None


ENTRIES = [
    Entry(
        name="usps",
        title="handwritten digits from envelopes",
        train=7291,
        test=2007,
        shape=(1, 16, 16),
        classes=TEN_DIGITS,
        licence="none stated",
        citation="hull1994usps",
        read=read,
        files=FILES,
    )
]
