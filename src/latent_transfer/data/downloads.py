"""Published data sets under the data root: where they come from, fetching, checking, reading.

The addresses and checksums are torchvision's, and so is the layout of the files, so that an
existing torchvision folder serves as data root. CIFAR-10 is the exception: torchvision knows only
the pickled archive, and nothing is unpickled here, so the plain binary archive of the same images
is used.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from latent_transfer import _torchvision
from latent_transfer.data import folders
from latent_transfer.data.catalogue import Data, Entry
from latent_transfer.data.image_set import ImageSet
from latent_transfer.errors import DataError

#: Folder of each set that comes as the four files of MNIST, and its class in torchvision.
IDX_SETS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}

#: Training and test file of the other sets that torchvision reads.
ARCHIVES = {
    "usps": ("usps.bz2", "usps.t.bz2"),
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
}

SPLITS = ("train", "test")

#: MD5 of MNIST's unpacked files.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}

#: The binary archive of CIFAR-10, its MD5 as published beside it, and its layout.
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR_MEMBERS = {
    "train": tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("cifar-10-batches-bin/test_batch.bin",),
}
CIFAR_RECORD = 1 + 3 * 32 * 32  # bytes: label, red, green, blue

#: Seconds without an answer after which a server counts as unreachable.
TIMEOUT = 30.0

#: Unfinished downloads older than this many seconds were interrupted for good.
STALE = 24 * 3600.0

CHUNK = 1 << 20


@dataclass(frozen=True)
class Remote:
    """One published file.

    Attributes:
        path: place of the usable file below the data root.
        urls: addresses to try in turn.
        md5: MD5 of the published file.
        unpack: whether the published file is the gzip of the usable one.
    """

    path: str
    urls: tuple[str, ...]
    md5: str
    unpack: bool = False


def remotes(name: str) -> list[Remote]:
    """Returns the published files of a set, training images first."""
    if name == "cifar10":
        return [Remote(CIFAR_ARCHIVE, (CIFAR_URL,), CIFAR_MD5)]
    published: Any = _torchvision.load("torchvision.datasets")
    if name in IDX_SETS:
        source = getattr(published, IDX_SETS[name])
        return [
            Remote(
                f"{IDX_SETS[name]}/raw/{file.removesuffix('.gz')}",
                tuple(mirror + file for mirror in source.mirrors),
                md5,
                unpack=True,
            )
            for file, md5 in source.resources
        ]
    listed = {"usps": published.USPS, "svhn": published.SVHN}[name].split_list
    return [Remote(listed[part][1], (listed[part][0],), listed[part][2]) for part in SPLITS]


# -- loading ----------------------------------------------------------------------------------


def load_downloaded(entry: Entry, root: Path) -> Data:
    """Loads a published set, after downloading it if files are missing."""
    if not is_present(entry, root):
        print(f"{entry.name} is not in the data root yet; downloading it to {root}")
        fetch(entry, root)
    if entry.name == "cifar10" and not (root / CIFAR_ARCHIVE).exists():
        return _load_cifar_images(entry, root)
    train, test = (_read(entry, root, part) for part in SPLITS)
    return Data(entry.name, train, test, entry.classes, entry.licence, entry.citation)


def is_present(entry: Entry, root: Path) -> bool:
    """Says whether all files of a set exist; it does not look into them."""
    if entry.name == "cifar10":
        return (root / CIFAR_ARCHIVE).exists() or _cifar_images(root) is not None
    return all((root / path).exists() for path in _paths(entry.name))


def _paths(name: str) -> Sequence[str]:
    if name in IDX_SETS:
        return [f"{IDX_SETS[name]}/raw/{file}" for file in MNIST_MD5]
    return ARCHIVES[name]


def _read(entry: Entry, root: Path, part: str) -> ImageSet:
    if entry.name in IDX_SETS:
        images, labels = _read_idx_pair(entry, root, part)
    elif entry.name == "cifar10":
        images, labels = _read_cifar(root / CIFAR_ARCHIVE, part)
    else:
        images, labels = _read_with_torchvision(entry, root, part)
    try:
        return ImageSet(images, labels, entry.classes)
    except ValueError as error:
        raise DataError(f"The {part} files of {entry.name} do not fit together: {error}") from None


def _damaged(path: Path, name: str, why: str) -> DataError:
    return DataError(
        f"{path} is damaged ({why}); fetch it again with: latent-transfer data fetch {name}"
    )


def _read_idx_pair(entry: Entry, root: Path, part: str) -> tuple[Tensor, Tensor]:
    folder = root / IDX_SETS[entry.name] / "raw"
    prefix = "train" if part == "train" else "t10k"
    images = _read_idx(entry.name, folder / f"{prefix}-images-idx3-ubyte", 3)
    labels = _read_idx(entry.name, folder / f"{prefix}-labels-idx1-ubyte", 1)
    return images[:, None], labels.to(torch.int64)  # N×1×28×28, N


def _read_idx(name: str, path: Path, dimensions: int) -> Tensor:
    """Reads the format of MNIST: a magic number, the extents (big-endian), the bytes."""
    content = path.read_bytes()
    if problem := _idx_problem(content, dimensions):
        raise _damaged(path, name, problem)
    if name == "mnist" and _md5(content) != MNIST_MD5[path.name]:
        raise _damaged(path, name, "its MD5 is not that of the published file")
    header = 4 * (1 + dimensions)
    shape = tuple(np.frombuffer(content, ">u4", dimensions, 4).tolist())
    # bytearray: torch wants memory that it may write to
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header)
    return values.view(shape)


def _idx_problem(content: bytes, dimensions: int) -> str | None:
    header = 4 * (1 + dimensions)
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        return "it does not begin like an IDX file"
    shape = np.frombuffer(content, ">u4", dimensions, 4).tolist()
    expected = header + int(np.prod(shape, dtype=object))
    if len(content) != expected or expected == header:
        return f"it has {len(content)} bytes where its header announces {expected}"
    return None


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _md5_of_file(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _read_with_torchvision(entry: Entry, root: Path, part: str) -> tuple[Tensor, Tensor]:
    remote = remotes(entry.name)[SPLITS.index(part)]
    if _md5_of_file(root / remote.path) != remote.md5:
        raise _damaged(root / remote.path, entry.name, "its MD5 is not that of the published file")
    published: Any = _torchvision.load("torchvision.datasets")
    if entry.name == "usps":
        usps = published.USPS(root, train=part == "train")
        return torch.from_numpy(usps.data)[:, None], torch.tensor(usps.targets)  # N×1×16×16
    svhn = published.SVHN(root, split=part)
    # The file holds the images in MATLAB's order; one contiguous copy makes batches fast.
    return torch.from_numpy(np.ascontiguousarray(svhn.data)), torch.from_numpy(svhn.labels)


def _read_cifar(archive: Path, part: str) -> tuple[Tensor, Tensor]:
    """Reads the plain bytes of the binary archive, without unpacking it to disk."""
    if part == SPLITS[0] and _md5_of_file(archive) != CIFAR_MD5:
        raise _damaged(archive, "cifar10", "its MD5 is not that of the published file")
    try:
        with tarfile.open(archive, "r:gz") as tar:
            content = b"".join(_member(tar, name) for name in CIFAR_MEMBERS[part])
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise _damaged(archive, "cifar10", str(error)) from None
    if not content or len(content) % CIFAR_RECORD:
        raise _damaged(archive, "cifar10", f"{len(content)} bytes are no whole number of images")
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, CIFAR_RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].to(torch.int64)


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no file")
    return file.read()


def _cifar_images(root: Path) -> Path | None:
    """Finds CIFAR-10 as an image folder or a zip of one."""
    for place in (root / "cifar10", root / "cifar10.zip"):
        if place.exists():
            return place
    return None


def _load_cifar_images(entry: Entry, root: Path) -> Data:
    place = _cifar_images(root)
    assert place is not None
    train, test, classes = folders.read_tree(place)
    if classes != entry.classes or (train.shape, test.shape) != (entry.shape, entry.shape):
        raise DataError(
            f"{place} is not CIFAR-10: it should hold 32×32 colour images in train and test "
            f"folders of the classes {', '.join(entry.classes)}."
        )
    notes = (
        f"An image-folder copy of CIFAR-10 ({place.name}) with {len(train):,} training and "
        f"{len(test):,} test images; where its files are JPEG, the pixels were encoded again "
        f"with loss. The published set has {entry.train:,} and {entry.test:,} images."
    )
    return Data(entry.name, train, test, entry.classes, entry.licence, entry.citation, notes)


# -- fetching ---------------------------------------------------------------------------------


def fetch(entry: Entry, root: Path) -> None:
    """Downloads the files of a set that are missing or damaged."""
    wanted = [remote for remote in remotes(entry.name) if not _is_sound(entry.name, root, remote)]
    if not wanted:
        return
    with _workshop(root, entry.name) as folder:
        for remote in wanted:
            finished = _download(entry.name, remote, folder)
            _move(finished, root / remote.path, root)


def fetch_file(name: str, url: str, place: Path, root: Path) -> None:
    """Downloads one file whose format guards itself; it appears at its place only when it is whole.

    Raises:
        DataError: if it cannot be downloaded or the data root cannot be written.
    """
    with _workshop(root, name) as folder:
        file = folder / place.name
        try:
            _stream(url, file)
        except (OSError, http.client.HTTPException) as error:
            raise DataError(
                f"{name} needs {place}, which could not be downloaded ({url}: {_reason(error)}); "
                "once there is a network, try again, or put the file there yourself."
            ) from None
        _move(file, place, root)


def _is_sound(name: str, root: Path, remote: Remote) -> bool:
    path = root / remote.path
    if not path.is_file():
        return False
    if not remote.unpack:
        return _md5_of_file(path) == remote.md5
    content = path.read_bytes()
    if name == "mnist":
        return _md5(content) == MNIST_MD5[path.name]
    return _idx_problem(content, 3 if "idx3" in path.name else 1) is None


@contextmanager
def _workshop(root: Path, name: str) -> Iterator[Path]:
    """Makes a temporary folder inside the data root, and removes it whatever happens."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        for old in root.glob(".fetching-*"):
            if time.time() - old.stat().st_mtime > STALE:
                shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f".fetching-{name}-", dir=root))
    except OSError as error:
        raise _unwritable(root, error) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unwritable(root: Path, error: OSError) -> DataError:
    return DataError(
        f"The data root {root} cannot be written ({error.strerror or error}); set "
        "LATENT_TRANSFER_DATA to a folder that can be."
    )


