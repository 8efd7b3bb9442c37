"""Each check of the built pages sees the fault for which it is there."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from page_checks import check_pages

SOUND = """<html><head><script src="_static/own.js"></script></head><body><main>
<h1 id="top">A</h1><a href="#top">up</a><a href="other.html#there">there</a>
<a href="https://example.org/">away</a><img src="a.png" alt="A line">
<div class="cell_output"><pre>1</pre></div></main></body></html>"""

FAULTS = [
    ('alt="A line"', 'alt=" "', "no alt text"),
    ('alt="A line"', "", "no alt text"),
    ('alt="A line"', 'alt="_images/a.png"', "no alt text"),
    ("<pre>1</pre>", "<pre>Traceback (most recent call last)</pre>", "shows an error"),
    ("<pre>1</pre>", '<div class="error">x</div>', "shows an error"),
    ("_static/own.js", "https://example.org/a.js", "from the network"),
    ("#top", "#bottom", "dead anchor"),
    ("other.html#there", "other.html#nowhere", "dead anchor"),
    ("other.html#there", "missing.html", "dead link"),
    ('<div class="cell_output"><pre>1</pre></div>', "", "shows no output"),
]


@pytest.fixture
def site(tmp_path):
    html, book = tmp_path / "html", tmp_path / "book"
    html.mkdir()
    book.mkdir()
    (html / "other.html").write_text('<p id="there">B</p>')
    (html / "page.html").write_text(SOUND)
    nbformat.write(new_notebook(cells=[new_code_cell("print(1)")]), book / "page.ipynb")
    return html, [book / "page.ipynb"], book


def test_sound_site_passes(site) -> None:
    assert check_pages(*site) == []


@pytest.mark.parametrize(("old", "new", "message"), FAULTS)
def test_fault_is_seen(old: str, new: str, message: str, site) -> None:
    (site[0] / "page.html").write_text(SOUND.replace(old, new))
    problems = check_pages(*site)
    assert len(problems) == 1
    assert message in problems[0]
    assert problems[0].startswith("page.html: ")


def test_page_that_was_not_built(site) -> None:
    (site[0] / "page.html").unlink()
    assert "was not built" in check_pages(*site)[0]
