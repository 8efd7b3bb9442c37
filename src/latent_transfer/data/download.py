"""Published files under the data root: finding, checking and fetching them."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from latent_transfer.errors import DataError

#: Seconds without an answer after which a server counts as unreachable.
TIMEOUT = 30.0

#: Beginning of the names of unfinished downloads, and seconds after which one was killed for good.
UNFINISHED, STALE = ".fetching-", 24 * 3600.0

CHUNK = 1 << 20


@dataclass(frozen=True)
class Remote:
    """A published file with pinned checksums.

    A file that is published packed serves as it is: nothing needs to be unpacked by hand.

    Attributes:
        path: Place of the file below the data root.
        urls: Addresses to try in turn.
        checksum: Checksum of the published file, as ``md5:...`` or ``sha256:...``; empty if none
            is known.
        unpacked: Checksum of the unpacked file, if the published one is its gzip; then ``path`` is
            the place of the unpacked one.

    Example:
        >>> from latent_transfer.data import Remote
        >>> Remote("toy.bin", ("https://example.org/toy.bin",), "md5:0cc175b9c0f1b6a8")
        Remote(path='toy.bin', urls=('https://example.org/toy.bin',), ...)
    """

    path: str
    urls: tuple[str, ...]
    checksum: str = ""
    unpacked: str = ""

    def places(self, root: Path) -> list[Path]:
        """Return where the file is below the data root, unpacked or as it was published.

        A packed file is also found where somebody laid it by hand: in a folder above its place,
        the data root included.
        """
        place = root / self.path
        beside = place.with_name(f"{place.name}.gz")
        own = (place, beside) if self.unpacked else (place,)
        found = [path for path in own if path.is_file()]
        for above in place.parent.parents if self.unpacked else ():
            packed = above / beside.name
            # Above its own folder a file of this name may belong to another set.
            if above.is_relative_to(root) and packed.is_file():
                found += [packed] if _matches(packed.read_bytes(), self.checksum) else []
        return found

    def read(self, root: Path, name: str) -> bytes:
        """Return the (unpacked) bytes of the file, once they are known to be those published.

        Args:
            root: The data root.
            name: The data set, for messages.

        Raises:
            DataError: If the file is missing or damaged.
        """
        problems = []
        for place in self.places(root):
            try:
                packed = place.read_bytes()
                content = packed if place == root / self.path else gzip.decompress(packed)
            except (OSError, EOFError, zlib.error) as error:
                problems.append(damaged(place, name, str(error)))
                continue
            if _matches(content, self.unpacked or self.checksum):
                return content
            why = "its checksum is not that of the published file"
            problems.append(damaged(place, name, why))
        missing = DataError(f"{root / self.path} is missing; fetch it with: {command(name)}")
        raise problems[0] if problems else missing

    def sound(self, root: Path, name: str) -> bool:
        """Say whether the file is there and whole."""
        try:
            self.read(root, name)
        except DataError:
            return False
        return True


def command(name: str) -> str:
    """Return the command that fetches a data set."""
    return f"latent-transfer data fetch {name}"


def damaged(place: Path, name: str, why: str) -> DataError:
    """Return the error for a file that is not what was published."""
    return DataError(f"{place} is damaged ({why}); fetch it again with: {command(name)}")


def fetch(name: str, files: tuple[Remote, ...], root: Path) -> None:
    """Download the files of a set that are missing or damaged.

    Raises:
        DataError: If a file cannot be downloaded, or the data root cannot be written.
    """
    for remote in files:
        if not remote.sound(root, name):
            download(name, remote, root)


def download(name: str, remote: Remote, root: Path) -> None:
    """Download a file, from the first address that delivers it, and unpack it if it is packed.

    It appears at its place only when it is whole and checked.

    Args:
        name: What needs the file, for messages.
        remote: The file.
        root: The data root, which also holds the unfinished download.

    Raises:
        DataError: If no address delivers the file, or the data root cannot be written.
    """
    place, problems = root / remote.path, []
    with _workshop(root) as folder:
        for url in remote.urls:
            try:
                file = _retrieve(url, remote.checksum, folder)
                if remote.unpacked:
                    file = _unpack(file)
            except (OSError, EOFError, ValueError, zlib.error) as error:
                problems.append(f"{url}: {_reason(error)}")
                continue
            _move(file, place, root)
            return
    packed = ".gz" if remote.unpacked else ""
    raise DataError(
        f"{name} needs {place.name}, which could not be downloaded ({'; '.join(problems)}); once "
        f"there is a network, try again, or put the file there yourself: {place}{packed}"
    )


def _retrieve(url: str, checksum: str, folder: Path) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # the bar says enough
    file = url.rsplit("/", 1)[-1]
    with tqdm(total=1, unit="B", unit_scale=True, desc=file, delay=1) as bar:
        get = pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUT)
        return Path(pooch.retrieve(url, checksum or None, file, folder, downloader=get))


def _unpack(file: Path) -> Path:
    unpacked = file.with_suffix("")
    with gzip.open(file, "rb") as packed, unpacked.open("wb") as out:
        shutil.copyfileobj(packed, out, CHUNK)
    return unpacked


def _move(file: Path, place: Path, root: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, place)
    except OSError as error:
        raise _unwritable(root, error) from None


@contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """Make a temporary folder inside the data root, and remove it whatever happens."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        for old in root.glob(f"{UNFINISHED}*"):  # of downloads that were killed
            if time.time() - old.stat().st_mtime > STALE:
                shutil.rmtree(old, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=UNFINISHED, dir=root)
    except OSError as error:
        raise _unwritable(root, error) from None
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unwritable(root: Path, error: OSError) -> DataError:
    return DataError(
        f"The data root {root} cannot be written ({error.strerror or error}); set "
        "LATENT_TRANSFER_DATA to a folder that can be."
    )


def _matches(content: bytes, checksum: str) -> bool:
    kind, _, digest = checksum.partition(":")
    return not digest or hashlib.new(kind, content, usedforsecurity=False).hexdigest() == digest


def _reason(error: Exception) -> str:
    """The innermost reason of a failure, on one line."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    text = str(cause).rsplit(": ", 1)[-1] if cause else str(error)
    return text.splitlines()[0] if text else type(error).__name__
