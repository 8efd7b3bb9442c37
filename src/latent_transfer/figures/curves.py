"""Lines with bands, bars and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from latent_transfer.evaluation import Estimate
from latent_transfer.figures.style import COLOURS, look, new_figure
from latent_transfer.training import History

Series = torch.Tensor | Sequence[float]


def curves(
    series: Mapping[str, Series],
    *,
    x: Series | None = None,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    log_x: bool = False,
    size: tuple[float, float] = (6.4, 3.6),
) -> Figure:
    """One line a series; a series of several runs becomes their mean with the range as a band.

    Args:
        series: Name to P values, or to R×P values, one row a run.
        x: P positions; 1, 2, 3, ... if left out.
        xlabel: Label of the x axis, with its unit.
        ylabel: Label of the y axis, with its unit.
        title: Above the axes.
        log_x: Logarithmic x axis.
        size: Inches.
    """
    figure, (axis,) = new_figure(size=size)
    for number, (name, values) in enumerate(series.items()):
        colour, _ = look(number)
        runs = torch.atleast_2d(torch.as_tensor(values, dtype=torch.float64).cpu())  # R×P
        positions = list(range(1, runs.shape[1] + 1)) if x is None else list(x)
        # A dozen markers tell the lines apart without colour; one a point would bury them.
        apart = max(1, len(positions) // 12)
        axis.plot(positions, runs.mean(0).tolist(), label=name, color=colour, markevery=apart)
        if len(runs) > 1:
            low, high = runs.amin(0).tolist(), runs.amax(0).tolist()
            axis.fill_between(positions, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if log_x:
        axis.set_xscale("log")
        if x is not None and len(x) <= 6:  # few enough to name each instead of powers of ten
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_xticks(list(x), [f"{float(position):g}" for position in x])
    elif all(float(position).is_integer() for position in positions):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(series) > 1:
        axis.legend()
    return figure


def line_of_means(
    axis: Axes, positions: Sequence[float], rows: torch.Tensor, number: int, name: str
) -> None:
    """Draw series ``number``: the mean of each row over its runs, with its 95 % interval.

    Args:
        axis: Where to.
        positions: P places on the x axis.
        rows: P×R values, one row a place, one column a run.
        number: Decides colour and marker.
        name: For the legend.
    """
    estimates = [Estimate.of(row) for row in rows]
    colour, marker = look(number)
    axis.errorbar(
        positions,
        [estimate.mean for estimate in estimates],
        yerr=[estimate.interval()[1] - estimate.mean for estimate in estimates],
        label=name,
        color=colour,
        marker=marker,
        capsize=2,
    )


def history(record: History, *, title: str = "", ylabel: str = "nats per image") -> Figure:
    """Every loss term over the epochs, training and validation side by side in one plot."""
    series = {f"{name} (training)": values for name, values in record.training.items()}
    series |= {f"{name} (validation)": values for name, values in record.validation.items()}
    return curves(series, xlabel="epoch", ylabel=ylabel, title=title)


def bars(
    values: Mapping[str, Series | float],
    *,
    ylabel: str = "",
    title: str = "",
    size: tuple[float, float] = (6.4, 3.6),
) -> Figure:
    """One bar a name; several values become their mean, with each value as a dot.

    Args:
        values: Name to one value or several.
        ylabel: Label of the y axis, with its unit.
        title: Above the axes.
        size: Inches.
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
    """Densities of one or several samples on common bins.

    Args:
        series: Name to values of any shape.
        xlabel: Label of the x axis, with its unit.
        title: Above the axes.
        bins: Number of bins over the common range.
        size: Inches.
    """
    figure, (axis,) = new_figure(size=size)
    everything = torch.cat([values.detach().flatten() for values in series.values()])
    edges = torch.linspace(everything.min().item(), everything.max().item(), bins + 1).tolist()
    for name, values in series.items():
        axis.hist(
            values.detach().flatten().cpu(),
            edges,
            density=True,
            histtype="step",
            label=name,
            lw=1.6,
        )
    axis.set(xlabel=xlabel, ylabel="density", title=title)
    if len(series) > 1:
        axis.legend()
    return figure
