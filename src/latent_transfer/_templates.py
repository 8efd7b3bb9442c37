"""Pages from jinja2 templates, kept in folders ``templates`` beside the code that fills them."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("latent_transfer", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, **values: object) -> str:
    """Fill a template; texts are escaped, and a missing value is an error.

    Args:
        name: Path of the template inside the package.
        values: What the template refers to by name.

    Example:
        >>> from latent_transfer._templates import render
        >>> from latent_transfer.records import Grid
        >>> page = render("records/templates/grid.html.j2", grid=Grid("<1>", ("a",), ()))
        >>> "<caption>&lt;1&gt;</caption>" in page
        True
    """
    return _environment().get_template(name).render(values)
