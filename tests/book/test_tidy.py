"""The committed form of a notebook."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import tidy
from workspace import notebooks

CHECKED = {"tags": [tidy.TAG]}


def messy():
    outputs = [
        new_output("stream", name="stdout", text="one\n"),
        new_output("stream", name="stdout", text="two\n"),
        new_output("stream", name="stderr", text="100%\n"),
        new_output("execute_result", data={"text/plain": "3"}, execution_count=7),
    ]
    kept = {"tags": ["hide-cell"], "mystnb": {"image": {"alt": "A"}}, "collapsed": True}
    cells = [
        new_markdown_cell("# Title\n\nText.  \nNext line.\n\n", metadata={"editable": True}),
        new_code_cell("print()", metadata=CHECKED, outputs=outputs, execution_count=7),
        new_code_cell("x=1\n", metadata=kept, outputs=outputs[:1], execution_count=8),
        new_code_cell("  \n"),
    ]
    return new_notebook(cells=cells, metadata={"colab": {"provenance": []}})


def test_only_what_an_author_wrote_remains() -> None:
    clean = tidy.normalise(messy())
    prose, checked, plain = clean.cells
    assert prose.source == "# Title\n\nText.  \nNext line."
    assert prose.metadata == {}
    assert [output.get("text") for output in checked.outputs] == ["one\ntwo\n", None]
    assert checked.outputs[1].execution_count == checked.execution_count == 1
    assert checked.metadata == CHECKED
    assert (plain.outputs, plain.execution_count) == ([], None)
    assert plain.metadata == {"tags": ["hide-cell"], "mystnb": {"image": {"alt": "A"}}}
    assert set(clean.metadata) == {"kernelspec", "language_info"}


def test_ids_are_kept_where_valid_and_the_same_at_every_run() -> None:
    notebook = messy()
    notebook.cells[1].id = notebook.cells[0].id
    first, second = tidy.normalise(notebook), tidy.normalise(notebook)
    assert first.cells[0].id == notebook.cells[0].id
    assert first.cells[1].id != first.cells[0].id
    assert [cell.id for cell in first.cells] == [cell.id for cell in second.cells]


def test_committed_form_is_valid_and_stable() -> None:
    text = tidy.render(messy())
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert tidy.render(notebook) == text
    assert json.loads(text)["nbformat_minor"] == 5
    assert text.endswith("}\n")


@pytest.mark.parametrize("metadata", [{}, {"keep_output": True}, {"init_cell": True}])
def test_nothing_but_the_tag_keeps_an_output(metadata) -> None:
    outputs = [new_output("stream", name="stdout", text="1\n")]
    cell = new_code_cell("print(1)", metadata=metadata, outputs=outputs)
    (clean,) = tidy.normalise(new_notebook(cells=[cell])).cells
    assert (clean.outputs, clean.metadata) == ([], {})


def test_notebook_given_to_be_tidied_is_not_changed() -> None:
    notebook = messy()
    before = copy.deepcopy(notebook)
    tidy.normalise(notebook)
    assert notebook == before


def test_old_format_gets_ids() -> None:
    old = {"nbformat": 4, "nbformat_minor": 2, "metadata": {}}
    old["cells"] = [{"cell_type": "markdown", "metadata": {}, "source": ["# A\n", "b"]}]
    notebook = nbformat.reads(json.dumps(old), as_version=4)
    assert len(tidy.normalise(notebook).cells[0].id) == 8


def test_check_mode_changes_nothing(miniature, capsys) -> None:
    nbformat.write(messy(), miniature.notebook)
    before = miniature.notebook.read_bytes()
    assert tidy.main(["--check", "--root", str(miniature.root)]) == 1
    assert miniature.notebook.read_bytes() == before
    assert "run `make tidy`" in capsys.readouterr().out


def test_tidy_then_check_passes(miniature) -> None:
    nbformat.write(messy(), miniature.notebook)
    root = ["--root", str(miniature.root)]
    assert tidy.main(root) == 0
    assert tidy.main([*root, "--check"]) == 0
    cells = nbformat.read(miniature.notebook, as_version=4).cells
    assert "x = 1" in [cell.source for cell in cells]


@pytest.mark.slow
def test_refresh_stores_the_outputs_of_checked_cells(miniature) -> None:
    checked = new_code_cell("print(6 * 7)", metadata=CHECKED)
    cells = [new_markdown_cell("# A"), checked, new_code_cell("print(1)")]
    nbformat.write(new_notebook(cells=cells), miniature.notebook)
    root = ["--root", str(miniature.root)]
    assert tidy.main([*root, "--refresh"]) == 0
    assert tidy.main([*root, "--check"]) == 0
    _, checked, plain = nbformat.read(miniature.notebook, as_version=4).cells
    assert [output.text for output in checked.outputs] == ["42\n"]
    assert plain.outputs == []
    assert notebooks(miniature.root) == [miniature.notebook]


@pytest.mark.slow
@pytest.mark.parametrize(("stored", "passes"), [("42\n", True), ("43\n", False)])
def test_nbval_compares_a_tagged_cell_in_the_committed_form(
    stored: str, passes: bool, tmp_path
) -> None:
    outputs = [new_output("stream", name="stdout", text=stored)]
    cell = new_code_cell("print(6 * 7)", metadata=CHECKED, outputs=outputs, execution_count=9)
    (tmp_path / "mini.ipynb").write_text(tidy.render(new_notebook(cells=[cell])))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--nbval-lax", "--nbval-current-env", "mini.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == passes, done.stdout
    assert "1 passed" in done.stdout if passes else "1 failed" in done.stdout
