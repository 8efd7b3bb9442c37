"""Files that are whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path


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
