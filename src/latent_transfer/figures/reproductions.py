"""Recorded tables as pictures."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from latent_transfer.figures.style import look, new_figure
from latent_transfer.records import RecordedRow, RecordedTable


def beside_the_paper(
    table: RecordedTable, methods: Sequence[str] | None = None, *, log_x: bool = False
) -> Figure:
    """Every row of a recorded table on a line of its own: each value, their mean, the paper's.

    Args:
        table: From :func:`latent_transfer.records.recorded`; its first row decides the metric, and
            rows of another are left out.
        methods: Those to draw; all if left out.
        log_x: Logarithmic x axis.

    Raises:
        ValueError: If no rows are left.
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
