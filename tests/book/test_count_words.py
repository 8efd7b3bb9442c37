from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import count_words

TEXT = """\
## A heading that is too short to count

The *same* same same word and **bold** words, twelve more so that this one is a paragraph of
prose, with [a link](https://example.org/some/where), $x_\\text{maths}$, `code`, {cite}`key2020`.

$$ \\text{not a single word of this display is counted} $$ (def-nothing)
"""


def test_prose_is_counted_and_nothing_else():
    (words,) = count_words.paragraphs(TEXT)
    assert words.count("same") == 3
    assert {"bold", "link", "prose", "twelve"} <= set(words)
    assert not {"maths", "code", "key", "cite", "example", "heading", "display", "of"} & set(words)


def test_counts_hold_the_words_of_each_part(tmp_path):
    texts = {"foundations": "apple " * 20, "transfer": "apple pear " * 10}
    for part, text in texts.items():
        cells = [new_markdown_cell("\n\n".join([text] * 4)), new_code_cell("banana " * 20)]
        (tmp_path / "book" / part).mkdir(parents=True)
        nbformat.write(new_notebook(cells=cells), tmp_path / "book" / part / "one.ipynb")
    counted = count_words.count(tmp_path)
    assert counted["words"] == ["apple"]  # pear is in four paragraphs only
    parts = counted["paragraphs"]
    assert parts["foundations"] == [[0] * 20] * 4
    assert parts["transfer"] == [[0] * 10] * 4


def test_the_shipped_counts_still_describe_the_book():
    shipped, now = json.loads(count_words.FILE.read_text(encoding="utf-8")), count_words.count()
    assert count_words.FILE.stat().st_size < 200_000
    assert set(shipped) == set(now)
    common = set(shipped["words"]) & set(now["words"])
    advice = "the book has changed much: run tools/count_words.py"
    assert len(common) > 0.9 * max(len(shipped["words"]), len(now["words"])), advice
    for part, found in now["paragraphs"].items():
        assert len(shipped["paragraphs"][part]) == pytest.approx(len(found), rel=0.15), advice
