"""Image folders: one folder per class, with or without a test set.

The layout is ``<class>/<image>``, or ``train/<class>/<image>`` and ``test/<class>/<image>``. The
two may also be called ``training`` and ``testing``, ``val``, ``valid`` or ``validation``, in any
case; where there is a validation folder besides a test folder, its images are for training. One
folder around the whole is looked through. What operating systems leave in folders is ignored.

Images become 8-bit grey if all of them are grey, else RGB. On the way

- JPEG files are decoded at the smallest scale that the asked size allows;
- transparent pixels are put on a background, palettes are resolved, CMYK and LAB are converted;
- 16-bit values are divided by 257, floating-point values in [0, 1] multiplied by 255;
- EXIF orientation is applied, colour profiles are not;
- the first picture is taken of a file with several (animations, pages, MPO).

All images must have one size unless a size is asked for. Never more than the result and one large
image (or a few small ones) are held in memory.
"""

from __future__ import annotations

import difflib
import os
import threading
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from latent_transfer.data import pictures
from latent_transfer.data.entry import Data
from latent_transfer.data.images import ImageSet
from latent_transfer.data.pictures import Colour, Header, Opener, Unusable
from latent_transfer.data.splits import hold_out
from latent_transfer.errors import DataError

#: Share of the images that a folder without a test set gives to the test set.
TEST_SHARE = 0.2

#: Names of split folders, in lower case, and the part that each is.
SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}

#: What operating systems and network disks leave in folders, in lower case; hidden files besides.
LITTER = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "@eadir",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "__macosx",
    }
)

#: Offending files that a message names; the others are counted.
NAMED = 10

#: Images of more pixels are decoded one at a time, smaller ones in a few threads.
LARGE, THREADS = 2_000_000, 4

#: Seconds of reading after which a progress bar appears.
PATIENCE = 1.0

#: Share of the free memory that the images of a folder may take.
MEMORY_SHARE = 0.8

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Source:
    """An image file.

    Attributes:
        parts: Its folders and its name, from the top of the tree.
        label: Its name in messages.
        open: Opens it for reading.
    """

    parts: tuple[str, ...]
    label: str
    open: Opener

    @property
    def looks_like_an_image(self) -> bool:
        """Whether its name ends like that of an image."""
        return Path(self.parts[-1]).suffix.lower() in pictures.SUFFIXES


@dataclass(frozen=True)
class Options:
    """How images are read; see :func:`load_folder`."""

    size: int | None = None
    background: tuple[int, int, int] = (255, 255, 255)
    skip_damaged: bool = False


@dataclass
class Findings:
    """What a reader of the data should know, collected on the way.

    Attributes:
        problems: Name and reason of each file that cannot be used.
        litter: Names of what was ignored, with their numbers.
        conversions: Kinds of conversions, with the numbers of images.
        remarks: Whatever else is worth a sentence.
    """

    problems: dict[str, str] = field(default_factory=dict)
    litter: Counter[str] = field(default_factory=Counter)
    conversions: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def notes(self) -> str:
        """Return all of it in a few sentences."""
        sentences = list(self.remarks)
        for kind, count in sorted(self.conversions.items()):
            sentences.append(f"{count:,} {'image' if count == 1 else 'images'} {kind}.")
        if self.problems:
            sentences.append(f"Left out: {_listed(self.problems)}.")
        if self.litter:
            names = (f"{name.strip()} ({count})" for name, count in sorted(self.litter.items()))
            sentences.append(f"Ignored: {', '.join(names)}.")
        return " ".join(sentences)

    def check(self, where: Path, skip: bool) -> None:
        """Raise an error that names all files that cannot be used, unless they are skipped."""
        if self.problems and not skip:
            count = len(self.problems)
            raise DataError(
                f"{count:,} {'file' if count == 1 else 'files'} of {where} cannot be used: "
                f"{_listed(self.problems)}; mend or remove them, or load with skip_damaged=True."
            )


