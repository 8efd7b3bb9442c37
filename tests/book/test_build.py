"""A small book is built from end to end, and what is wrong with it stops the build."""

from __future__ import annotations

import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from workspace import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def small_book(miniature):
    shutil.copy(ROOT / "_config.yml", miniature.root)
    shutil.copytree(ROOT / "book" / "_static", miniature.root / "book" / "_static")
    miniature.write("book/index.md", "# Index\n\n{cite}`somebody2020`\n\n```{bibliography}\n```\n")
    write(miniature, "# Chapter\n\n$$ a + b $$ (eq-sum)\n\nSee {eq}`eq-sum`.", "print(6 * 7)")
    return miniature


def write(book, prose: str, code: str) -> None:
    section = new_markdown_cell("## Counting")  # the appendix of the miniature links to it
    cells = [new_markdown_cell(prose), new_code_cell(code), section]
    nbformat.write(new_notebook(cells=cells), book.notebook)


def build(book) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "tools" / "build_book.py"), "--root", str(book.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_prose_is_rebuilt_without_execution_and_faults_stop_the_build(small_book) -> None:
    status, printed = build(small_book)
    assert status == 0, printed
    assert "Executing 1 notebooks" in printed
    assert "visit http://127.0.0.1:8000/" in printed
    page = small_book.root / "_build" / "html" / "foundations" / "mini.html"
    assert "42" in page.read_text(encoding="utf-8")

    write(small_book, "# Chapter\n\nAnother sentence.", "print(6 * 7)")
    status, printed = build(small_book)
    assert (status, "Executing 0 notebooks" in printed) == (0, True), printed
    assert "Another sentence" in page.read_text(encoding="utf-8")

    write(small_book, "# Chapter\n\n[nowhere](nowhere.md)", "print(6 * 7)")
    for _ in range(2):  # a second build must not forget the warning of the first
        status, printed = build(small_book)
        assert status == 1
        assert "nowhere.md" in printed

    write(small_book, "# Chapter", "1 / 0")
    status, printed = build(small_book)
    assert status == 1
    assert "ZeroDivisionError" in printed
    assert "book/foundations/mini.ipynb" in printed


def test_figure_without_alt_text_stops_the_build(small_book) -> None:
    draw = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2]);"
    write(small_book, "# Chapter", draw)
    status, printed = build(small_book)
    assert status == 1
    assert "alt text" in printed
