"""Grids and rows of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.nn.functional import pad

from latent_transfer.figures.style import new_figure


def image_grid(
    images: torch.Tensor,
    *,
    columns: int = 10,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    size: float = 0.7,
) -> Figure:
    """Images side by side, row after row.

    Args:
        images: N×C×H×W in [0, 1], one or three channels.
        columns: Images a row.
        labels: N captions, or none.
        title: Above the grid.
        size: Inches an image.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = size * (1.3 if labels else 1)
    figure, axes = new_figure(rows, columns, size=(size * columns, height * rows + 0.3))
    for axis in axes:
        axis.set_axis_off()
    for number, (axis, image) in enumerate(zip(axes, images, strict=False)):
        show_image(axis, image)
        if labels:
            axis.set_title(labels[number], fontsize=8, pad=2)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def image_rows(
    rows: Mapping[str, torch.Tensor], *, title: str | None = None, size: float = 0.7
) -> Figure:
    """Named rows of images, to compare originals with what models make of them.

    Args:
        rows: Name to N×C×H×W in [0, 1], the same N in every row.
        title: Above the rows.
        size: Inches an image.
    """
    columns = max(len(images) for images in rows.values())
    figure, axes = new_figure(len(rows), size=(size * columns + 1.4, size * len(rows) + 0.3))
    for axis, (name, images) in zip(axes, rows.items(), strict=True):
        axis.set_axis_off()
        show_image(axis, _side_by_side(images, columns))
        axis.text(-0.01, 0.5, name, transform=axis.transAxes, ha="right", va="center", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _side_by_side(images: torch.Tensor, columns: int) -> torch.Tensor:
    """N×C×H×W to one C×H×W' with white between the images and in the place of missing ones."""
    # An axis for every image would take seconds to lay out and draw.
    gap = max(1, images.shape[-1] // 14)
    missing = images.new_ones(columns - len(images), *images.shape[1:])
    spaced = pad(torch.cat([images, missing]), (0, gap), value=1)
    return spaced.permute(1, 2, 0, 3).flatten(2)[..., :-gap]


def show_image(axis: Axes, image: torch.Tensor) -> None:
    """Draw one C×H×W image in [0, 1] without interpolation."""
    pixels = image.detach().cpu().clamp(0, 1)
    if pixels.shape[0] == 1:
        axis.imshow(pixels[0].numpy(), cmap="gray", vmin=0, vmax=1)
    else:
        axis.imshow(pixels.permute(1, 2, 0).numpy())
