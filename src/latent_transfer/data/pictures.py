"""One image file: what its header says, and its pixels as 8-bit grey or colour.

Nothing is converted unseen: each conversion has a name, and :func:`decode` returns those it made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

#: Formats that are read, by their names in Pillow; HEIF only where pillow-heif is registered.
FORMATS = (
    "PNG",
    "JPEG",
    "MPO",
    "BMP",
    "DIB",
    "GIF",
    "WEBP",
    "TIFF",
    "AVIF",
    "JPEG2000",
    "PPM",
    "HEIF",
)

#: Endings of names by which a file that lies outside the layout is known to be an image.
SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("png", "apng", "jpg", "jpeg", "jpe", "jfif", "mpo", "bmp", "dib", "gif", "webp"),
        *("tif", "tiff", "avif", "avifs", "heic", "heif", "hif", "jp2", "j2k", "jpx"),
        *("ppm", "pgm", "pbm", "pnm", "pfm"),
    )
)

#: Largest image that is decoded, in pixels; more is taken for a decompression bomb.
MAX_PIXELS = 64_000_000

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F"})  # and I;16 with its variants

#: A name, ``"#rrggbb"``, or red, green and blue from 0 to 255.
Colour = str | tuple[int, int, int]
#: Opens a file.
Opener = Callable[[], IO[bytes]]
Picture = npt.NDArray[np.uint8]  # H×W or H×W×3


class Unusable(Exception):
    """An image that cannot be used; the message is the reason, to stand in brackets."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its pixels are decoded.

    Attributes:
        width: Pixels of the upright image.
        height: Pixels of the upright image.
        grey: Whether it has one channel.
        transparent: Whether it may have pixels that one can see through.
        decoded: Pixels that the decoder will make, fewer than the image has if it can shrink.
    """

    width: int
    height: int
    grey: bool
    transparent: bool
    decoded: int


def inspect(stream: IO[bytes], size: int | None) -> Header:
    """Return what an image file says of itself.

    Args:
        stream: The file.
        size: Side of the square that the image will be resized to; none to keep its size.

    Raises:
        Unusable: If it is no image that is read here, or too large.
    """
    with _opened(stream) as image:
        full = _upright_size(image)
        _shrink(image, size)
        transparent = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or _has_key(image)
        return Header(*full, _is_grey(image), transparent, image.width * image.height)


def decode(
    stream: IO[bytes], size: int | None, background: tuple[int, int, int]
) -> tuple[Picture, frozenset[str]]:
    """Return the pixels of an image file.

    Args:
        stream: The file.
        size: Side of the square to which the image is resized and centre-cropped.
        background: Red, green and blue behind transparent pixels.

    Returns:
        H×W if the file is grey (and the background, where it shows), else H×W×3; and the names of
        the conversions that were made.

    Raises:
        Unusable: If the file is damaged, or has values that are no pixels.
    """
    from PIL import ImageOps

    with _opened(stream) as image:
        _shrink(image, size)
        notes = {name for name, holds in _kinds(image) if holds}
        turned = _orientation(image) != 1
        image.load()
        if _orientation(image, loaded=True) != 1:
            turned = True
            ImageOps.exif_transpose(image, in_place=True)
        if turned:
            notes.add("turned upright as their EXIF data say")
        plain = _plain(image)
        if size is not None:
            plain = _cropped(plain, size)
        if plain.mode in ("LA", "RGBA"):
            lowest, _ = cast("tuple[int, int]", plain.getchannel("A").getextrema())
            if lowest < 255:
                notes.add("with transparent pixels put on the background")
            plain = _put_on(plain, background)
        return np.array(plain, dtype=np.uint8), frozenset(notes)


def grey_background(background: tuple[int, int, int]) -> bool:
    """Say whether a colour is a grey."""
    return len(set(background)) == 1


# -- opening ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(stream: IO[bytes]) -> Iterator[Image]:
    from PIL import Image

    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        with Image.open(stream, formats=formats) as image:
            yield image
    except Unusable:
        raise
    except Image.DecompressionBombError:
        raise Unusable(f"it has more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise Unusable("it does not fit into memory") from None
    except Exception as error:  # decoders raise whatever they stumble over
        raise Unusable(_first_line(error)) from None


def _shrink(image: Image, size: int | None) -> None:
    """Let a JPEG decoder skip what resizing would throw away, and refuse what stays too large."""
    if size is not None:
        image.draft(image.mode, (2 * size, 2 * size))
    if image.width * image.height > MAX_PIXELS:
        raise Unusable(
            f"it has {image.width}×{image.height} pixels, more than {MAX_PIXELS:,} in all"
        )


def _orientation(image: Image, loaded: bool = False) -> int:
    # A PNG may hold its EXIF data after the pixels: asking early would decode it.
    if not loaded and image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # damaged metadata; the pixels may be sound
        return 1
    return value if value in range(2, 9) else 1


def _upright_size(image: Image) -> tuple[int, int]:
    width, height = image.size
    if _orientation(image) < 5:  # 5 to 8 exchange width and height
        return width, height
    if tags := getattr(image, "tag_v2", None):  # of a TIFF, which some versions turn by themselves
        width, height = tags[256], tags[257]
    return height, width


def _is_grey(image: Image) -> bool:
    return image.mode in GREY_MODES or image.mode.startswith("I;16")


def _has_key(image: Image) -> bool:
    """Whether one of its colours is declared transparent."""
    return "transparency" in image.info and image.mode in ("1", "L", "P", "RGB")


def _kinds(image: Image) -> list[tuple[str, bool]]:
    """The conversions that the header foretells."""
    # Pillow cuts 16-bit colour to 8 bits by itself: only the decoder's arguments show it.
    deep = any(";16" in str(tile[3]) for tile in getattr(image, "tile", []))
    try:
        several = bool(getattr(image, "is_animated", False))
    except Exception:  # a damaged second frame is nobody's loss
        several = True
    return [
        ("of 16 bits per channel scaled to 8", deep or image.mode.startswith("I")),
        ("of floating-point pixels in [0, 1] scaled to 8 bits", image.mode == "F"),
        (f"in {image.mode} converted to RGB", image.mode in ("CMYK", "LAB", "HSV", "YCbCr")),
        ("with several pictures read for their first one", several),
    ]


def _first_line(error: Exception) -> str:
    # Pillow names the buffer object in its messages, which tells a reader nothing.
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "it is no image in a known format" if "cannot identify" in text else text


# -- 8-bit grey or colour ---------------------------------------------------------------------


def _plain(image: Image) -> Image:
    """Return the image in one of the modes L, LA, RGB and RGBA."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _eight_bits(image)
    grey = mode in ("1", "L", "LA", "La")
    transparent = mode in ("LA", "La", "PA", "RGBA", "RGBa") or _has_key(image)
    wanted = ("L" if grey else "RGB") + ("A" if transparent else "")
    return image if mode == wanted else image.convert(wanted)  # convert would copy


