"""Lines over a quantity: with bands of ranges, with intervals, or through single runs."""

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
    """Draw one line per series; several runs become their mean, with their range as a band.

    Args:
        series: Name to P values, or to R×P values, one row per run.
        x: P positions; 1, 2, 3, ... if left out.
        xlabel: Label of the x axis, with its unit.
        ylabel: Label of the y axis, with its unit.
        title: Above the axes.
        log_x: Whether the x axis is logarithmic.
        size: Width and height in inches.

    Raises:
        ValueError: If there is no series.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import curves
        >>> figure = curves({"three runs": torch.rand(3, 5), "one run": [4.0, 3, 2, 1, 0]})
        >>> len(figure.axes[0].lines)
        2
    """
    if not series:
        raise ValueError("curves needs at least one series.")
    figure, (axis,) = new_figure(size=size)
    for number, (name, values) in enumerate(series.items()):
        colour, _ = look(number)
        runs = torch.atleast_2d(torch.as_tensor(values, dtype=torch.float64).cpu())  # R×P
        positions = list(range(1, runs.shape[1] + 1)) if x is None else list(x)
        # A dozen markers tell the lines apart without colour; one per point would bury them.
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


def history(record: History, *, title: str = "", ylabel: str = "nats per image") -> Figure:
    """Draw every loss term over the epochs, training and validation in one plot.

    Args:
        record: What :func:`latent_transfer.fit` returns.
        title: Above the axes.
        ylabel: Label of the y axis, with its unit.

    Example:
        >>> from latent_transfer.figures import history
        >>> from latent_transfer.training import History
        >>> figure = history(History({"loss": [3.0, 2.0]}, {"loss": [3.5, 2.5]}))
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['loss (training)', 'loss (validation)']
    """
    series = {f"{name} (training)": values for name, values in record.training.items()}
    series |= {f"{name} (validation)": values for name, values in record.validation.items()}
    return curves(series, xlabel="epoch", ylabel=ylabel, title=title)


def label_efficiency(
    errors: Mapping[str, torch.Tensor],
    budgets: Sequence[int],
    *,
    title: str = "",
    xlabel: str = "labelled images of each class",
    ylabel: str = "test error, %",
) -> Figure:
    """Draw the test error against the number of labels, with 95 % intervals of the mean.

    Args:
        errors: Name of the features to T×R per cent, one row per budget, one column per draw.
        budgets: T numbers of labelled images of each class, ascending.
        title: Above the axes.
        xlabel: What the budgets count.
        ylabel: What the errors are, with their unit.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import label_efficiency
        >>> figure = label_efficiency({"pixels": torch.rand(2, 5)}, [1, 10])
        >>> figure.axes[0].get_xscale()
        'log'
    """
    figure, (axis,) = new_figure(size=(6.4, 4.0))
    for number, (name, rows) in enumerate(errors.items()):
        # Shifted a little sideways (on a logarithmic axis: by a factor), so that the intervals do
        # not hide one another.
        shift = 1.03 ** (number - (len(errors) - 1) / 2)
        _line_of_means(axis, [budget * shift for budget in budgets], rows, number, name)
    axis.set_xscale("log")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(list(budgets), [str(budget) for budget in budgets])
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if len(errors) > 4:  # a legend as tall as the axes would hide the lines
        figure.legend(loc="outside right center")
    else:
        axis.legend()
    return figure


