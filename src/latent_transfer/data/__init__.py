"""Image sets: embedded, downloaded, or from a folder of your own.

:func:`load` gives a :class:`Data` with a training and a test :class:`ImageSet`.
"""

from __future__ import annotations

from latent_transfer.data.catalogue import CATALOGUE, Data, Entry
from latent_transfer.data.image_set import ImageSet
from latent_transfer.data.loading import fetch, load, names, where

__all__ = ["CATALOGUE", "Data", "Entry", "ImageSet", "fetch", "load", "names", "where"]
