"""How names and numbers are written, in the report and in the names of files."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

FOLDER = "folder:"

#: Bytes of a name within a file name at most; file systems take 255 for the whole.
LONGEST = 80


def listed(values: Iterable[int]) -> str:
    """Join numbers as a sentence does.

    Example:
        >>> from latent_transfer.comparison.wording import listed
        >>> listed([5, 20, 1000])
        '5, 20 and 1,000'
    """
    *rest, last = [f"{value:,}" for value in values]
    return f"{', '.join(rest)} and {last}" if rest else last


def shown_name(name: str) -> str:
    """Return the name of a data set without the path to it, which is nobody else's business.

    Example:
        >>> from latent_transfer.comparison.wording import shown_name
        >>> shown_name("folder:/home/someone/pets"), shown_name("digits")
        ('folder:pets', 'digits')
    """
    if not name.startswith(FOLDER):
        return name
    path = Path(name[len(FOLDER) :]).expanduser().resolve()
    return FOLDER + printable(path.name or "images")


def file_stem(name: str) -> str:
    """Return the name of a data set as part of a file name, cut if it is too long for one.

    Example:
        >>> from latent_transfer.comparison.wording import file_stem
        >>> file_stem("folder:/home/someone/pets"), len(file_stem("folder:" + 200 * "x"))
        ('pets', 80)
    """
    stem = shown_name(name).removeprefix(FOLDER)
    content = stem.encode()
    if len(content) <= LONGEST:
        return stem
    # With a checksum, so that two long names that begin alike stay apart.
    mark = f"-{crc32(content):08x}"
    return content[: LONGEST - len(mark)].decode(errors="ignore") + mark


def printable(text: str) -> str:
    r"""Spell control characters and undecodable bytes as Python does.

    Example:
        >>> from latent_transfer.comparison.wording import printable
        >>> print(printable("one\ntwo"))
        one\ntwo
    """
    odd = ("Cc", "Cs")
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in odd else c for c in text
    )
