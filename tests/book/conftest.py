"""A miniature book that passes every check, for the tests that then break it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book_checks import FAQ, FOLKLORE, REPOSITORY, SETUP
from tidy import TAG, render

NAME = "foundations/mini"
LINK = f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/book/{NAME}.ipynb"


def exercise(number: int) -> list[NotebookNode]:
    title = f'# @title Solution {number} {{display-mode: "form"}}'
    solution = new_code_cell(f"{title}\nprint({number})", metadata={"tags": ["hide-cell"]})
    return [new_markdown_cell(f"### Exercise {number} · Count\n\nCount."), solution]


def chapter() -> NotebookNode:
    alt = {"mystnb": {"image": {"alt": "A line that rises."}}}
    printed = [new_output("stream", name="stdout", text="one\n")]
    cells = [
        new_markdown_cell(f"# Mini\n\nYou will count to three.\n\n[Open in Colab]({LINK})"),
        new_markdown_cell("> **In this chapter**\n>\n> - counting {cite}`somebody2020`"),
        new_code_cell(SETUP, metadata={"tags": ["setup"]}),
        new_markdown_cell("## Counting\n\n$$ n + 1 $$ (eq-next)\n\n**Claim.** One is positive."),
        new_code_cell('lt.claim("one is positive", 1 > 0)'),
        new_code_cell('print("one")', metadata={"tags": [TAG]}, outputs=printed),
        new_code_cell("lt.figures.line([1, 2, 3])", metadata=alt),
        new_markdown_cell("## Common mistakes\n\nTo start at one."),
        new_markdown_cell("## Take-aways\n\n- Start at nought."),
        new_markdown_cell("## Exercises"),
        *(cell for number in (1, 2, 3) for cell in exercise(number)),
        new_markdown_cell("## Check yourself\n\n<details><summary>1?</summary>\n\n2\n\n</details>"),
        new_markdown_cell("## Further reading\n\nNone."),
    ]
    return new_notebook(cells=cells)


class Miniature:
    """A small working tree in which a test can edit one thing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebook = root / "book" / f"{NAME}.ipynb"

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def edit(self, change: Callable[[list[NotebookNode]], object]) -> None:
        notebook = nbformat.read(self.notebook, as_version=4)
        change(notebook.cells)
        nbformat.write(notebook, self.notebook)


@pytest.fixture
def miniature(tmp_path: Path) -> Miniature:
    mini = Miniature(tmp_path)
    mini.write(f"book/{NAME}.ipynb", render(chapter()))
    mini.write("book/index.md", "# Index\n")
    pages = "".join(f"  - file: {page}\n" for page in (NAME, FOLKLORE, FAQ))
    mini.write("_toc.yml", f"format: jb-book\nroot: index\nchapters:\n{pages}")
    shown = f"[Shown](../{NAME}.ipynb#counting)."
    mini.write(f"book/{FAQ}.md", f"# FAQ\n\n## Part\n\n### Why?\n\nBecause. {shown}\n")
    guard = "`tests/equations/test_counting.py::test_following`"
    mini.write(f"book/{FOLKLORE}.md", f"# Folklore\n\n## Part\n\n### One\n\n{shown} {guard}\n")
    entry = "@misc{somebody2020, author={A. Body}, title={T}, year={2020}}\n"
    mini.write("book/references.bib", entry)
    mini.write("requirements.txt", "")
    source = 'def following(n):\n    """Count on.\n\n    Equation: eq-next\n    """\n'
    mini.write("src/latent_transfer/counting.py", source)
    mark = '@pytest.mark.equation("eq-next")\ndef test_following(): ...\n'
    mini.write("tests/equations/test_counting.py", mark)
    return mini
