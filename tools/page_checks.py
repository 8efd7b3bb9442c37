"""Check the built pages: what a reader would stumble over, and Sphinx does not see.

Sphinx finds dead cross-references, but not an anchor written in plain Markdown, a figure without
alt text, a notebook that was not executed, or a page that loads its style from another host.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from bs4 import BeautifulSoup


def check_pages(html: Path, notebooks: list[Path], book: Path) -> list[str]:
    """Check every built page.

    Args:
        html: Folder of the built pages.
        notebooks: The book's notebooks.
        book: Folder of the sources.

    Returns:
        One line for each problem; empty if there is none.
    """
    problems: list[str] = []
    pages = [page for page in sorted(html.rglob("*.html")) if "_static" not in page.parts]
    for page in pages:
        soup = _parse(page)
        name = page.relative_to(html).as_posix()
        for check in (missing_alt_text, shown_errors, foreign_resources):
            problems += [f"{name}: {problem}" for problem in check(soup)]
        problems += [f"{name}: {problem}" for problem in dead_links(soup, page)]
    for notebook in notebooks:
        page = html / notebook.relative_to(book).with_suffix(".html")
        problems += list(missing_outputs(notebook, page))
    _parse.cache_clear()
    return problems


@cache
def _parse(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def missing_alt_text(soup: BeautifulSoup) -> Iterator[str]:
    """Find pictures that a screen reader cannot describe."""
    for image in soup.select("main img, article img"):
        source, text = str(image.get("src", "")), str(image.get("alt") or "").strip()
        # Where there is no alt text, Sphinx puts the path of the file.
        if not text or Path(source).name == Path(text).name:
            yield f"the picture {source} has no alt text"


def shown_errors(soup: BeautifulSoup) -> Iterator[str]:
    """Find tracebacks among the outputs."""
    for output in soup.select(".cell_output"):
        text = output.get_text()
        if output.select(".error, .output.traceback") or "Traceback (most recent call" in text:
            yield f"an output shows an error: {text.strip()[:120]!r}"


def foreign_resources(soup: BeautifulSoup) -> Iterator[str]:
    """Find what the page would load from the network to be readable."""
    for tag, attribute in (("script", "src"), ("link", "href"), ("img", "src")):
        for element in soup.find_all(tag):
            target = str(element.get(attribute) or "")
            if tag == "link" and "stylesheet" not in (element.get("rel") or []):
                continue
            if target.startswith(("http://", "https://", "//")):
                yield f"the page loads {target} from the network"


def dead_links(soup: BeautifulSoup, page: Path) -> Iterator[str]:
    """Find links to a page or an anchor of the book that does not exist."""
    for link in soup.select("a[href]"):
        parts = urlsplit(str(link["href"]))
        if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.exists():
            yield f"dead link to {link['href']}"
        elif _is_missing_anchor(target, unquote(parts.fragment)):
            yield f"dead anchor {link['href']}"


def _is_missing_anchor(page: Path, anchor: str) -> bool:
    return bool(anchor) and page.suffix == ".html" and anchor not in _anchors(page)


@cache
def _anchors(page: Path) -> frozenset[str]:
    return frozenset(str(element["id"]) for element in _parse(page).select("[id]"))


def missing_outputs(notebook: Path, page: Path) -> Iterator[str]:
    """Find notebooks whose page shows no output although they have code."""
    cells = nbformat.read(notebook, as_version=4).cells
    if not any(cell.cell_type == "code" for cell in cells):
        return
    if not page.exists():
        yield f"{page.name}: the page of {notebook.name} was not built"
    elif not _parse(page).select(".cell_output"):
        yield f"{page.name}: the notebook has code but the page shows no output"
