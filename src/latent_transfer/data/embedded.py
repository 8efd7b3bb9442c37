"""Data that needs no download: handwritten digits, printed digits, patches of two photographs."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from latent_transfer.data.image_set import ImageSet
from latent_transfer.data.splits import hold_out

TEN_DIGITS = tuple(str(digit) for digit in range(10))

#: Test images of each class in ``digits``.
DIGITS_TEST_PER_CLASS = 36

#: Fonts (files that matplotlib ships) of the training glyphs and, disjoint, of the test glyphs.
TRAIN_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-BoldOblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-BoldItalic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
    "cmb10",
    "cmr10",
    "cmss10",
)
TEST_FONTS = (
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono-Oblique",
    "DejaVuSerif-Italic",
    "STIXGeneralBol",
    "cmtt10",
)

#: Side of a glyph in pixels, and the factor by which it is drawn larger before it is averaged down.
GLYPH_SIZE, SUPERSAMPLING = 28, 2

#: Glyphs that are drawn at once; more need more memory and are no faster.
GLYPHS_AT_ONCE = 500

#: Side and stride of a photograph's patches, and the columns from which test patches are cut.
PATCH, STRIDE = 32, 8
TEST_BANDS = ((160, 224), (416, 480))
TRAIN_BANDS = ((0, 160), (224, 416), (480, 640))


def load_digits(size: int = 28) -> tuple[ImageSet, ImageSet]:
    """Loads scikit-learn's 1,797 handwritten digits with a fixed split, 36 test images a class.

    Args:
        size: 8 for the original pixels, 28 for digits of 20×20 pixels in a frame like MNIST's.

    Returns:
        1,437 training and 360 test images, grey.

    Raises:
        ValueError: if ``size`` is neither 8 nor 28.
    """
    if size not in (8, 28):
        raise ValueError(f"digits come with size 8 or 28, not {size}; use resize for other sizes.")
    from sklearn import datasets

    bunch = datasets.load_digits()
    pixels = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16  # N×1×8×8 in [0, 1]
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    whole = ImageSet.from_pixels(pixels if size == 8 else _enlarge(pixels), labels, TEN_DIGITS)
    train, test = hold_out(labels, [DIGITS_TEST_PER_CLASS] * 10)
    return whole.subset(train), whole.subset(test)


def _enlarge(pixels: Tensor) -> Tensor:
    """Draws 8×8 digits as 20×20 ones in the middle of a 28×28 frame.

    The margin is added before the interpolation, so that strokes at the edge of the 8×8 grid end
    softly. Contrast and threshold are chosen by eye: strokes about as wide and as sharp as MNIST's.
    """
    framed = functional.pad(pixels, (2, 2, 2, 2))  # N×1×12×12
    large = functional.interpolate(framed, (30, 30), mode="bicubic", align_corners=False)
    return ((large[..., 1:-1, 1:-1] - 0.55) * 1.6 + 0.5).clamp(0, 1)  # N×1×28×28


def load_glyphs(count: int = 6000) -> tuple[ImageSet, ImageSet]:
    """Renders printed digits in many fonts, sizes, slants and weights, the same at every call.

    Args:
        count: number of training images.

    Returns:
        ``count`` training images and 1,000 test images, grey 28×28, in fonts of their own.

    Raises:
        ValueError: if ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"glyphs need a count of at least 1, got {count}.")
    return _draw_glyphs(TRAIN_FONTS, count, seed=1), _draw_glyphs(TEST_FONTS, 1000, seed=2)


