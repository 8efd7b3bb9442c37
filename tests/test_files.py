"""A file that is written is whole, or the old one is still there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from latent_transfer._files import expanded, probe, write_atomically
from latent_transfer.errors import DataError


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


def test_a_link_stays_one_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    write_atomically(target, b"old")
    link.symlink_to(Path("elsewhere") / "file")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_a_link_to_nothing_gets_a_target(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "later" / "file")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "later" / "file").read_bytes() == b"new"


def test_home_is_expanded_and_emptiness_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/x") == expanded(Path("~/x")) == tmp_path / "x"
    assert expanded("a~b") == Path("a~b")
    with pytest.raises(ValueError, match="An empty text names no place"):
        expanded("")


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for place in (tmp_path / "there", tmp_path / "new" / "folder"):
        probe(place)
    assert [file.name for file in tmp_path.rglob("*")] == ["there"]


def test_a_probe_finds_out_what_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^--out .*file is a file; name a folder\.$"):
        probe(tmp_path / "file")
    with pytest.raises(DataError, match=r"^--out: .*file/folder cannot be written \("):
        probe(tmp_path / "file" / "folder")

    def locked(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", locked)
    with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
        probe(tmp_path / "new")


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
