"""Points with their intervals or ranges: gains, paired differences, areas, recorded tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from latent_transfer.evaluation import Estimate
from latent_transfer.figures.style import look, new_figure
from latent_transfer.records import RecordedRow, RecordedTable


def score_against_gain(
    scores: Mapping[str, Mapping[str, float]], gains: Mapping[str, Estimate]
) -> Figure:
    """Draw one panel per score: the gain from each source against what the score had promised.

    Args:
        scores: Name of the score to the source's name to its value.
        gains: Source's name to its gain over no transfer, in percentage points; drawn with 95 %
            intervals.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import Estimate
        >>> from latent_transfer.figures import score_against_gain
        >>> gains = {"digits": Estimate.of(torch.tensor([2.0, 3.0]))}
        >>> len(score_against_gain({"LEEP": {"digits": -1.2}}, gains).axes)
        1
    """
    figure, axes = new_figure(1, len(scores), size=(2.4 * len(scores), 4.0), sharey=True)
    for axis, (score, values) in zip(axes, scores.items(), strict=True):
        for number, (source, value) in enumerate(values.items()):
            gain = gains[source]
            # Colours start again after seven, markers after twelve: pairs of them stay different.
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
    """Draw paired differences with 95 % intervals, one line per method; left of zero is better.

    Args:
        estimates: Name of the series, such as a budget, to the method's name to its difference.
            Each series has the same methods.
        xlabel: Label of the x axis, with its unit.
        title: Above the axes.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import Estimate
        >>> from latent_transfer.figures import paired_differences
        >>> change = {"fine-tuned": Estimate.of(torch.tensor([-2.0, -3.0]))}
        >>> figure = paired_differences({"5 labels": change})
        >>> [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
        ['fine-tuned']
    """
    methods = list(next(iter(estimates.values())))
    figure, (axis,) = new_figure(size=(6.8, 0.8 + 0.42 * len(methods)))
    for number, (name, differences) in enumerate(estimates.items()):
        colour, marker = look(number)
        # Beside one another instead of on top of one another.
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


def auroc_by_class(
    areas: Mapping[str, torch.Tensor], classes: Sequence[str], *, title: str = ""
) -> Figure:
    """Draw the area under the ROC curve for each class left out, with the range of the runs.

    A dashed line marks one half, where a score tells nothing; below it, it tells the opposite.

    Args:
        areas: Method to K×R areas, one row per class, one column per run.
        classes: Names of the K classes.
        title: Above the axes.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import auroc_by_class
        >>> figure = auroc_by_class({"−ELBO": torch.rand(3, 4)}, ["0", "1", "2"])
        >>> figure.axes[0].get_ylabel()
        'AUROC'
    """
    figure, (axis,) = new_figure(size=(7.2, 4.0))
    axis.axhline(0.5, color="black", linestyle="--", linewidth=0.8)
    for number, (name, rows) in enumerate(areas.items()):
        colour, marker = look(number)
        # Beside one another instead of on top of one another.
        shift = 0.14 * (number - (len(areas) - 1) / 2)
        places = [place + shift for place in range(len(classes))]
        mean, low, high = rows.mean(1), rows.amin(1), rows.amax(1)
        reach = torch.stack([mean - low, high - mean]).tolist()
        axis.errorbar(
            places, mean.tolist(), yerr=reach, fmt=marker, color=colour, label=name, capsize=2
        )
    axis.set_xticks(range(len(classes)), list(classes))
    axis.set(xlabel="class left out of training", ylabel="AUROC", title=title, ylim=(0, 1.02))
    axis.grid(axis="x", visible=False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def beside_the_paper(
    table: RecordedTable, methods: Sequence[str] | None = None, *, log_x: bool = False
) -> Figure:
    """Draw each row of a recorded table on its own line: every value, their mean, the paper's.

    Our mean and the paper's carry their standard deviations.

    Args:
        table: From :func:`latent_transfer.records.recorded`; its first row decides the metric, and
            rows of another are left out.
        methods: Those to draw; all if left out.
        log_x: Whether the x axis is logarithmic.

    Raises:
        ValueError: If no rows are left.

    Example:
        >>> from latent_transfer.figures import beside_the_paper
        >>> from latent_transfer.records import recorded
        >>> figure = beside_the_paper(recorded("kingma2014"))
        >>> figure.axes[0].get_xlabel()
        'test error, %'
    """
    chosen = [row for row in table.rows if methods is None or row.method in methods]
    if not chosen:
        raise ValueError(f"{table.name} has no rows to draw.")
    rows = [row for row in chosen if row.metric == chosen[0].metric]
    figure, (axis,) = new_figure(size=(6.4, 1.2 + 0.3 * len(rows)))
    for place, row in enumerate(rows):
        _draw(axis, place, row)
    axis.set_yticks(range(len(rows)), [row.label for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)  # the first row on top
    axis.set_xlabel(rows[0].quantity)
    if log_x:
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(ScalarFormatter())  # 10, not a power of ten
    handles, labels = axis.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axis.legend(once.values(), once.keys(), loc="lower center", bbox_to_anchor=(0.5, 1), ncol=3)
    return figure


def _draw(axis: Axes, place: int, row: RecordedRow) -> None:
    (ours, circle), (theirs, square) = look(0), look(1)
    axis.plot(
        row.values, [place] * len(row.values), "|", color=ours, alpha=0.6, label="one seed", ms=9
    )
    axis.errorbar(row.mean, place, xerr=row.std, fmt=circle, color=ours, capsize=3, label="mean")
    if row.paper:
        axis.errorbar(
            row.paper["mean"],
            place + 0.25,
            xerr=row.paper["std"],
            fmt=square,
            color=theirs,
            capsize=3,
            label="paper",
        )
