"""Checksums of code, and the files that depend on them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from latent_transfer.papers import code
from latent_transfer.papers.table import Place

SOURCE = '''
"""A table."""

from helping.steps import step
from latent_transfer.densities import Gaussian

def teach(settings):
    """Take a step."""
    # Always the same.
    return step() + settings["length"]

TABLE = {"deviations": "none"}
'''
HELPER = "from helping.sizes import SIZE\n\ndef step():\n    return SIZE\n"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with a table that imports a helper, which imports another."""
    package = tmp_path / "helping"
    package.mkdir()
    texts = {"__init__": "", "table": SOURCE, "steps": HELPER, "sizes": "SIZE = 3\n"}
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "helping"]:
        del sys.modules[name]
    forget()


def forget() -> None:
    """As another process would: nothing is known of any file."""
    importlib.invalidate_caches()
    for function in (code.code_of, code.library_of, code._read, code._is_module):
        function.cache_clear()


def checksums() -> tuple[str, str]:
    forget()
    return code.code_of("helping.table"), code.library_of("helping.table")


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A table."""', '"""A table of\n\nseveral lines."""'),
        ('"""Take a step."""', '"""Take another step."""'),
        ("# Always the same.", "# Never the same."),
        ('"none"', '"some"'),
        ("\ndef teach", "\n\n\ndef teach"),
    ],
)
def test_prose_does_not_count(written: Path, old: str, new: str) -> None:
    before = checksums()
    change(written / "table.py", old, new)
    assert checksums() == before


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("table", "step() + settings", "step() - settings", (True, False)),
        ("table", "def teach", "def learn", (True, False)),
        ("steps", "return SIZE", "return -SIZE", (False, True)),
        ("sizes", "3", "4", (False, True)),
    ],
)
def test_code_counts_and_that_of_all_imports(
    written: Path, name: str, old: str, new: str, changed: tuple[bool, bool]
) -> None:
    before = checksums()
    change(written / f"{name}.py", old, new)
    assert tuple(a != b for a, b in zip(before, checksums(), strict=True)) == changed


def test_the_package_s_own_modules_count_but_not_those_that_run_a_sweep() -> None:
    module = "latent_transfer.papers.tables.kingma2014"
    found, waiting = set(), [module]
    while waiting:
        new = code._imports(waiting.pop()) - found
        found |= new
        waiting += new
    assert {
        "latent_transfer.training.loop",
        "latent_transfer.objectives.variational",
        "latent_transfer.nets.mlp",
        "latent_transfer.data.image_set",
        "latent_transfer.papers.tables._pixels",
    } <= found
    assert not {name for name in found if name.endswith((".sweep", ".workers", "papers.table"))}


def test_a_file_is_of_its_name_settings_and_code(written: Path, tmp_path: Path) -> None:
    place, settings = Place(tmp_path, tmp_path), {"length": 3, "depth": 1}

    def file(name: str = "M1", chosen: dict[str, int] = settings) -> Path:
        forget()
        return place.file(name, chosen, "helping.table")

    first = file()
    assert first == file(chosen={"depth": 1, "length": 3})
    others = {file("M2"), file(chosen=settings | {"length": 4})}
    change(written / "table.py", "step() +", "step() -")
    others.add(file())
    change(written / "table.py", "step() -", "step() +")
    assert file() == first
    change(written / "sizes.py", "3", "4")
    others.add(file())
    assert len(others | {first}) == 5
    assert first.parent == tmp_path
    assert file("VAE: a/b, c=1").name.startswith("VAE_a_b,_c=1-")


def test_a_module_without_a_file_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no module 'nowhere' with a source file"):
        code.code_of("nowhere")
