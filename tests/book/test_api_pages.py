"""The API reference shows every public name, once, and nothing else."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

import api_pages
import latent_transfer as lt
from workspace import ROOT

PAGES = ROOT / api_pages.FOLDER
_ENTRY = re.compile(r"^\.\. (?:autofunction|autoclass|py:data):: (\w+)$", re.M)
_MODULE = re.compile(r"^\.\. currentmodule:: (\S+)$", re.M)
_BORROWED = re.compile(r"^- \{py:obj\}`(\w+) <(\S+)>`$", re.M)
_SHORTCUT = re.compile(r"`lt\.(\w+)` is \{py:func\}`lt\.[\w.]+ <(\S+)>`")
_SUMMARY = re.compile(r"^ {3}(\w+)$", re.M)


def entries(page: Path) -> list[str]:
    """Full names of the entries of a page, with those that it says are elsewhere."""
    text, found = page.read_text(encoding="utf-8"), []
    for block in re.findall(r"```\{eval-rst\}\n(.*?)```", text, re.S):
        if module := _MODULE.search(block):
            found += [f"{module[1]}.{name}" for name in _ENTRY.findall(block)]
    here = f"latent_transfer.{page.stem}" if page.stem != "index" else "latent_transfer"
    links = _BORROWED.findall(text) + _SHORTCUT.findall(text)
    return found + [f"{here}.{name}" for name, _ in links]


def public_names() -> set[str]:
    names = {f"latent_transfer.{name}" for name in lt.__all__ if name not in api_pages.modules()}
    for name, module in api_pages.modules().items():
        for shown in api_pages.shown(name, module):
            names |= {f"{shown.__name__}.{key}" for key in api_pages.public(shown)}
    return names


def test_pages_are_up_to_date() -> None:
    assert api_pages.stale(ROOT) == [], "run `make tidy`"


def test_every_public_name_has_one_entry_and_nothing_else_has_one() -> None:
    counted = Counter(name for page in PAGES.glob("*.md") for name in entries(page))
    assert set(counted) == public_names()
    assert {name for name, count in counted.items() if count > 1} == set()


def test_links_to_other_pages_lead_to_entries() -> None:
    shown = {name for page in PAGES.glob("*.md") for name in entries(page)}
    for page in PAGES.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert {target for _, target in _BORROWED.findall(text) + _SHORTCUT.findall(text)} <= shown


@pytest.mark.parametrize("name", api_pages.modules())
def test_summary_table_lists_the_functions_and_classes_of_the_page(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\.\. auto(?:function|class):: (\w+)$", text, re.M)
    assert sorted(_SUMMARY.findall(text)) == sorted(documented)
    assert text.index("autosummary") < text.index(f":: {documented[0]}")


def test_index_lists_every_module_and_the_contents_do_too() -> None:
    index = (PAGES / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[`lt\.(\w+)`\]\((\w+)\.md\)", index, re.M)
    assert sorted(listed) == [(name, name) for name in sorted(api_pages.modules())]


def test_added_name_and_removed_module_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PAGES, tmp_path / api_pages.FOLDER)
    (tmp_path / api_pages.FOLDER / "gone.md").write_text("# Gone\n")
    monkeypatch.setattr(lt.transfer, "__all__", [*lt.transfer.__all__, "COLOUR"])
    monkeypatch.setattr(lt.transfer, "COLOUR", 3, raising=False)
    assert api_pages.stale(tmp_path) == ["gone.md", "transfer.md"]
    api_pages.write(tmp_path)
    assert api_pages.stale(tmp_path) == []
    assert not (tmp_path / api_pages.FOLDER / "gone.md").exists()
    assert "py:data:: COLOUR" in (tmp_path / api_pages.FOLDER / "transfer.md").read_text()
