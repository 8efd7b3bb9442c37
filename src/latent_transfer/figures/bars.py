"""Bars and histograms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from latent_transfer.figures.curves import Series
from latent_transfer.figures.style import COLOURS, new_figure


def bars(
    values: Mapping[str, Series | float],
    *,
    ylabel: str = "",
    title: str = "",
    size: tuple[float, float] = (6.4, 3.6),
) -> Figure:
    """Draw one bar per name; several values become their mean, with each value as a dot.

    Args:
        values: Name to one value or several.
        ylabel: Label of the y axis, with its unit.
        title: Above the axes.
        size: Width and height in inches.

    Example:
        >>> from latent_transfer.figures import bars
        >>> figure = bars({"scratch": [9.0, 11.0], "transfer": 4.0})
        >>> [float(bar.get_height()) for bar in figure.axes[0].patches]
        [10.0, 4.0]
    """
    figure, (axis,) = new_figure(size=size)
    for position, (name, runs) in enumerate(values.items()):
        points = torch.atleast_1d(torch.as_tensor(runs, dtype=torch.float64).cpu())
        axis.bar(position, points.mean().item(), color=COLOURS[0], alpha=0.75, label=name)
        if len(points) > 1:
            axis.plot([position] * len(points), points.tolist(), "o", color="black", markersize=3)
    axis.set_xticks(range(len(values)), list(values))
    axis.set(ylabel=ylabel, title=title)
    return figure


def histograms(
    series: Mapping[str, torch.Tensor],
    *,
    xlabel: str = "",
    title: str = "",
    bins: int = 50,
    size: tuple[float, float] = (6.4, 3.6),
) -> Figure:
    """Draw the densities of one or several samples on common bins.

    Args:
        series: Name to values of any shape.
        xlabel: Label of the x axis, with its unit.
        title: Above the axes.
        bins: Number of bins over the common range.
        size: Width and height in inches.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import histograms
        >>> figure = histograms({"prior": torch.randn(99), "posterior": torch.randn(9, 2)})
        >>> figure.axes[0].get_ylabel()
        'density'
    """
    figure, (axis,) = new_figure(size=size)
    samples = {name: values.detach().flatten().cpu() for name, values in series.items()}
    everything = torch.cat(list(samples.values()))
    edges = torch.linspace(everything.min().item(), everything.max().item(), bins + 1).tolist()
    for name, values in samples.items():
        axis.hist(values, edges, density=True, histtype="step", label=name, lw=1.6)
    axis.set(xlabel=xlabel, ylabel="density", title=title)
    if len(series) > 1:
        axis.legend()
    return figure


def kl_spectrum(kl: torch.Tensor, active: torch.Tensor, *, title: str = "") -> Figure:
    """Draw the KL of every latent dimension, largest first, with the active units marked.

    Args:
        kl: D nats, the mean of each dimension over a set.
        active: D booleans.
        title: Above the axes.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import kl_spectrum
        >>> figure = kl_spectrum(torch.tensor([0.0, 2.0]), torch.tensor([False, True]))
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['active', 'not active']
    """
    figure, (axis,) = new_figure()
    order = kl.argsort(descending=True)
    heights, used = kl[order].tolist(), active[order].tolist()
    # Hatched too: the difference must survive a print without colour.
    for name, wanted, colour, hatch in (
        ("active", True, COLOURS[0], None),
        ("not active", False, COLOURS[1], "///"),
    ):
        ranks = [rank for rank, state in enumerate(used, start=1) if state is wanted]
        if ranks:
            axis.bar(
                ranks, [heights[rank - 1] for rank in ranks], label=name, color=colour, hatch=hatch
            )
    axis.set(xlabel="latent dimension, by rank", ylabel="KL in nats per image", title=title)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend()
    return figure
