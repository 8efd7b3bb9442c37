"""Every public function and class shows a call and its result, which ``make test`` runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

import latent_transfer as lt
from api_pages import is_definition, modules, public, shown

#: What has no example, because it would train for minutes, download, or be nothing but a name.
WITHOUT = {
    "lt.comparison.compare_four_ways",
    "lt.errors.CheckpointError",
    "lt.errors.ClaimFailed",
    "lt.errors.DataError",
    "lt.errors.TrainingDiverged",
    "lt.nets.inception_features",
    "lt.nets.vgg19_features",
}
_EXAMPLE = re.compile(r"^Examples?:\n(?:.*\n)*?\s+>>> ", re.M)


def definitions() -> Iterator[tuple[str, object]]:
    """Public names with what they stand for, but for modules."""
    pages = modules()
    for name in sorted(set(lt.__all__) - set(pages)):
        yield f"lt.{name}", getattr(lt, name)
    for name, module in pages.items():
        for part in shown(name, module):
            place = part.__name__.replace("latent_transfer", "lt", 1)
            yield from ((f"{place}.{key}", getattr(part, key)) for key in public(part))


def docstrings() -> dict[str, str]:
    """Docstrings of the public functions and classes that need an example, each once."""
    found: dict[object, str] = {}
    for name, value in definitions():
        if is_definition(value) and name not in WITHOUT:
            found.setdefault(value, name)
    return {name: inspect.cleandoc(value.__doc__ or "") for value, name in found.items()}


def test_every_public_name_has_an_example() -> None:
    missing = sorted(name for name, text in docstrings().items() if not _EXAMPLE.search(text))
    assert not missing, f"{len(missing)} have no example:\n" + "\n".join(missing)


def test_there_are_a_hundred_examples() -> None:
    assert sum(bool(_EXAMPLE.search(text)) for text in docstrings().values()) >= 100


def test_exceptions_are_names_that_exist() -> None:
    assert {name for name, _ in definitions()} >= WITHOUT


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        ("A.\n\nExample:\n    >>> 1\n    1\n", True),
        ("A.\n\nExamples:\n    First words.\n\n    >>> 1\n    1\n", True),
        ("A.\n\n>>> 1\n1\n", False),
        ("A.\n\nExample:\n    A call.\n", False),
    ],
)
def test_what_counts_as_an_example(docstring: str, found: bool) -> None:
    assert bool(_EXAMPLE.search(docstring)) == found
