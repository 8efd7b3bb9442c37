"""Image folders: one folder a class, with or without a test set, plain or in a zip file.

The rules are strict, so that nothing is converted or left out unseen: each file in a class folder
must be a still image of 8 bits a channel in a format and colour mode that is listed here, and all
must have one size unless a size is asked for.
"""

from __future__ import annotations

import functools
import io
import unicodedata
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latent_transfer.data.catalogue import Data
from latent_transfer.data.image_set import ImageSet
from latent_transfer.data.splits import hold_out
from latent_transfer.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

#: Formats that are read, by their names in Pillow.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")

#: Largest image that is opened; more is taken for a decompression bomb.
MAX_PIXELS = 64_000_000

#: Largest file that is read out of a zip, in bytes.
MAX_BYTES = 256 << 20

#: Share of the images that a folder without a test set gives to the test set.
TEST_SHARE = 0.2

#: Files that operating systems leave in folders.
LITTER = frozenset({"thumbs.db", "desktop.ini"})

#: Colour modes, by their names in Pillow. Alpha must be opaque everywhere, and is dropped.
GREY_MODES = frozenset({"1", "L", "LA"})
COLOUR_MODES = frozenset({"P", "PA", "RGB", "RGBA"})

IMAGE_SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
)
PARTS = ("train", "test")

Picture = npt.NDArray[np.uint8]  # H×W or H×W×3


@dataclass(frozen=True)
class Source:
    """An image file.

    Attributes:
        parts: its folders and its name, from the top of the tree.
        label: its full name, for messages.
        read: returns its bytes.
    """

    parts: tuple[str, ...]
    label: str
    read: Callable[[], bytes]


Tree = dict[str, dict[str, list[Source]]]  # part, then class


def load_folder(name: str, path: Path, size: int | None = None) -> Data:
    """Loads ``PATH/<class>/*`` or ``PATH/{train,test}/<class>/*``.

    Args:
        name: the name that the data set gets.
        path: the folder, or a zip file that holds one.
        size: side of the square to which each image is resized and centre-cropped.

    Returns:
        The images; without a ``test`` folder, a fixed fifth of each class is the test set.

    Raises:
        ValueError: if ``size`` is not positive.
        DataError: if the folder or one of its files breaks a rule; the message names it.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}.")
    train, test, classes = read_tree(path, size)
    return Data(name, train, test, classes, "as the owner states", str(path))


def read_tree(path: Path, size: int | None = None) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Reads an image folder or a zip of one; returns training set, test set and class names.

    A zip is read in memory and never unpacked to disk.
    """
    if not path.exists():
        raise DataError(f"There is no image folder {path}.")
    if path.is_dir():
        return _read_sources(path, _list_folder(path, path), size)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_sources(path, _list_zip(path, archive), size)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is neither a folder nor a readable zip file ({error}).") from None


def _read_sources(
    path: Path, sources: list[Source], size: int | None
) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    tree = _arrange(path, sources)
    classes = tuple(sorted(tree["train"]))
    labels = {part: [classes.index(c) for c in classes for _ in tree[part][c]] for part in tree}
    files = {part: [source for c in classes for source in tree[part][c]] for part in tree}
    pictures = {part: _read_pictures(files[part], size) for part in tree}
    _require_one_size(
        [pair for part in tree for pair in zip(files[part], pictures[part], strict=True)]
    )
    colour = any(picture.ndim == 3 for part in tree for picture in pictures[part])
    sets = {
        part: ImageSet(_stack(pictures[part], colour), torch.tensor(labels[part]), classes)
        for part in tree
    }
    if "test" in sets:
        return sets["train"], sets["test"], classes
    return (*_split(path, sets["train"]), classes)


# -- which files there are --------------------------------------------------------------------


def _list_folder(folder: Path, top: Path) -> list[Source]:
    """Lists the visible files below a folder; links to files and folders are followed."""
    sources: list[Source] = []
    for place in sorted(folder.iterdir()):
        parts = tuple(unicodedata.normalize("NFC", part) for part in place.relative_to(top).parts)
        if _is_litter(parts):
            continue
        if not place.is_dir():
            sources.append(Source(parts, str(place), place.read_bytes))
        elif len(parts) > 3:  # also ends the walk where a link leads back to a folder above
            raise DataError(f"{place} lies too deep: a class folder holds images only.")
        else:
            below = _list_folder(place, top)
            if not below:
                raise DataError(f"The folder {place} is empty: each class needs images.")
            sources += below
    return sources


