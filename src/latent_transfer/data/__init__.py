"""Image sets: embedded, downloaded, or from a folder of your own; and tables of numbers.

:func:`load` gives a :class:`Data` with a training and a test :class:`ImageSet`, and
:func:`load_table` one with two of :class:`Table`.
"""

from __future__ import annotations

from latent_transfer.data.batch import Batch
from latent_transfer.data.catalogue import CATALOGUE, TABLES, Data, Entry
from latent_transfer.data.image_set import ImageSet
from latent_transfer.data.loader import Batches, Loaded, as_batches
from latent_transfer.data.loading import fetch, load, names, where
from latent_transfer.data.table import Table, load_table
from latent_transfer.data.tensors import Tensors

__all__ = [
    "CATALOGUE",
    "TABLES",
    "Batch",
    "Batches",
    "Data",
    "Entry",
    "ImageSet",
    "Loaded",
    "Table",
    "Tensors",
    "as_batches",
    "fetch",
    "load",
    "load_table",
    "names",
    "where",
]