def load_folder(
    path: Path,
    *,
    size: int | None = None,
    background: Colour = "white",
    skip_damaged: bool = False,
) -> Data:
    """Load an image folder.

    Args:
        path: The folder.
        size: Side of the square, in pixels, to which each image is resized and centre-cropped.
        background: Colour behind transparent pixels: a name, ``"#rrggbb"``, or red, green and blue
            from 0 to 255.
        skip_damaged: Leave out the files that cannot be used, and name them in the notes.

    Returns:
        The images; without a test folder, a fixed fifth of each class is the test set. The notes
        say what was converted, ignored and left out.

    Raises:
        ValueError: If ``size`` or ``background`` is none.
        DataError: If the folder does not have the layout, or files of it cannot be used; the
            message names them.
    """
    train, test, notes = read_folder(
        path, size=size, background=background, skip_damaged=skip_damaged
    )
    licence = "as the owner states"
    return Data(f"folder:{path}", train, test, train.classes, licence, str(path), notes)


def read_folder(
    path: Path,
    *,
    size: int | None = None,
    background: Colour = "white",
    skip_damaged: bool = False,
) -> tuple[ImageSet, ImageSet, str]:
    """Read an image folder; arguments and errors as in :func:`load_folder`.

    Returns:
        Training set, test set and notes.
    """
    options = Options(_checked_size(size), pictures.read_colour(background), bool(skip_damaged))
    _require_folder(path)
    findings = Findings()
    sources = list(_walk(path, path, findings))
    return _read(path, sources, findings, options)


def read_sources(where: Path, sources: list[Source]) -> tuple[ImageSet, ImageSet, str]:
    """Read images that lie elsewhere than in a folder, in an archive say, but in its layout."""
    findings = Findings()
    kept = [source for source in sources if not _drop_litter(source.parts, findings)]
    return _read(where, sorted(kept, key=lambda source: source.parts), findings, Options())


def _read(
    where: Path, sources: list[Source], findings: Findings, options: Options
) -> tuple[ImageSet, ImageSet, str]:
    with warnings.catch_warnings():
        # Pillow warns of large images and odd metadata; the rules here decide instead.
        warnings.simplefilter("ignore")
        return _read_quietly(where, sources, findings, options)


def _read_quietly(
    where: Path, sources: list[Source], findings: Findings, options: Options
) -> tuple[ImageSet, ImageSet, str]:
    try:
        tree = _arrange(where, sources, findings)
    except DataError:
        findings.check(where, options.skip_damaged)  # a broken link explains what is missing
        raise
    classes = tuple(sorted({source.parts[-2] for source in tree["train"]}))
    everything = [source for part in tree.values() for source in part]
    headers = _inspect(everything, findings, options)
    if findings.problems and not options.skip_damaged:
        _inspect_pixels([s for s in everything if s.label in headers], findings, options)
        findings.check(where, skip=False)
    tree = {part: [s for s in tree[part] if s.label in headers] for part in tree}
    _require_each_class(where, [source.parts[-2] for source in tree["train"]], classes)
    if options.size is None:
        _require_one_size(where, headers)
    if "test" not in tree:
        tree = _split(where, tree["train"], classes)
    shape = _shape(headers, options)
    _require_memory(where, sum(map(len, tree.values())), shape)
    loaded = {part: _decode(tree[part], headers, shape, findings, options) for part in tree}
    findings.check(where, options.skip_damaged)
    train, test = (_as_set(where, part, *loaded[part], classes) for part in ("train", "test"))
    return train, test, findings.notes()


# -- which files there are --------------------------------------------------------------------


def _require_folder(path: Path) -> None:
    try:
        if path.is_dir():
            return
        exists = path.exists()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from None
    if exists:
        what = "a zip file: unpack it" if path.suffix.lower() == ".zip" else "a file"
        raise DataError(f"{path} is {what}, and give the folder that holds the classes.")
    near = _near(path)
    hint = f"; did you mean {near}?" if near else "."
    raise DataError(f"There is no image folder {path}{hint}")


def _near(path: Path) -> Path | None:
    """A folder beside the missing one whose name is nearly the same."""
    try:
        beside = {place.name.lower(): place for place in path.parent.iterdir() if place.is_dir()}
    except OSError:
        return None
    match = difflib.get_close_matches(path.name.lower(), beside, 1)
    return beside[match[0]] if match else None


