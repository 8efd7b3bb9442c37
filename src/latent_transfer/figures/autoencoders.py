"""Features of autoencoders as images, and errors against the number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from latent_transfer.figures.curves import line_of_means
from latent_transfer.figures.style import new_figure
from latent_transfer.nets import Shape


def signed_images(columns: torch.Tensor, shape: Shape) -> torch.Tensor:
    """Weights as images: zero becomes mid-grey, and each image uses its own full range.

    Args:
        columns: P×D with P = C·H·W, positive and negative.
        shape: C, H, W.

    Returns:
        D×C×H×W in [0, 1].
    """
    images = columns.detach().cpu().T.reshape(-1, *shape)  # D×C×H×W
    extremes = images.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    return 0.5 + 0.5 * images / extremes


def label_efficiency(
    errors: Mapping[str, torch.Tensor],
    budgets: Sequence[int],
    *,
    title: str = "",
    xlabel: str = "labelled images of each class",
    ylabel: str = "test error, %",
) -> Figure:
    """Test error against labelled images a class, with 95 % intervals of the mean over the draws.

    Args:
        errors: Name of the features to T×R per cent, one row a budget, one column a draw.
        budgets: T numbers of labelled images a class, ascending.
        title: Above the axes.
        xlabel: What the budgets count.
        ylabel: What the errors are, with their unit.
    """
    figure, (axis,) = new_figure(size=(6.4, 4.0))
    for number, (name, rows) in enumerate(errors.items()):
        # Shifted a little sideways (on a logarithmic axis: by a factor), so that bars do not hide
        # one another.
        shift = 1.03 ** (number - (len(errors) - 1) / 2)
        line_of_means(axis, [budget * shift for budget in budgets], rows, number, name)
    axis.set_xscale("log")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(list(budgets), [str(budget) for budget in budgets])
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if len(errors) > 4:  # a legend as tall as the axes would hide the lines
        figure.legend(loc="outside right center")
    else:
        axis.legend()
    return figure