def _draw_glyphs(fonts: tuple[str, ...], count: int, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    masters = _masters(fonts)  # fonts×10×3×56×56
    labels = torch.arange(count) % 10
    font = torch.randint(len(fonts), (count,), generator=generator)
    parts = []
    for start in range(0, count, GLYPHS_AT_ONCE):
        part = slice(start, start + GLYPHS_AT_ONCE)
        parts.append(_deform(masters[font[part], labels[part]], generator))
    return ImageSet.from_pixels(torch.cat(parts), labels, TEN_DIGITS)


def _deform(masters: Tensor, generator: torch.Generator) -> Tensor:
    """Draws weight, size, width, slant, angle and place of each glyph; B×3×56×56 to B×1×28×28."""
    count = len(masters)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    shapes = _weigh(masters, uniform(-0.3, 0.8))  # B×1×56×56
    scale, stretch = uniform(0.7, 1.15), uniform(0.85, 1.15)
    slant, angle = uniform(-0.15, 0.25), uniform(-8, 8) * (math.pi / 180)
    across, down = uniform(-2, 2) * (2 / GLYPH_SIZE), uniform(-2, 2) * (2 / GLYPH_SIZE)
    matrix = _inverse_affine(scale * stretch, scale, slant, angle, across, down)
    grid = functional.affine_grid(matrix, list(shapes.shape), align_corners=False)
    large = functional.grid_sample(shapes, grid, mode="bilinear", align_corners=False)
    return functional.avg_pool2d(large, SUPERSAMPLING).clamp(0, 1)  # B×1×28×28


def _weigh(masters: Tensor, weight: Tensor) -> Tensor:
    """Blends the regular shape with the bold one (weight up to 1) or the thin one (to −1)."""
    regular, bold, thin = masters[:, :1], masters[:, 1:2], masters[:, 2:]
    weight = weight.view(-1, 1, 1, 1)
    return regular + torch.where(weight > 0, bold - regular, regular - thin) * weight


def _inverse_affine(
    width: Tensor, height: Tensor, slant: Tensor, angle: Tensor, across: Tensor, down: Tensor
) -> Tensor:
    """Returns B×2×3 matrices from output to input places, as ``affine_grid`` wants them."""
    cosine, sine = angle.cos(), angle.sin()
    rotation = torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2)
    zero, one = torch.zeros_like(slant), torch.ones_like(slant)
    shear = torch.stack([one, -slant, zero, one], 1).view(-1, 2, 2)
    scaling = torch.stack([width, zero, zero, height], 1).view(-1, 2, 2)
    inverse = torch.linalg.inv(rotation @ shear @ scaling)  # B×2×2
    offset = -inverse @ torch.stack([across, down], 1)[:, :, None]
    return torch.cat([inverse, offset], 2)


@functools.cache
def _masters(fonts: tuple[str, ...]) -> Tensor:
    """Draws each digit of each font regular, bolder and thinner; fonts×10×3×56×56 in [0, 1]."""
    regular = torch.stack([_draw_digits(name) for name in fonts])  # fonts×10×56×56
    bold = functional.max_pool2d(regular, 3, stride=1, padding=1)  # dilated by a pixel
    thin = -functional.max_pool2d(-regular, 3, stride=1, padding=1)  # eroded by a pixel
    return torch.stack([regular, bold, thin], 2)


def _draw_digits(name: str) -> Tensor:
    """Draws the ten digits of a font that matplotlib ships, 40 of 56 pixels high."""
    import numpy as np
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    path = str(Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf")
    box = ImageFont.truetype(path, 100).getbbox("0")
    font = ImageFont.truetype(path, round(100 * 40 / (box[3] - box[1])))
    side = GLYPH_SIZE * SUPERSAMPLING
    shapes = []
    for digit in TEN_DIGITS:
        left, top, right, bottom = font.getbbox(digit)
        canvas = Image.new("L", (side, side))
        corner = ((side - left - right) / 2, (side - top - bottom) / 2)
        ImageDraw.Draw(canvas).text(corner, digit, fill=255, font=font)
        shapes.append(torch.from_numpy(np.asarray(canvas, dtype="float32") / 255))
    return torch.stack(shapes)  # 10×56×56


def load_photos() -> tuple[ImageSet, ImageSet]:
    """Cuts 32×32 patches from scikit-learn's two sample photographs.

    Test patches come from two vertical bands of each photograph, training patches from the
    columns between, so that no pixel is in both sets. Patches of one set overlap each other.

    Returns:
        5,500 training and 1,000 test images, RGB, with the classes china and flower.
    """
    from sklearn import datasets

    photographs = datasets.load_sample_images()
    pictures = {Path(name).stem: i for i, name in enumerate(photographs.filenames)}
    classes = ("china", "flower")
    pixels = [torch.tensor(photographs.images[pictures[name]]).permute(2, 0, 1) for name in classes]
    return _cut(pixels, TRAIN_BANDS, classes), _cut(pixels, TEST_BANDS, classes)


def _cut(
    pictures: list[Tensor], bands: tuple[tuple[int, int], ...], classes: tuple[str, ...]
) -> ImageSet:
    """Cuts patches on a grid within bands of columns from pictures of 3×H×W."""
    images, labels = [], []
    for label, picture in enumerate(pictures):
        for left, right in bands:
            windows = picture[:, :, left:right].unfold(1, PATCH, STRIDE).unfold(2, PATCH, STRIDE)
            patches = windows.permute(1, 2, 0, 3, 4).reshape(-1, 3, PATCH, PATCH)
            images.append(patches)
            labels.append(torch.full((len(patches),), label))
    return ImageSet(torch.cat(images), torch.cat(labels), classes)
