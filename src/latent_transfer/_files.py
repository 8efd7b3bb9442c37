"""Files that are whole or not there at all, and folders that can be written into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latent_transfer.errors import DataError


def expanded(place: str | Path) -> Path:
    """Return a path with its ``~`` replaced by the home folder.

    Raises:
        ValueError: If the path is empty, which would mean the working folder by accident.

    Example:
        >>> from latent_transfer._files import expanded
        >>> expanded("~/runs") == Path.home() / "runs"
        True
    """
    if not str(place).strip():
        raise ValueError("An empty text names no place; give a path, or '.' for this folder.")
    return Path(place).expanduser()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it finds the old content or the new, never half.

    A symbolic link stays one, and the file that it points to is replaced.

    Args:
        path: Where to; missing folders are made.
        content: All of the file.

    Raises:
        OSError: If the place cannot be written; the old file is still there.

    Example:
        >>> import tempfile
        >>> from latent_transfer._files import write_atomically
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(Path(folder) / "new" / "file.txt", b"whole")
        ...     (Path(folder) / "new" / "file.txt").read_text()
        'whole'
    """
    if path.is_symlink():
        path = path.resolve()  # beside its target, or the link itself would be replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the new name on old blocks
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def naming_the_place(out: Path) -> Iterator[None]:
    """Turn errors of the file system into a :class:`DataError` that names the place.

    Raises:
        DataError: In place of an ``OSError``.

    Example:
        >>> from latent_transfer._files import naming_the_place
        >>> with naming_the_place(Path("out")):
        ...     raise PermissionError(13, "Permission denied")
        Traceback (most recent call last):
        latent_transfer.errors.DataError: --out: out cannot be written (Permission denied).
    """
    try:
        yield
    except OSError as error:
        place = error.filename or out
        raise DataError(f"--out: {place} cannot be written ({error.strerror or error}).") from None


def probe(out: Path) -> None:
    """Find out whether a folder can be written into, before hours are spent on what it shall hold.

    Nothing is left behind: where the folder is missing, the nearest folder above it is tried.

    Raises:
        DataError: If it is a file, or cannot be written.

    Example:
        >>> import tempfile
        >>> from latent_transfer._files import probe
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     probe(Path(folder) / "new")
        ...     list(Path(folder).iterdir())
        []
    """
    try:
        if out.exists() and not out.is_dir():
            raise DataError(f"--out {out} is a file; name a folder.")
        nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
        trial = nearest / f".probe.{os.getpid()}"
        trial.write_bytes(b"\n")
        trial.unlink()
    except OSError as error:
        raise DataError(f"--out: {out} cannot be written ({error.strerror or error}).") from None
