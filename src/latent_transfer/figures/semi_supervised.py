"""Figures of the chapter on semi-supervised VAEs: boundaries that move, handwriting that stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latent_transfer.figures.images import show_image
from latent_transfer.figures.style import look, new_figure


def two_class_means(
    points: torch.Tensor,
    labelled: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    means: Mapping[str, Sequence[torch.Tensor]],
) -> Figure:
    """One panel a question: unlabelled points, labelled ones, and the boundary between two means.

    Args:
        points: N×2 without labels, the same in every panel.
        labelled: Title of the panel to its few points, A×2, and their labels 0 or 1, A.
        means: Title of the panel to 2×2 class means, one pair a line to draw: the first is drawn
            dashed, as what the labels alone say, the last solid.
    """
    figure, axes = new_figure(
        1, len(labelled), size=(4.1 * len(labelled), 3.9), sharex=True, sharey=True
    )
    reach = 1.05 * points.abs().max().item()
    for axis, (title, (few, labels)) in zip(axes, labelled.items(), strict=True):
        axis.plot(*points.T, ".", color="0.7", markersize=3, label="without a label")
        for label in (0, 1):
            colour, marker = look(label)
            chosen = few[labels == label]
            axis.plot(
                *chosen.T,
                linestyle="none",
                marker=marker,
                color=colour,
                markersize=9,
                label=f"class {label}",
            )
        styles = ("--", "-")
        names = ("labels alone", "labels and unlabelled points")
        for pair, style, name in zip(means[title], styles, names, strict=True):
            _draw_boundary(axis, pair, reach, style, name)
        axis.set(title=title, xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    handles, names_shown = axes[0].get_legend_handles_labels()
    figure.legend(handles, names_shown, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _draw_boundary(axis: Axes, means: torch.Tensor, reach: float, style: str, name: str) -> None:
    """Draw the points as far from the one mean as from the other."""
    middle, apart = means.mean(0), means[1] - means[0]
    along = torch.stack([-apart[1], apart[0]]) / apart.norm()
    ends = middle + 3 * reach * torch.stack([-along, along])
    axis.plot(*ends.T, style, color="black", marker="", label=name)


def analogies(
    images: torch.Tensor, answers: torch.Tensor, classes: Sequence[str], *, size: float = 0.6
) -> Figure:
    """One row an image: the image itself, a gap, and its style in every class.

    Args:
        images: B×C×H×W in [0, 1]: where the styles come from.
        answers: K×B×C×H×W, as a model's method ``analogies`` gives them.
        classes: K names, above the columns.
        size: Inches an image.
    """
    rows, columns = len(images), len(answers) + 1
    figure, axes = new_figure(
        rows,
        columns,
        size=(size * (columns + 0.6), size * rows + 0.4),
        width_ratios=[1.6, *[1] * (columns - 1)],
    )
    for row, image in enumerate(images):
        line = axes[row * columns : (row + 1) * columns]
        for axis, shown in zip(line, [image, *answers[:, row]], strict=True):
            axis.set_axis_off()
            show_image(axis, shown)
    for axis, name in zip(axes, ["style of", *classes], strict=False):
        axis.set_title(name, fontsize=9, pad=3)
    return figure
