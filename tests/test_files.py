"""A file that is written is whole, or the old one is still there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from latent_transfer._files import write_atomically


def test_folders_are_made_and_old_content_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "new" / "folder" / "file.json"
    write_atomically(place, b"old")
    write_atomically(place, b"new")
    assert place.read_bytes() == b"new"
    assert list(place.parent.iterdir()) == [place]


def test_a_failure_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "file"
    write_atomically(place, b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(place, b"new")
    assert place.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [place]