def _list_zip(path: Path, archive: zipfile.ZipFile) -> list[Source]:
    sources = []
    for info in archive.infolist():
        name = unicodedata.normalize("NFC", info.filename)
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if not info.is_dir() and not _is_litter(parts):
            read = functools.partial(_read_member, archive, info)
            sources.append(Source(parts, f"{path}: {info.filename}", read))
    tops = {source.parts[0] for source in sources}
    wrapped = len(tops) == 1 and not tops & set(PARTS)
    if wrapped and all(len(source.parts) > 2 for source in sources):
        # The zip holds the folder itself rather than what is in it.
        sources = [replace(source, parts=source.parts[1:]) for source in sources]
    return sorted(sources, key=lambda source: source.parts)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MAX_BYTES:
        raise OSError(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
    return archive.read(info)


def _is_litter(parts: tuple[str, ...]) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return hidden or parts[-1].lower() in LITTER


def _arrange(path: Path, sources: list[Source]) -> Tree:
    """Sorts files into parts and classes, and rejects what fits into neither."""
    split = any(len(source.parts) > 2 and source.parts[0] in PARTS for source in sources)
    tree: Tree = {}
    for source in sources:
        part, *below = source.parts if split else ("train", *source.parts)
        if len(below) == 2 and part in PARTS:
            tree.setdefault(part, {}).setdefault(below[0], []).append(source)
        elif len(below) > 1 or Path(source.parts[-1]).suffix.lower() in IMAGE_SUFFIXES:
            raise DataError(
                f"{source.label} lies outside the layout <class>/<image> "
                "or {train,test}/<class>/<image>."
            )
    if not tree.get("train"):
        raise DataError(f"{path} holds no training images: it needs <class>/<image> files.")
    for name in set(tree["train"]) ^ set(tree.get("test", tree["train"])):
        raise DataError(f"{path} has class {name!r} in only one of the folders train and test.")
    return tree


# -- reading one image ------------------------------------------------------------------------


def _read_pictures(sources: list[Source], size: int | None) -> list[Picture]:
    with warnings.catch_warnings():
        # Pillow warns of large images and odd metadata; the rules below decide instead.
        warnings.simplefilter("ignore")
        return [_read_picture(source, size) for source in sources]


def _read_picture(source: Source, size: int | None) -> Picture:
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(source.read()), formats=FORMATS) as image:
            _check_header(image, source.label)
            upright = _plain(ImageOps.exif_transpose(image), source.label)
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(f"{source.label} has more than {MAX_PIXELS:,} pixels.") from None
    except Exception as error:  # decoders raise whatever they stumble over
        raise DataError(
            f"{source.label} cannot be read as an image ({_first_line(error)}); "
            f"accepted are {', '.join(FORMATS)}."
        ) from None
    if size is not None:
        upright = ImageOps.fit(upright, (size, size), method=Image.Resampling.BILINEAR)
    return np.array(upright, dtype=np.uint8)


def _check_header(image: Image, label: str) -> None:
    """Rejects an image before its pixels are decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise DataError(
            f"{label} has {image.width}×{image.height} pixels; accepted are {MAX_PIXELS:,} at most."
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(f"{label} is animated or has pages ({frames}); only still images are read.")
    # Pillow cuts 16-bit colour to 8 bits by itself: only the decoder's arguments show it.
    deep = any(";16" in str(tile[3]) for tile in getattr(image, "tile", []))
    if deep or image.mode.startswith(("I", "F")):
        raise DataError(f"{label} has more than 8 bits a channel; convert it to 8 bits first.")
    if image.mode not in GREY_MODES | COLOUR_MODES:
        raise DataError(f"{label} has the colour mode {image.mode}; convert it to RGB first.")


def _plain(image: Image, label: str) -> Image:
    """Returns grey (L) or RGB pixels, and rejects an image that one can see through."""
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        lowest, _ = cast(tuple[int, int], image.convert("RGBA").getchannel("A").getextrema())
        if lowest < 255:
            raise DataError(f"{label} has transparent pixels; put it on a background first.")
    return image.convert("L" if image.mode in GREY_MODES else "RGB")


def _first_line(error: Exception) -> str:
    # Pillow names the buffer object in its messages, which tells a reader nothing.
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "unknown format" if "cannot identify" in text else text


# -- putting images together ------------------------------------------------------------------


def _require_one_size(pairs: list[tuple[Source, Picture]]) -> None:
    first, model = pairs[0]
    for source, picture in pairs:
        if picture.shape[:2] != model.shape[:2]:
            here, there = (f"{p.shape[1]}×{p.shape[0]}" for p in (picture, model))
            raise DataError(
                f"{source.label} has {here} pixels where {first.label} has {there}; "
                "load the folder with size=... to resize and crop all images to one size."
            )


def _stack(pictures: list[Picture], colour: bool) -> Tensor:
    """Stacks pictures as N×C×H×W; grey ones among coloured ones repeat their channel."""
    height, width = pictures[0].shape[:2]
    stack = np.empty((len(pictures), height, width, 3 if colour else 1), dtype=np.uint8)
    for row, picture in enumerate(pictures):
        stack[row] = picture if picture.ndim == 3 else picture[:, :, None]
    return torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous()


def _split(path: Path, whole: ImageSet) -> tuple[ImageSet, ImageSet]:
    counts = whole.counts()
    for name, count in counts.items():
        if count < 2:
            raise DataError(
                f"Class {name!r} of {path} has one image only, so none can be held out for "
                "testing; add images, or make the folders train and test."
            )
    train, test = hold_out(whole.labels, [max(1, round(n * TEST_SHARE)) for n in counts.values()])
    return whole.subset(train), whole.subset(test)
