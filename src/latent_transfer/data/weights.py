"""Published weights of pre-trained nets, kept under the data root."""

from __future__ import annotations

from pathlib import Path

from latent_transfer.data import downloads
from latent_transfer.session import find_data_root

#: Name to the address of a safetensors file: torchvision's ImageNet weights, in the copies of the
#: library timm. (torchvision's own files are pickles, and nothing is unpickled here.)
ADDRESSES = {
    "vgg19": "https://huggingface.co/timm/vgg19.tv_in1k/resolve/main/model.safetensors",
    "inception_v3": "https://huggingface.co/timm/inception_v3.tv_in1k/resolve/main/model.safetensors",
}


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Downloads a file of weights unless it is there.

    The format guards itself: a file cut short is refused when it is read, and holds no code.

    Args:
        name: ``vgg19`` or ``inception_v3``.
        root: the data root, as for :func:`latent_transfer.data.load`.

    Returns:
        The file.

    Raises:
        DataError: if the file is missing and cannot be downloaded.
    """
    folder = find_data_root(root)
    place = folder / "weights" / f"{name}.safetensors"
    if not place.exists():
        downloads.fetch_file(name, ADDRESSES[name], place, folder)
    return place
