"""Images as scikit-learn takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_transfer.data import ImageSet

Points = NDArray[np.float32]


def flat_pixels(images: ImageSet) -> Points:
    """Return the pixels of N images in rows, N×P.

    Example:
        >>> from latent_transfer import data
        >>> from latent_transfer.papers.tables._pixels import flat_pixels
        >>> flat_pixels(data.load("digits").test.subset(slice(0, 3))).shape[0]
        3
    """
    pixels: Points = images.pixels().flatten(1).cpu().numpy()
    return pixels