def by_layers(
    errors: Mapping[str, torch.Tensor],
    counts: Sequence[int],
    *,
    baseline: torch.Tensor,
    title: str = "",
) -> Figure:
    """Draw the test error against the number of layers that were copied, with 95 % intervals.

    Args:
        errors: Name to K×R per cent: K numbers of layers, R runs.
        counts: The K numbers of layers.
        baseline: R errors without any copied layer, drawn as a line with its interval.
        title: Above the axes.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import by_layers
        >>> figure = by_layers({"frozen": torch.rand(2, 3)}, [1, 2], baseline=torch.rand(3))
        >>> figure.axes[0].get_xticks().tolist()
        [1, 2]
    """
    figure, (axis,) = new_figure(size=(6.4, 4.0))
    without = Estimate.of(baseline)
    axis.axhline(without.mean, color="black", linestyle="--", label="no layer copied")
    axis.axhspan(*without.interval(), color="black", alpha=0.1, linewidth=0)
    for number, (name, rows) in enumerate(errors.items()):
        shift = 0.05 * (number - (len(errors) - 1) / 2)
        _line_of_means(axis, [count + shift for count in counts], rows, number, name)
    axis.set_xticks(list(counts))
    axis.set(xlabel="layers copied from the source", ylabel="test error, %", title=title)
    axis.legend(fontsize=9)
    return figure


def reliability(
    logits: Mapping[str, torch.Tensor], labels: torch.Tensor, *, bins: int = 10
) -> Figure:
    """Draw the share of right answers against confidence; the diagonal is perfect calibration.

    Args:
        logits: Name to N×K.
        labels: N.
        bins: Bins of equal width in [0, 1]; those with fewer than five images are left out.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import reliability
        >>> figure = reliability({"net": torch.randn(50, 3)}, torch.arange(50) % 3)
        >>> len(figure.axes[0].lines)  # the diagonal and the net
        2
    """
    figure, (axis,) = new_figure(size=(4.8, 4.2))
    axis.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=0.8, marker="")
    for number, (name, values) in enumerate(logits.items()):
        confidence, answers = values.softmax(-1).max(-1)
        right = (answers == labels).double()
        places = (confidence * bins).long().clamp(max=bins - 1)
        full = [place for place in range(bins) if int((places == place).sum()) >= 5]
        x = [confidence[places == place].mean().item() for place in full]
        y = [right[places == place].mean().item() for place in full]
        colour, marker = look(number)
        axis.plot(x, y, color=colour, marker=marker, label=name)
    axis.set(xlabel="confidence of the answer", ylabel="share of right answers")
    axis.legend(fontsize=9)
    return figure


def rate_distortion(
    rates: torch.Tensor, distortions: torch.Tensor, betas: Sequence[float], *, title: str = ""
) -> Figure:
    """Draw distortion against rate: one mark per run, a line through the means, β beside each.

    The dashed line holds all points whose −ELBO, rate plus distortion, is as small as the best
    mean on the curve.

    Args:
        rates: R×B nats: the KL of R runs at each of B values of β.
        distortions: R×B nats: their −E[log p(x | z)].
        betas: The B values.
        title: Above the axes.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import rate_distortion
        >>> figure = rate_distortion(torch.rand(3, 2), torch.rand(3, 2), [1.0, 4.0])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['β = 1', 'β = 4']
    """
    figure, (axis,) = new_figure()
    mean_rates, mean_distortions = rates.mean(0).cpu(), distortions.mean(0).cpu()
    axis.plot(mean_rates, mean_distortions, color=COLOURS[0], marker="", label="mean of the runs")
    axis.plot(rates.flatten().cpu(), distortions.flatten().cpu(), "o", color=COLOURS[0])
    for beta, rate, distortion in zip(betas, mean_rates, mean_distortions, strict=True):
        axis.annotate(
            f"β = {beta:g}", (rate, distortion), xytext=(8, 5), textcoords="offset points"
        )
    best = (mean_rates + mean_distortions).min()
    ends = torch.stack([mean_rates.min(), mean_rates.max()])
    axis.plot(ends, best - ends, "--", color=COLOURS[6], marker="", label="equal −ELBO, the best")
    axis.set(
        xlabel="rate: KL in nats per image",
        ylabel="distortion in nats per image",
        title=title,
    )
    axis.legend()
    return figure


def _line_of_means(
    axis: Axes, positions: Sequence[float], rows: torch.Tensor, number: int, name: str
) -> None:
    """Draw series ``number``: the mean of each row over its runs, with its 95 % interval.

    Args:
        axis: Where to draw.
        positions: P places on the x axis.
        rows: P×R values, one row per place, one column per run.
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
