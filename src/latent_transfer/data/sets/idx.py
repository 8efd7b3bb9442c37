"""MNIST, Fashion-MNIST and KMNIST: four files each, in the format of MNIST.

Addresses, folders and checksums of the packed files are torchvision's, so that an existing
torchvision folder serves as data root.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latent_transfer.data.download import Remote, damaged
from latent_transfer.data.entry import TEN_DIGITS, Entry, Parts
from latent_transfer.data.images import ImageSet
from latent_transfer.errors import DataError

#: The files of each set: images and labels to train on, images and labels to test on.
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def remotes(folder: str, mirrors: Sequence[str], sums: Sequence[str]) -> tuple[Remote, ...]:
    """Return the files of a set.

    Args:
        folder: Its folder below the data root.
        mirrors: Addresses of folders that hold the packed files.
        sums: For each of :data:`NAMES` the MD5 of the packed file and that of the unpacked one.
    """
    files = []
    for name, pair in zip(NAMES, sums, strict=True):
        packed, unpacked = (f"md5:{digest}" for digest in pair.split())
        urls = tuple(f"{mirror}{name}.gz" for mirror in mirrors)
        files.append(Remote(f"{folder}/raw/{name}", urls, packed, unpacked))
    return tuple(files)


def read(root: Path, name: str, files: Sequence[Remote], classes: tuple[str, ...]) -> Parts:
    """Read the four files of a set.

    Raises:
        DataError: If a file is missing or damaged, or the files do not fit together.
    """
    tensors = [
        _decode(file.read(root, name), root / file.path, name, 1 if number % 2 else 3)
        for number, file in enumerate(files)
    ]
    train = _joined(name, "train", tensors[0], tensors[1], classes)
    test = _joined(name, "test", tensors[2], tensors[3], classes)
    return Parts(train, test)


def _joined(
    name: str, part: str, images: Tensor, labels: Tensor, classes: tuple[str, ...]
) -> ImageSet:
    try:
        return ImageSet(images[:, None], labels, classes)  # N×1×28×28
    except ValueError as error:
        raise DataError(f"The {part} files of {name} do not fit together: {error}") from None


def _decode(content: bytes, path: Path, name: str, dimensions: int) -> Tensor:
    """Read the format of MNIST: a magic number, the extents (big-endian), the bytes."""
    header = 4 * (1 + dimensions)
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise damaged(path, name, "it does not begin like an IDX file")
    shape = np.frombuffer(content, ">u4", dimensions, 4).tolist()
    expected = header + int(np.prod(shape, dtype=object))
    if len(content) != expected or expected == header:
        why = f"it has {len(content)} bytes where its header announces {expected}"
        raise damaged(path, name, why)
    # bytearray: torch wants memory that it may write to
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header)
    return values.view(shape)


def entry(
    name: str,
    title: str,
    classes: tuple[str, ...],
    licence: str,
    citation: str,
    files: tuple[Remote, ...],
) -> Entry:
    """Return the entry of a set of 60,000 and 10,000 grey images of 28×28 pixels."""
    reader = partial(read, name=name, files=files, classes=classes)
    return Entry(name, title, 60000, 10000, (1, 28, 28), classes, licence, citation, reader, files)


ENTRIES = [
    entry(
        "mnist",
        "handwritten digits",
        TEN_DIGITS,
        "CC BY-SA 3.0 (Yann LeCun, Corinna Cortes)",
        "lecun1998gradient",
        remotes(
            "MNIST",
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ),
            (
                "f68b3c2dcbeaaa9fbdd348bbdeb94873 6bbc9ace898e44ae57da46a324031adb",
                "d53e105ee54ea40749a09fcbcd1e9432 a25bea736e30d166cdddb491f175f624",
                "9fb629c4189551a2d022fa330f9573f3 2646ac647ad5339dbf082846283269ea",
                "ec29112dd5afa0611ce80d1b7f02629c 27ae3e4e09519cfbb04c329615203637",
            ),
        ),
    ),
    entry(
        "fashion_mnist",
        "pieces of clothing",
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        "MIT",
        "xiao2017fashion",
        remotes(
            "FashionMNIST",
            ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
            (
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "25c81989df183df01b3e8a0aad5dffbe 9018921c3c673c538a1fc5bad174d6f9",
                "bef4ecab320f06d8554ea6380940ec79 8181f5470baa50b63fa0f6fddb340f0a",
                "bb300cfdad3c16e7a12a480ee83cd310 15d484375f8d13e6eb1aabb0c3f46965",
            ),
        ),
    ),
    entry(
        "kmnist",
        "cursive Japanese characters",
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        "CC BY-SA 4.0",
        "clanuwat2018kmnist",
        remotes(
            "KMNIST",
            ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
            (
                "bdb82020997e1d708af4cf47b453dcf7 92be26ec9822e900ac425d0a0aa84ced",
                "e144d726b3acfaa3e44228e80efcd344 949e75301f8813e0dc5800dcc320fc52",
                "5c965bf0a639b31b8f53240b1b52f4d7 bf305b8cd328700fbc17f5acbc2856d2",
                "7320c461ea6c1c855c0b718fb2a4b134 9f55f451c0988b028eccdf7d5cc265ab",
            ),
        ),
    ),
]
