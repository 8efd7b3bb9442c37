"""Tables of numbers as shades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure

from latent_transfer.figures.style import new_figure


def density_maps(maps: Mapping[str, torch.Tensor], *, size: float = 1.9) -> Figure:
    """Draw tables of probabilities side by side on one scale: the darker, the more probable.

    Args:
        maps: Name to I×J probabilities of cells; I runs to the right, J upwards.
        size: Inches per map.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import density_maps
        >>> figure = density_maps({"data": torch.rand(4, 4), "model": torch.rand(4, 4)})
        >>> [axis.get_title() for axis in figure.axes]
        ['data', 'model']
    """
    figure, axes = new_figure(1, len(maps), size=(size * len(maps), size + 0.3))
    most = max(table.max().item() for table in maps.values())
    for axis, (name, table) in zip(axes, maps.items(), strict=True):
        shown = (table.detach().cpu() / most).sqrt()  # the root makes small probabilities visible
        axis.imshow(shown.T.numpy(), origin="lower", cmap="Blues", vmin=0, vmax=1)
        axis.set_title(name, fontsize=10)
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    return figure


def task_accuracies(panels: Mapping[str, torch.Tensor], tasks: Sequence[str]) -> Figure:
    """Draw one panel per method: the accuracy on each task after each task, as shaded numbers.

    Args:
        panels: Title to T×T accuracies in per cent, NaN for tasks to come.
        tasks: T names.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import task_accuracies
        >>> table = torch.tensor([[99.0, torch.nan], [40.0, 98.0]])
        >>> figure = task_accuracies({"no replay": table}, ["0 or 1", "2 or 3"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['99', '40', '98']
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
