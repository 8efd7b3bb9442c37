"""Image sets: embedded, downloaded, or from a folder of your own; and tables of numbers.

:func:`load` gives a :class:`Data` with a training and a test :class:`ImageSet`, and
:func:`load_table` one with two of :class:`Table`. :func:`as_batches` takes tensors and
``DataLoader`` as well, and :func:`register` gives a set of your own a name.
"""

from __future__ import annotations

from latent_transfer.data.batch import Batch
from latent_transfer.data.catalogue import CATALOGUE, TABLES, register
from latent_transfer.data.download import Remote
from latent_transfer.data.entry import Data, Entry
from latent_transfer.data.examples import Examples
from latent_transfer.data.images import ImageSet
from latent_transfer.data.loader import Batches, Loaded, as_batches
from latent_transfer.data.loading import fetch, load, load_table, names, where
from latent_transfer.data.table import Table
from latent_transfer.data.tensors import Tensors

__all__ = [
    "CATALOGUE",
    "TABLES",
    "Batch",
    "Batches",
    "Data",
    "Entry",
    "Examples",
    "ImageSet",
    "Loaded",
    "Remote",
    "Table",
    "Tensors",
    "as_batches",
    "fetch",
    "load",
    "load_table",
    "names",
    "register",
    "where",
]
