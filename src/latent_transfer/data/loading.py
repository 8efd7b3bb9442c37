"""Loading a data set by its name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast

from latent_transfer.data import download
from latent_transfer.data.catalogue import CATALOGUE, TABLES
from latent_transfer.data.entry import Data, Entry, Parts
from latent_transfer.data.examples import Examples
from latent_transfer.data.folder import load_folder
from latent_transfer.data.images import ImageSet
from latent_transfer.data.pictures import Colour
from latent_transfer.data.table import Table
from latent_transfer.session import find_data_root

FOLDER = "folder:"

Kind = TypeVar("Kind", bound=Examples)


def names() -> tuple[str, ...]:
    """Return the names that :func:`load` knows, embedded sets first.

    Example:
        >>> import latent_transfer as lt
        >>> "mnist" in lt.data.names()
        True
    """
    return tuple(CATALOGUE)


def load(
    name: str | Path,
    root: str | Path | None = None,
    *,
    size: int | None = None,
    count: int | None = None,
    background: Colour | None = None,
    skip_damaged: bool | None = None,
) -> Data:
    """Load a data set into memory.

    Embedded sets (``digits``, ``glyphs``, ``mnist5k``, ``photos``) need no file. The others are
    read from the data root, and downloaded into it if they are not there yet. Files are checked at
    every load; a damaged one is never used.

    A folder of your own holds ``<class>/<image>``, or ``train/<class>/<image>`` and
    ``test/<class>/<image>``; :mod:`latent_transfer.data.folder` says what is read, and how.

    Args:
        name: One of :func:`names`, ``folder:PATH`` for image folders of your own, or the path of
            one as a ``pathlib.Path``.
        root: The data root; else the environment variable ``LATENT_TRANSFER_DATA``, else the
            user's cache folder.
        size: For ``digits`` 28 (default) or 8; for a folder the side of the square, in pixels, to
            which each image is resized and centre-cropped.
        count: For ``glyphs``, the number of training images (default 6,000).
        background: For a folder, the colour behind transparent pixels: a name, ``"#rrggbb"``, or
            red, green and blue from 0 to 255 (default white).
        skip_damaged: For a folder, leave out the files that cannot be used, and name them in the
            notes (default: raise an error that names them).

    Returns:
        Training and test images with classes, licence, citation and notes.

    Raises:
        ValueError: If the name is unknown or an option does not belong to it.
        DataError: If a file is missing and cannot be downloaded, is damaged, or cannot be read.

    Example:
        >>> import latent_transfer as lt
        >>> data = lt.data.load("digits")
        >>> len(data.train), data.test.shape
        (1437, (1, 28, 28))
    """
    given = {
        "size": size,
        "count": count,
        "background": background,
        "skip_damaged": skip_damaged,
    }
    options = {option: value for option, value in given.items() if value is not None}
    if isinstance(name, Path) or (isinstance(name, str) and name.startswith(FOLDER)):
        return _load_folder(name, options)
    entry = _entry(name, CATALOGUE)
    entry.check_options(options)
    folder = find_data_root(root)
    if not entry.present(folder):
        print(f"{entry.name} is not in the data root yet; downloading it to {folder}")
        download.fetch(entry.name, entry.files, folder)
    return _data(entry, ImageSet, folder, options)


def load_table(name: str, *, standardise: bool | None = None) -> Data[Table]:
    """Load an embedded table with a fixed split: a third of the rows of each class for testing.

    Args:
        name: ``breast_cancer``, scikit-learn's Wisconsin diagnostic table: 30 measures of the cell
            nuclei in a sample of each of 569 breast tumours, 212 of them malignant; or
            ``book_words``, the words of this book's own paragraphs, counted, with the parts of the
            book as classes.
        standardise: Standardise both parts by mean and standard deviation of the training part; if
            left out, measures are standardised and counts are not.

    Returns:
        Training and test rows as :class:`Table`, with classes, licence and citation.

    Raises:
        ValueError: If the name is unknown, or counts are to be standardised.

    Example:
        >>> import latent_transfer as lt
        >>> lt.data.load_table("breast_cancer").train
        Table(380 rows of 30 values, 2 classes)
    """
    entry = _entry(name, TABLES)
    options = {} if standardise is None else {"standardise": standardise}
    entry.check_options(options)
    return _data(entry, Table, find_data_root(), options)


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Download what is missing or damaged of a data set.

    Each file is downloaded to a temporary folder, checked, and only then moved to its place, so
    that an interrupted call leaves nothing half-written.

    Args:
        name: One of :func:`names`; for embedded sets there is nothing to do.
        root: The data root, as for :func:`load`.

    Returns:
        The data root.

    Raises:
        ValueError: If the name is unknown.
        DataError: If a download fails or the data root cannot be written.

    Example:
        >>> import latent_transfer as lt
        >>> str(lt.data.fetch("digits", "somewhere"))  # embedded: nothing is made
        'somewhere'
    """
    entry, folder = _entry(name, CATALOGUE), find_data_root(root)
    download.fetch(entry.name, entry.files, folder)
    return folder


def where(name: str, root: str | Path | None = None) -> str:
    """Say whether a set is ``embedded``, ``present`` under the data root, or ``not fetched``.

    It looks only whether the files exist; :func:`load` checks them.

    Example:
        >>> import latent_transfer as lt
        >>> lt.data.where("digits"), lt.data.where("svhn", "no/such/folder")
        ('embedded', 'not fetched')
    """
    entry = _entry(name, CATALOGUE)
    if entry.embedded:
        return "embedded"
    return "present" if entry.present(find_data_root(root)) else "not fetched"


def _load_folder(name: str | Path, options: Mapping[str, object]) -> Data:
    if "count" in options:
        raise ValueError(f"{name} takes no option 'count'.")
    written = str(name).removeprefix(FOLDER) if isinstance(name, str) else str(name)
    if not written.strip():
        raise ValueError("folder: needs the path of an image folder after it, as in folder:pets.")
    return load_folder(Path(written).expanduser(), **options)  # type: ignore[arg-type]


def _entry(name: str, known: Mapping[str, Entry]) -> Entry:
    if not isinstance(name, str):
        raise TypeError(f"A data set has a name or a path, not {type(name).__name__}.")
    if name in known:
        return known[name]
    if name in TABLES:
        raise ValueError(f"{name} is a table: lt.data.load_table({name!r}) loads it.")
    if name in CATALOGUE:
        raise ValueError(f"{name} is a set of images: lt.data.load({name!r}) loads it.")
    tables = known is TABLES
    kind = "table" if tables else "data set"
    folders = "" if tables else ", folder:PATH"
    raise ValueError(f"Unknown {kind} {name!r}: known are {', '.join(known)}{folders}{_hint(name)}")


def _hint(name: str) -> str:
    if name and Path(name).expanduser().is_dir():
        return f"; did you mean folder:{name}?"
    near = difflib.get_close_matches(name.lower(), [*CATALOGUE, *TABLES], 1, 0.75)
    return f"; did you mean {near[0]}?" if near else "."


def _data(entry: Entry, kind: type[Kind], root: Path, options: Mapping[str, object]) -> Data[Kind]:
    train, test, notes = Parts(*entry.read(root, **options))
    for part in (train, test):
        if not isinstance(part, kind) or part.classes != entry.classes:
            raise TypeError(
                f"The reader of {entry.name} must return two of {kind.__name__} with the classes "
                f"{', '.join(entry.classes)}, not {part!r}."
            )
    parts = cast("tuple[Kind, Kind]", (train, test))
    return Data(entry.name, *parts, entry.classes, entry.licence, entry.citation, notes)