def _move(finished: Path, place: Path, root: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(finished, place)
    except OSError as error:
        raise _unwritable(root, error) from None


def _download(name: str, remote: Remote, folder: Path) -> Path:
    """Downloads, checks and unpacks one file, from the first address that delivers it."""
    problems = []
    for url in remote.urls:
        file = folder / url.rsplit("/", 1)[-1]
        try:
            _stream(url, file)
            if _md5_of_file(file) != remote.md5:
                raise DataError("what came is not the published file: its MD5 differs")
            return _unpack(file) if remote.unpack else file
        except (OSError, EOFError, zlib.error, http.client.HTTPException, DataError) as error:
            problems.append(f"{url}: {_reason(error)}")
    raise DataError(
        f"{name} needs {Path(remote.path).name}, which could not be downloaded "
        f"({'; '.join(problems)}); once there is a network, run: latent-transfer data fetch {name}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _stream(url: str, file: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "latent-transfer"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, file.open("wb") as out:
        total = int(response.headers.get("Content-Length") or 0) or None
        with tqdm(total=total, unit="B", unit_scale=True, desc=file.name) as bar:
            while block := response.read(CHUNK):
                out.write(block)
                bar.update(len(block))


def _unpack(file: Path) -> Path:
    unpacked = file.with_suffix("")
    with gzip.open(file, "rb") as packed, unpacked.open("wb") as out:
        shutil.copyfileobj(packed, out, CHUNK)
    return unpacked