def _walk(folder: Path, top: Path, findings: Findings) -> Iterator[Source]:
    """List the files below a folder; links to files and folders are followed."""
    try:
        places = sorted(folder.iterdir())
    except OSError as error:
        findings.problems[_relative(folder, top)] = error.strerror or str(error)
        return
    names: dict[str, Path] = {}
    empty = True
    for place in places:
        parts = tuple(_normal(part) for part in place.relative_to(top).parts)
        if _drop_litter(parts, findings):
            continue
        empty = False
        if other := names.get(parts[-1]):
            raise DataError(f"{other} and {place} have the same name, written in two ways.")
        names[parts[-1]] = place
        yield from _below(place, parts, top, findings)
    if empty and folder != top:
        raise DataError(f"The folder {folder} is empty: each class needs images.")


def _below(place: Path, parts: tuple[str, ...], top: Path, findings: Findings) -> Iterator[Source]:
    label = _relative(place, top)
    if place.is_dir():
        if len(parts) > 4:  # also ends the walk where a link leads back to a folder above
            raise DataError(f"{place} lies too deep: a class folder holds images only.")
        yield from _walk(place, top, findings)
    elif place.is_file():
        yield Source(parts, label, partial(_open, place))
    elif place.is_symlink():
        findings.problems[label] = f"it is a link to {os.readlink(place)}, which does not exist"
    else:
        findings.problems[label] = "it is neither a file nor a folder"


def _open(place: Path) -> IO[bytes]:
    return place.open("rb")


def _relative(place: Path, top: Path) -> str:
    return str(place.relative_to(top))


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _drop_litter(parts: tuple[str, ...], findings: Findings) -> bool:
    """Say whether a file is litter or lies in some, and count it."""
    for name in parts:
        if name.startswith(".") or name.lower() in LITTER:
            findings.litter[name] += 1
            return True
    return False


# -- which image belongs where ----------------------------------------------------------------


def _arrange(where: Path, sources: list[Source], findings: Findings) -> dict[str, list[Source]]:
    """Sort files into training and test part, and reject what fits into neither."""
    sources = _unwrapped(sources)
    split = any(len(s.parts) > 2 and s.parts[0].lower() in SPLITS for s in sources)
    tops = {s.parts[0] for s in sources if len(s.parts) > 1}
    if not split and tops and all(top.lower() in SPLITS for top in tops):
        raise DataError(
            f"{where / min(tops)} holds images without class folders: they need to lie in "
            f"{min(tops)}/<class>/<image>."
        )
    depth = 3 if split else 2
    tree: dict[str, list[Source]] = {}
    for source in sources:
        part = SPLITS.get(source.parts[0].lower()) if split else "train"
        if len(source.parts) == depth and part is not None:
            tree.setdefault(part, []).append(source)
        elif len(source.parts) > depth or source.looks_like_an_image:
            raise DataError(
                f"{where / source.label} lies outside the layout <class>/<image> or "
                "{train,test}/<class>/<image>."
            )
    if split:
        _merge_splits(where, tree, findings)
    if not tree.get("train"):
        raise DataError(f"{where} holds no training images: it needs <class>/<image> files.")
    _require_equal_classes(where, tree)
    for placed in tree.values():
        placed.sort(key=lambda source: source.parts[-2])
    return tree


def _unwrapped(sources: list[Source]) -> list[Source]:
    """Look through a folder that holds all the others."""
    images = [source for source in sources if source.looks_like_an_image] or sources
    tops = {source.parts[0] for source in images}
    wrapped = len(tops) == 1 and min(tops).lower() not in SPLITS
    if not wrapped or any(len(source.parts) < 3 for source in images):
        return sources
    inside = [s for s in sources if s.parts[0] in tops and len(s.parts) > 1]
    return _unwrapped([replace(source, parts=source.parts[1:]) for source in inside])


