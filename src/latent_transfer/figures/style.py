"""The one style sheet of the book."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's palette, told apart under every common colour-vision deficiency; its yellow is left
# out because thin yellow lines vanish on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=COLOURS) + cycler(marker=MARKERS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 120,
    "figure.facecolor": "white",
    "font.size": 11,
    "grid.alpha": 0.25,
    "image.cmap": "gray",
    "legend.frameon": False,
    "lines.markersize": 5,
    "savefig.facecolor": "white",
}


def look(number: int) -> tuple[str, str]:
    """Return colour and marker of series ``number``, from 0; both start again after the last.

    Example:
        >>> from latent_transfer.figures.style import look
        >>> look(0), look(7) == look(0)
        (('#0072B2', 'o'), True)
    """
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]


def new_figure(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (6.4, 3.6), **options: Any
) -> tuple[Figure, list[Axes]]:
    """Make a figure in the book's style, and return it with its axes, row by row in one list.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        size: Width and height in inches.
        options: Passed on to ``matplotlib.pyplot.subplots``.

    Example:
        >>> from latent_transfer.figures import new_figure
        >>> figure, axes = new_figure(2, 3)
        >>> len(axes)
        6
    """
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    # Closed at once: a notebook shows the returned figure, and would otherwise show it twice.
    plt.close(figure)
    return figure, list(grid.flat)
