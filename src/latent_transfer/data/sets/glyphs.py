"""Printed digits, drawn from the fonts that matplotlib ships."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from latent_transfer.data.entry import TEN_DIGITS, Entry, Parts
from latent_transfer.data.images import ImageSet

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


def read(root: Path, count: int = 6000) -> Parts:
    """Render printed digits in many fonts, sizes, slants and weights, the same at every call.

    Args:
        root: Not needed: the fonts come with matplotlib.
        count: Number of training images.

    Returns:
        ``count`` training images and 1,000 test images, grey 28×28, in fonts of their own.

    Raises:
        ValueError: If ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"glyphs need a count of at least 1, not {count}.")
    return Parts(_draw_glyphs(TRAIN_FONTS, count, seed=1), _draw_glyphs(TEST_FONTS, 1000, seed=2))


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
    """Draw weight, size, width, slant, angle and place of each glyph; B×3×56×56 to B×1×28×28."""
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
    """Blend the regular shape with the bold one (weight up to 1) or the thin one (to −1)."""
    regular, bold, thin = masters[:, :1], masters[:, 1:2], masters[:, 2:]
    weight = weight.view(-1, 1, 1, 1)
    return regular + torch.where(weight > 0, bold - regular, regular - thin) * weight


def _inverse_affine(
    width: Tensor, height: Tensor, slant: Tensor, angle: Tensor, across: Tensor, down: Tensor
) -> Tensor:
    """Return B×2×3 matrices from output to input places, as ``affine_grid`` wants them."""
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
    """Draw each digit of each font regular, bolder and thinner; fonts×10×3×56×56 in [0, 1]."""
    regular = torch.stack([_draw_digits(name) for name in fonts])  # fonts×10×56×56
    bold = functional.max_pool2d(regular, 3, stride=1, padding=1)  # dilated by a pixel
    thin = -functional.max_pool2d(-regular, 3, stride=1, padding=1)  # eroded by a pixel
    return torch.stack([regular, bold, thin], 2)


def _draw_digits(name: str) -> Tensor:
    """Draw the ten digits of a font that matplotlib ships, 40 of 56 pixels high."""
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


ENTRIES = [
    Entry(
        name="glyphs",
        title="printed digits in the fonts of matplotlib",
        train=6000,
        test=1000,
        shape=(1, 28, 28),
        classes=TEN_DIGITS,
        licence="none needed (drawn from free fonts)",
        citation="fonts shipped with matplotlib",
        read=read,
        options=("count",),
    )
]