def _merge_splits(where: Path, tree: dict[str, list[Source]], findings: Findings) -> None:
    """Check that each part is one folder, and give a validation folder its place."""
    for part, sources in tree.items():
        folders = sorted({source.parts[0] for source in sources})
        if len(folders) > 1:
            raise DataError(
                f"{where} has the folders {' and '.join(folders)}, which mean the same part "
                f"({part}): join them."
            )
    validation = tree.pop("validation", None)
    if validation and "test" in tree:
        folder = validation[0].parts[0]
        findings.remarks.append(f"The images of {folder} are part of the training set.")
        tree["train"] = tree.get("train", []) + validation
    elif validation:
        tree["test"] = validation


def _require_equal_classes(where: Path, tree: dict[str, list[Source]]) -> None:
    classes = {part: {source.parts[-2] for source in sources} for part, sources in tree.items()}
    for name in sorted(classes["train"] ^ classes.get("test", classes["train"])):
        raise DataError(f"{where} has class {name!r} in only one of its parts train and test.")


def _split(where: Path, sources: list[Source], classes: tuple[str, ...]) -> dict[str, list[Source]]:
    labels = torch.tensor([classes.index(source.parts[-2]) for source in sources])
    counts = torch.bincount(labels).tolist()
    for name, count in zip(classes, counts, strict=True):
        if count < 2:
            raise DataError(
                f"Class {name!r} of {where} has one image only, so none can be held out for "
                "testing; add images, or make the folders train and test."
            )
    chosen = hold_out(labels, [max(1, round(n * TEST_SHARE)) for n in counts])
    return {
        part: [sources[position] for position in positions.tolist()]
        for part, positions in zip(("train", "test"), chosen, strict=True)
    }


# -- reading them -----------------------------------------------------------------------------


def _inspect(sources: Sequence[Source], findings: Findings, options: Options) -> dict[str, Header]:
    """Read the headers of all files, by label; files that cannot be used are noted."""

    def look(source: Source) -> Header | Unusable:
        try:
            with source.open() as stream:
                return pictures.inspect(stream, options.size)
        except (OSError, Unusable) as error:
            return _unusable(source, error)

    headers = {}
    for source, found in zip(sources, _in_threads(look, sources, "looking at images"), strict=True):
        if isinstance(found, Header):
            headers[source.label] = found
        else:
            findings.problems[source.label] = str(found)
    return headers


def _inspect_pixels(sources: Sequence[Source], findings: Findings, options: Options) -> None:
    """Decode images only to find those that are damaged, so that one message names them all."""

    def look(source: Source) -> Unusable | None:
        try:
            with source.open() as stream:
                pictures.decode(stream, options.size, options.background)
        except (OSError, Unusable) as error:
            return _unusable(source, error)
        return None

    for source, found in zip(sources, _in_threads(look, sources, "checking images"), strict=True):
        if found is not None:
            findings.problems[source.label] = str(found)


def _decode(
    sources: list[Source],
    headers: dict[str, Header],
    shape: tuple[int, int, int],
    findings: Findings,
    options: Options,
) -> tuple[Tensor, list[str]]:
    """Decode images into one array, and return it with the class of each."""
    stack = np.empty((len(sources), *shape), dtype=np.uint8)  # N×C×H×W
    alone = threading.Lock()

    def read(number: int) -> frozenset[str] | Unusable:
        source = sources[number]
        large = headers[source.label].decoded > LARGE
        try:
            with alone if large else nullcontext(), source.open() as stream:
                picture, notes = pictures.decode(stream, options.size, options.background)
        except (OSError, Unusable) as error:
            return _unusable(source, error)
        if picture.shape[:2] != shape[1:]:
            return Unusable(f"it has {picture.shape[1]}×{picture.shape[0]} pixels once upright")
        stack[number] = picture.transpose(2, 0, 1) if picture.ndim == 3 else picture
        return notes

    kept: list[str] = []
    for number, found in enumerate(_in_threads(read, range(len(sources)), "reading images")):
        if isinstance(found, Unusable):
            findings.problems[sources[number].label] = str(found)
        else:
            findings.conversions.update(found)
            if len(kept) < number:  # close the gap that a damaged file left
                stack[len(kept)] = stack[number]
            kept.append(sources[number].parts[-2])
    return torch.from_numpy(stack[: len(kept)]), kept


