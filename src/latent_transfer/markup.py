"""HTML without a template: elements that escape their texts, and tables that everyone can read."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

Child = str | Element


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """An element; texts are escaped when it is written. ``class_`` and the like lose the bar."""
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    made = Element(tag, names)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Child]]) -> Element:
    """A table whose first column names the rows; it scrolls by itself where a page is narrow."""
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *(element("th", c, scope="col") for c in header))),
        element(
            "tbody",
            *(
                element(
                    "tr",
                    element("th", first, scope="row"),
                    *(element("td", cell) for cell in rest),
                )
                for first, *rest in rows
            ),
        ),
    )
    # Focusable, so that those without a pointer can scroll it.
    return element("div", made, class_="wide", role="region", aria_label=caption, tabindex="0")
