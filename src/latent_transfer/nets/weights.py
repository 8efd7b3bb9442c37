"""Published weights of pre-trained nets, kept under the data root."""

from __future__ import annotations

import hashlib
from pathlib import Path

from latent_transfer._files import write_atomically
from latent_transfer.data.download import Remote, download
from latent_transfer.errors import DataError
from latent_transfer.session import find_data_root

#: torchvision's ImageNet weights, in the copies of the library timm. (torchvision's own files are
#: pickles, and nothing is unpickled here.)
FILES = {
    name: Remote(
        f"weights/{name}.safetensors",
        (f"https://huggingface.co/timm/{name}.tv_in1k/resolve/main/model.safetensors",),
    )
    for name in ("vgg19", "inception_v3")
}


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Download a file of weights unless it is there.

    Its checksum is kept beside it from the first day, and checked at every later call.

    Args:
        name: ``vgg19`` or ``inception_v3``.
        root: The data root, as for :func:`latent_transfer.data.load`.

    Returns:
        The file.

    Raises:
        DataError: If the file is missing and cannot be downloaded, or has changed.
    """
    folder = find_data_root(root)
    remote = FILES[name]
    place = folder / remote.path
    note = place.with_name(f"{place.name}.sha256")
    if not place.exists():
        download(name, remote, folder)
        write_atomically(note, _sha256(place).encode())
    elif note.exists() and note.read_text(encoding="ascii").strip() != _sha256(place):
        raise DataError(
            f"{place} is damaged (its checksum has changed); delete it to load it again."
        )
    return place


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