def _cropped(image: Image, size: int) -> Image:
    """Resize the square in the middle, by bilinear interpolation with antialiasing."""
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    # Large images are first reduced by a whole factor, which is faster and looks the same.
    return image.resize((size, size), Image.Resampling.BILINEAR, box, reducing_gap=3.0)


def _eight_bits(image: Image) -> Image:
    from PIL import Image

    values = np.asarray(image, dtype=np.float32)
    top = 1 if image.mode == "F" else 65535
    if not (values.min() >= 0 and values.max() <= top):  # NaN as well
        raise Unusable(
            f"its values run from {values.min():g} to {values.max():g}, not from 0 to {top}"
        )
    return Image.fromarray((values * (255 / top)).round().astype(np.uint8))


def _put_on(image: Image, background: tuple[int, int, int]) -> Image:
    from PIL import Image

    grey = image.mode == "LA" and grey_background(background)
    canvas = Image.new("RGBA", image.size, (*background, 255))
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("L" if grey else "RGB")


def read_colour(background: object) -> tuple[int, int, int]:
    """Return a colour as red, green and blue from 0 to 255.

    Raises:
        ValueError: If it is none.
    """
    from PIL import ImageColor

    try:
        parts = ImageColor.getrgb(background) if isinstance(background, str) else background
        red, green, blue = cast("tuple[int, int, int]", parts)[:3]
        if all(isinstance(part, int) and 0 <= part <= 255 for part in (red, green, blue)):
            return red, green, blue
    except (TypeError, ValueError):
        pass
    raise ValueError(
        "background must be a colour such as 'white' or '#ff8800', or three numbers from 0 to 255, "
        f"not {background!r}."
    )
