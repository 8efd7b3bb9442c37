"""Figures of the chapter on when transfer helps: gains with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from latent_transfer.evaluation import Estimate
from latent_transfer.figures.curves import line_of_means
from latent_transfer.figures.style import look, new_figure


def score_against_gain(
    scores: Mapping[str, Mapping[str, float]], gains: Mapping[str, Estimate]
) -> Figure:
    """One panel a score: what each source gained in the end against what the score had said.

    Args:
        scores: Name of the score to the source's name to its value.
        gains: Source's name to its gain over no transfer, in percentage points; drawn with 95 %
            intervals.
    """
    figure, axes = new_figure(1, len(scores), size=(2.4 * len(scores), 4.0), sharey=True)
    for axis, (score, values) in zip(axes, scores.items(), strict=True):
        for number, (source, value) in enumerate(values.items()):
            gain = gains[source]
            # Colours start again after seven, markers after six: together they stay different.
            colour, marker = look(number)[0], "osDv^PX<>*hp"[number % 12]
            reach = gain.interval()[1] - gain.mean
            axis.errorbar(
                value, gain.mean, yerr=reach, fmt=marker, color=colour, label=source, capsize=2
            )
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(xlabel=score)
        axis.xaxis.set_major_locator(MaxNLocator(3))
    axes[0].set_ylabel("gain over no transfer,\npercentage points")
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def paired_differences(
    estimates: Mapping[str, Mapping[str, Estimate]],
    *,
    xlabel: str = "change of the test error, percentage points",
    title: str = "",
) -> Figure:
    """Paired differences with 95 % intervals, one line a method; left of zero is better.

    Args:
        estimates: Name of the series, a budget say, to the method's name to its difference. Each
            series has the same methods.
        xlabel: Label of the x axis, with its unit.
        title: Above the axes.
    """
    methods = list(next(iter(estimates.values())))
    figure, (axis,) = new_figure(size=(6.8, 0.8 + 0.42 * len(methods)))
    for number, (name, differences) in enumerate(estimates.items()):
        colour, marker = look(number)
        # Beside one another instead of on one another.
        shift = 0.16 * (number - (len(estimates) - 1) / 2)
        axis.errorbar(
            [differences[method].mean for method in methods],
            [place + shift for place in range(len(methods))],
            xerr=[differences[m].interval()[1] - differences[m].mean for m in methods],
            fmt=marker,
            color=colour,
            label=name,
            capsize=2,
        )
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(methods)), methods)
    axis.invert_yaxis()
    axis.set(xlabel=xlabel, title=title)
    if len(estimates) > 1:
        axis.legend(fontsize=9)
    return figure


def by_layers(
    errors: Mapping[str, torch.Tensor],
    counts: Sequence[int],
    *,
    baseline: torch.Tensor,
    title: str = "",
) -> Figure:
    """Test error against the number of layers that were copied, with 95 % intervals.

    Args:
        errors: Name to K×R per cent: K numbers of layers, R runs.
        counts: The K numbers of layers.
        baseline: R errors without any copied layer, drawn as a line with its interval.
        title: Above the axes.
    """
    figure, (axis,) = new_figure(size=(6.4, 4.0))
    without = Estimate.of(baseline)
    axis.axhline(without.mean, color="black", linestyle="--", label="no layer copied")
    axis.axhspan(*without.interval(), color="black", alpha=0.1, linewidth=0)
    for number, (name, rows) in enumerate(errors.items()):
        shift = 0.05 * (number - (len(errors) - 1) / 2)
        line_of_means(axis, [count + shift for count in counts], rows, number, name)
    axis.set_xticks(list(counts))
    axis.set(xlabel="layers copied from the source", ylabel="test error, %", title=title)
    axis.legend(fontsize=9)
    return figure
