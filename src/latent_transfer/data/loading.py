"""Loading a data set by its name."""

from __future__ import annotations

from pathlib import Path

from latent_transfer.data import downloads, embedded, folders
from latent_transfer.data.catalogue import CATALOGUE, Data, Entry
from latent_transfer.data.image_set import ImageSet
from latent_transfer.session import find_data_root

FOLDER = "folder:"


def names() -> tuple[str, ...]:
    """Returns the names that :func:`load` knows, embedded sets first."""
    return tuple(CATALOGUE)


def load(
    name: str,
    root: str | Path | None = None,
    *,
    size: int | None = None,
    count: int | None = None,
) -> Data:
    """Loads a data set into memory.

    Embedded sets (``digits``, ``glyphs``, ``photos``) need no file. The others are read from the
    data root, and downloaded into it if they are not there yet. Files are checked at every load;
    a damaged one is never used.

    Args:
        name: one of :func:`names`, or ``folder:PATH`` for image folders of your own.
        root: the data root; else the environment variable ``LATENT_TRANSFER_DATA``, else the
            user's cache folder.
        size: for ``digits`` 28 (default) or 8; for ``folder:PATH`` the side of the square to
            which each image is resized and cropped.
        count: for ``glyphs``, the number of training images (default 6,000).

    Returns:
        Training and test images with classes, licence, citation and notes.

    Raises:
        ValueError: if the name is unknown or an option does not belong to it.
        DataError: if a file is missing and cannot be downloaded, is damaged, or cannot be read.
    """
    if name.startswith(FOLDER):
        _reject(name, count=count)
        return folders.load_folder(name, Path(name[len(FOLDER) :]).expanduser(), size)
    entry = _entry(name)
    if name == "digits":
        _reject(name, count=count)
        return _data(entry, *embedded.load_digits(28 if size is None else size))
    _reject(name, size=size)
    if name == "glyphs":
        return _data(entry, *embedded.load_glyphs(6000 if count is None else count))
    _reject(name, count=count)
    if name == "photos":
        return _data(entry, *embedded.load_photos())
    return downloads.load_downloaded(entry, find_data_root(root))


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Downloads what is missing or damaged of a data set.

    Each file is downloaded to a temporary folder, checked, and only then moved to its place, so
    that an interrupted call leaves nothing half-written.

    Args:
        name: one of :func:`names`; for embedded sets there is nothing to do.
        root: the data root, as for :func:`load`.

    Returns:
        The data root.

    Raises:
        ValueError: if the name is unknown.
        DataError: if a download fails or the data root cannot be written.
    """
    entry, folder = _entry(name), find_data_root(root)
    if not entry.embedded:
        downloads.fetch(entry, folder)
    return folder


def where(name: str, root: str | Path | None = None) -> str:
    """Says whether a set is ``embedded``, ``present`` under the data root, or ``not fetched``.

    It looks only whether the files exist; :func:`load` checks them.
    """
    entry = _entry(name)
    if entry.embedded:
        return "embedded"
    return "present" if downloads.is_present(entry, find_data_root(root)) else "not fetched"


def _entry(name: str) -> Entry:
    if name not in CATALOGUE:
        raise ValueError(f"Unknown data set {name!r}: known are {', '.join(names())}, folder:PATH.")
    return CATALOGUE[name]


def _reject(name: str, **options: int | None) -> None:
    for option, value in options.items():
        if value is not None:
            raise ValueError(f"{name} takes no option {option!r}.")


def _data(entry: Entry, train: ImageSet, test: ImageSet) -> Data:
    return Data(entry.name, train, test, entry.classes, entry.licence, entry.citation)
