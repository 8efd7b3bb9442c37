"""Figures of the chapter on distilling generative models: wrong samples, tasks remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure

from latent_transfer.figures.images import show_image
from latent_transfer.figures.style import COLOURS, new_figure


def asked_and_seen(
    images: torch.Tensor,
    asked: torch.Tensor,
    seen: torch.Tensor,
    classes: Sequence[str],
    *,
    size: float = 0.55,
) -> Figure:
    """One row a class that was asked for; above an image that looks like another, what it is.

    Args:
        images: N×C×H×W in [0, 1], equally many of each class.
        asked: N, the classes that were asked for.
        seen: N, the classes that a judge sees.
        classes: Names of the classes.
        size: Inches an image.
    """
    columns = int((asked == asked[0]).sum())
    rows = len(images) // columns
    order = asked.argsort(stable=True)
    figure, axes = new_figure(
        rows, columns, size=(size * columns + 0.6, size * 1.25 * rows), gridspec_kw={"hspace": 0.1}
    )
    for axis, position in zip(axes, order.tolist(), strict=True):
        show_image(axis, images[position])
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        for spine in axis.spines.values():
            spine.set_visible(False)
        if seen[position] != asked[position]:
            axis.set_title(f"→ {classes[int(seen[position])]}", fontsize=8, pad=2, color=COLOURS[1])
    for row in range(rows):
        name = classes[int(asked[order[row * columns]])]
        axes[row * columns].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    return figure


def task_accuracies(panels: Mapping[str, torch.Tensor], tasks: Sequence[str]) -> Figure:
    """One panel a method: accuracy on each task after each task, as numbers on shades.

    Args:
        panels: Title to T×T accuracies in per cent, NaN for tasks to come.
        tasks: T names.
    """
    figure, axes = new_figure(1, len(panels), size=(3.1 * len(panels), 3.2), sharey=True)
    for axis, (title, table) in zip(axes, panels.items(), strict=True):
        axis.imshow(table.cpu().numpy(), cmap="viridis", vmin=0, vmax=100)
        axis.grid(visible=False)
        for after, row in enumerate(table.tolist()):
            for on, value in enumerate(row[: after + 1]):
                shade = "black" if value > 60 else "white"
                axis.text(
                    on, after, f"{value:.0f}", ha="center", va="center", color=shade, fontsize=9
                )
        axis.set_xticks(range(len(tasks)), tasks)
        axis.set_yticks(range(len(tasks)), tasks)
        axis.set(title=title, xlabel="tested on")
    axes[0].set_ylabel("after learning")
    return figure
