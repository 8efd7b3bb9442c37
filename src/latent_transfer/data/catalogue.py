"""The data sets that have names: those of the package, and those that were registered."""

from __future__ import annotations

import importlib
import pkgutil

from latent_transfer.data import sets
from latent_transfer.data.entry import Entry

#: The named image sets, embedded ones first.
CATALOGUE: dict[str, Entry] = {}

#: The named tables, which :func:`latent_transfer.data.load_table` loads.
TABLES: dict[str, Entry] = {}


def register(entry: Entry) -> None:
    """Give a data set of your own a name, by which ``load`` (or ``load_table``) then finds it.

    A set of 1×1 "images", rows of numbers, is a table.

    Args:
        entry: What is known of the set, and the function that reads it.

    Raises:
        ValueError: If another set has the name.

    Example:
        >>> import torch
        >>> import latent_transfer as lt
        >>> def read(root):
        ...     labels = torch.arange(40) % 2
        ...     images = lt.data.ImageSet.from_pixels(torch.rand(40, 1, 8, 8), labels, ["a", "b"])
        ...     return images.subset(slice(30)), images.subset(slice(30, 40))
        >>> lt.data.register(
        ...     lt.data.Entry("noise", "noise", 30, 10, (1, 8, 8), ("a", "b"), "CC0", "none", read)
        ... )
        >>> lt.data.load("noise").test
        ImageSet(10 images 1×8×8, 2 classes)
        >>> del lt.data.CATALOGUE["noise"]
    """
    if entry.name in CATALOGUE or entry.name in TABLES or ":" in entry.name:
        raise ValueError(f"The name {entry.name!r} is taken, or has a colon: choose another.")
    (TABLES if entry.shape[1:] == (1, 1) else CATALOGUE)[entry.name] = entry


def _register_sets() -> None:
    entries = []
    for module in pkgutil.iter_modules(sets.__path__):
        entries += importlib.import_module(f"{sets.__name__}.{module.name}").ENTRIES
    for entry in sorted(entries, key=lambda entry: not entry.embedded):
        register(entry)


_register_sets()
