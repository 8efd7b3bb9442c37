"""Cut the embedded part of MNIST out of the original files.

Run ``python tools/make_mnist5k.py DATA_ROOT`` with a folder that holds ``MNIST/raw``. The same
images are drawn every time; their checksum stands in ``data/sets/mnist5k.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_transfer.data import ImageSet, load
from latent_transfer.data.sets import mnist5k
from latent_transfer.data.splits import hold_out

#: Images of each digit in the two parts.
TRAIN_PER_CLASS, TEST_PER_CLASS = 500, 200

Arrays = list[npt.NDArray[np.uint8]]


def main() -> None:
    """Write the file, and print its checksum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder that holds MNIST/raw")
    parser.add_argument("--out", type=Path, default=mnist5k.FILE)
    arguments = parser.parse_args()
    arrays = cut(arguments.root)
    named: dict[str, Any] = dict(zip(mnist5k.ARRAYS, arrays, strict=True))
    np.savez_compressed(arguments.out, **named)
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {size:,} bytes, SHA-256 of the arrays {mnist5k.checksum(arrays)}")


def cut(root: Path) -> Arrays:
    """Return images and labels of the training part, and of the test part.

    Raises:
        ValueError: If an image comes twice.
    """
    mnist = load("mnist", root)
    arrays = _draw(mnist.train, TRAIN_PER_CLASS) + _draw(mnist.test, TEST_PER_CLASS)
    images = [image.tobytes() for image in (*arrays[0], *arrays[2])]
    if len(set(images)) < len(images):
        raise ValueError("An image comes twice: draw with another seed.")
    return arrays


def _draw(images: ImageSet, per_class: int) -> Arrays:
    _, chosen = hold_out(images.labels, [per_class] * 10)
    part = images.subset(chosen)
    return [part.images[:, 0].numpy(), part.labels.numpy().astype(np.uint8)]


if __name__ == "__main__":
    main()
