"""Files that are whole or not there at all, and folders that can be written into."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latent_transfer.errors import DataError

#: Bytes that the probe writes, and bytes that must be free.
PROBE, NEEDED = 2**20, 50 * 2**20


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it finds the old content or the new, never half.

    Args:
        path: Where to; missing folders are made.
        content: All of the file.

    Raises:
        OSError: If the place cannot be written; the old file is still there.
    """
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
    """
    try:
        yield
    except OSError as error:
        place = error.filename or out
        raise DataError(f"--out: {place} cannot be written ({error.strerror or error}).") from None


def probe(out: Path) -> None:
    """Make the folder and write a file into it, so that hours are not spent on what cannot be kept.

    Raises:
        DataError: If it is a file, cannot be written, or has too little space left.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"--out {out} is a file; name a folder.")
    trial = out / "probe"
    with naming_the_place(out):
        write_atomically(trial, bytes(PROBE))
        trial.unlink()
        free = shutil.disk_usage(out).free
    if free < NEEDED:
        raise DataError(
            f"--out: {out} has {free / 2**20:.0f} MiB left; {NEEDED / 2**20:.0f} are needed."
        )
