"""Folders to write into: whether it will work is found out first, and said in one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latent_transfer.errors import DataError
from latent_transfer.files import write_atomically

#: Bytes that the probe writes, and bytes that must be free.
PROBE, NEEDED = 2**20, 50 * 2**20


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