def _unusable(source: Source, error: Exception) -> Unusable:
    """The reason why a file cannot be used, with what helps."""
    reason = getattr(error, "strerror", None) or str(error)
    suffix = Path(source.parts[-1]).suffix.lower()
    if "no image" in reason and suffix in (".heic", ".heif", ".hif"):
        reason = "HEIC is read only once pillow-heif is installed and registered; or convert it"
    elif "no image" in reason and suffix in (".avif", ".avifs"):
        reason = "this version of Pillow reads no AVIF; convert it"
    return Unusable(reason)


def _in_threads(function: Callable[[T], R], items: Sequence[T], what: str) -> Iterator[R]:
    pool = ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1))
    try:
        done = pool.map(function, items)
        yield from tqdm(done, what, total=len(items), unit="image", delay=PATIENCE, leave=False)
    finally:
        pool.shutdown(cancel_futures=True)  # so that Ctrl-C does not wait for all of them


# -- what they must be like together ----------------------------------------------------------


def _checked_size(size: object) -> int | None:
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ValueError(f"size must be a number of pixels, at least 1, not {size!r}.")
    if size * size > pictures.MAX_PIXELS:
        most = int(pictures.MAX_PIXELS**0.5)
        raise ValueError(f"size must be at most {most:,} pixels, not {size:,}.")
    return size


def _require_one_size(where: Path, headers: dict[str, Header]) -> None:
    model, *others = headers.items()
    sizes = {
        label: f"{header.width}×{header.height}"
        for label, header in others
        if (header.width, header.height) != (model[1].width, model[1].height)
    }
    if sizes:
        raise DataError(
            f"The images of {where} differ in size: {model[0]} has {model[1].width}×"
            f"{model[1].height} pixels, but {len(sizes):,} others do not: {_listed(sizes)}; load "
            "the folder with size=... to resize and crop all images to one size."
        )


def _require_each_class(where: Path, found: Iterable[str], classes: tuple[str, ...]) -> None:
    if missing := sorted(set(classes) - set(found)):
        raise DataError(
            f"No training image of class {', '.join(map(repr, missing))} of {where} can be used."
        )


def _shape(headers: dict[str, Header], options: Options) -> tuple[int, int, int]:
    """Channels, height and width of the images to come."""
    first = next(iter(headers.values()))
    coloured = not pictures.grey_background(options.background)
    grey = all(h.grey and not (coloured and h.transparent) for h in headers.values())
    height, width = (options.size or first.height), (options.size or first.width)
    return 1 if grey else 3, height, width


def _require_memory(where: Path, count: int, shape: tuple[int, int, int]) -> None:
    """Refuse by arithmetic what cannot be held, before anything is decoded."""
    needed, free = count * int(np.prod(shape)), free_memory()
    if free is not None and needed > MEMORY_SHARE * free:
        raise DataError(
            f"The {count:,} images of {where} would take {needed / 2**30:.1f} GiB at "
            f"{shape[2]}×{shape[1]} pixels, and {free / 2**30:.1f} GiB of memory are free; load "
            "the folder with a smaller size=..., or give a DataLoader over it."
        )


def free_memory() -> int | None:
    """Return the bytes of memory that are free, or nothing where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        return None
    try:  # a container may have less than the machine
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        return min(free, max(0, limit - used))
    except (OSError, ValueError):
        return free


def _as_set(
    where: Path, part: str, images: Tensor, names: list[str], classes: tuple[str, ...]
) -> ImageSet:
    if part == "train":
        _require_each_class(where, names, classes)
    if not names:
        raise DataError(f"No {part} image of {where} can be used.")
    return ImageSet(images, torch.tensor([classes.index(name) for name in names]), classes)


def _listed(reasons: dict[str, str]) -> str:
    """The first few names with their reasons, and the number of the others."""
    shown = [f"{label} ({reason})" for label, reason in list(reasons.items())[:NAMED]]
    if len(reasons) > NAMED:
        shown.append(f"and {len(reasons) - NAMED:,} more")
    return ", ".join(shown)
