"""CIFAR-10: its binary archive, or a copy as an image folder.

torchvision knows only the pickled archive, and nothing is unpickled here, so the plain binary
archive of the same images is used.
"""

from __future__ import annotations

import functools
import io
import tarfile
import zipfile
import zlib
from pathlib import Path

import torch

from latent_transfer.data.download import Remote, damaged
from latent_transfer.data.entry import Entry, Parts
from latent_transfer.data.folder import Source, read_folder, read_sources
from latent_transfer.data.images import ImageSet
from latent_transfer.errors import DataError

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

#: The binary archive, and its MD5 as published beside it.
ARCHIVE = Remote(
    "cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    "md5:c32a1d4ab5d03f1284b67883e8d87530",
)
TRAIN = tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6))
TEST = ("cifar-10-batches-bin/test_batch.bin",)
RECORD = 1 + 3 * 32 * 32  # bytes: label, red, green, blue


def read(root: Path, archive: Remote = ARCHIVE) -> Parts:
    """Read the binary archive, or else a copy as ``cifar10/{train,test}/<class>/*`` or a zip of it.

    Raises:
        DataError: If what is there is damaged, or is not CIFAR-10.
    """
    if not archive.places(root) and (place := copy(root)) is not None:
        return _read_copy(place)
    content, path = archive.read(root, "cifar10"), root / archive.path
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            return Parts(_decode(tar, TRAIN), _decode(tar, TEST))
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
        raise damaged(path, "cifar10", str(error)) from None


def copy(root: Path) -> Path | None:
    """Find CIFAR-10 as an image folder or a zip of one."""
    return next((p for p in (root / "cifar10", root / "cifar10.zip") if p.exists()), None)


def _decode(tar: tarfile.TarFile, names: tuple[str, ...]) -> ImageSet:
    files = [tar.extractfile(name) for name in names]
    content = b"".join(file.read() for file in files if file is not None)
    if not content or len(content) % RECORD:
        raise ValueError(f"{len(content)} bytes are no whole number of images")
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, RECORD)
    return ImageSet(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long(), CLASSES)


def _read_copy(place: Path) -> Parts:
    train, test, _ = read_folder(place) if place.is_dir() else _read_zip(place)
    if train.classes != CLASSES or (train.shape, test.shape) != ((3, 32, 32), (3, 32, 32)):
        raise DataError(
            f"{place} is not CIFAR-10: it should hold 32×32 colour images in train and test "
            f"folders of the classes {', '.join(CLASSES)}."
        )
    notes = (
        f"An image-folder copy of CIFAR-10 ({place.name}) with {len(train):,} training and "
        f"{len(test):,} test images; where its files are JPEG, the pixels were encoded again "
        "with loss. The published set has 50,000 and 10,000 images."
    )
    return Parts(train, test, notes)


def _read_zip(place: Path) -> tuple[ImageSet, ImageSet, str]:
    """Read the images out of a zip of the folder, without unpacking it to disk."""
    try:
        with zipfile.ZipFile(place) as archive:
            sources = []
            for info in archive.infolist():
                parts = tuple(part for part in info.filename.split("/") if part not in ("", "."))
                if not info.is_dir() and parts:
                    label = f"{place}: {info.filename}"
                    sources.append(Source(parts, label, functools.partial(archive.open, info)))
            return read_sources(place, sources)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{place} is no readable zip file ({error}).") from None


ENTRIES = [
    Entry(
        name="cifar10",
        title="photographs of ten kinds of objects",
        train=50000,
        test=10000,
        shape=(3, 32, 32),
        classes=CLASSES,
        licence="none stated (citation asked for)",
        citation="krizhevsky2009cifar",
        read=read,
        files=(ARCHIVE,),
        copy=copy,
    )
]
