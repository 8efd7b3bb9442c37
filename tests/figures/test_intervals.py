"""Points stand where they belong, with intervals of the right length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.container import ErrorbarContainer
from scipy import stats

from latent_transfer import figures
from latent_transfer.evaluation import Estimate
from latent_transfer.records import RecordedRow, RecordedTable


def test_every_method_has_its_means_and_ranges() -> None:
    areas = {
        "one": torch.tensor([[0.2, 0.4], [0.9, 0.9]]),
        "other": torch.tensor([[0.5, 0.7], [1.0, 0.6]]),
    }
    (axis,) = figures.auroc_by_class(areas, ("a", "b")).axes
    points = [container.lines[0].get_ydata().tolist() for container in axis.containers]
    assert points[0] == pytest.approx([0.3, 0.9])
    assert points[1] == pytest.approx([0.6, 0.8])
    (bars,) = axis.containers[1].lines[2]
    ends = sorted(segment[:, 1].tolist() for segment in bars.get_segments())
    assert ends[0] == pytest.approx([0.5, 0.7])
    assert ends[1] == pytest.approx([0.6, 1.0])
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["a", "b"]
    assert axis.lines[0].get_ydata()[0] == 0.5
    # Two methods at one class do not hide each other.
    starts = [container.lines[0].get_xdata()[0] for container in axis.containers]
    assert starts[0] != starts[1]


ROWS = (
    RecordedRow("M2", {"labels": 100}, "test_error_percent", (11.0, 13.0), 12.0, 1.4, None),
    RecordedRow(
        "M2", {"labels": 600}, "test_error_percent", (5.0,), 5.0, None, {"mean": 4.94, "std": 0.13}
    ),
    RecordedRow("VAE", {}, "nll_nats", (90.0,), 90.0, None, None),
)


TABLE = RecordedTable("example", "Nobody 1999", ROWS, {}, (), {})


def test_each_row_has_its_line_from_top_to_bottom() -> None:
    (axis,) = figures.beside_the_paper(TABLE, log_x=True).axes
    assert [tick.get_text() for tick in axis.get_yticklabels()] == [
        "M2, labels 100",
        "M2, labels 600",
    ]
    bottom, top = axis.get_ylim()
    assert bottom > top
    assert axis.get_xlabel() == "test error, %"
    assert axis.get_xscale() == "log"
    legend = axis.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["one seed", "mean", "paper"]


def _floats(values: object) -> list[float]:
    found: list[float] = np.asarray(values, dtype=float).tolist()
    return found


def test_means_values_and_the_paper_s_are_where_they_belong() -> None:
    (axis,) = figures.beside_the_paper(TABLE).axes
    points = [
        (round(x, 2), round(y, 2))
        for line in axis.lines
        for x, y in zip(_floats(line.get_xdata()), _floats(line.get_ydata()), strict=True)
    ]
    assert set(points) >= {(11.0, 0), (13.0, 0), (12.0, 0), (5.0, 1), (4.94, 1.25)}
    assert 90.0 not in {x for x, _ in points}


def test_methods_can_be_chosen() -> None:
    (axis,) = figures.beside_the_paper(TABLE, ["VAE"]).axes
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["VAE"]
    assert axis.get_xlabel() == "NLL, nats"


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(ValueError, match="example has no rows to draw"):
        figures.beside_the_paper(replace(TABLE, rows=()))


def _estimate(*values: float) -> Estimate:
    return Estimate.of(torch.tensor(values))


def test_each_score_has_a_panel_with_a_mark_for_each_source() -> None:
    gains = {"near": _estimate(4.0, 6.0), "far": _estimate(-3.0, -1.0)}
    scores = {"LEEP": {"near": -1.0, "far": -2.0}, "LogME": {"near": 0.5, "far": 0.1}}
    figure = figures.score_against_gain(scores, gains)
    assert [axis.get_xlabel() for axis in figure.axes] == ["LEEP", "LogME"]
    near, far = (container[0] for container in figure.axes[1].containers)
    assert (*near.get_xdata(), *near.get_ydata()) == pytest.approx((0.5, 5.0))
    assert (*far.get_xdata(), *far.get_ydata()) == pytest.approx((0.1, -2.0))
    assert near.get_marker() != far.get_marker()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["near", "far"]


def test_a_dozen_sources_stay_told_apart() -> None:
    names = [f"source {number}" for number in range(12)]
    gains = {name: _estimate(0.0, 1.0) for name in names}
    axis = figures.score_against_gain({"LEEP": dict.fromkeys(names, 0.0)}, gains).axes[0]
    looks = {(c[0].get_color(), c[0].get_marker()) for c in axis.containers}
    assert len(looks) == 12


def test_paired_differences_are_drawn_with_their_intervals() -> None:
    few = {"frozen": _estimate(2.0, 4.0, 3.0), "tuned": _estimate(-1.0, 1.0, 0.0)}
    more = {"frozen": _estimate(1.0, 1.0, 1.0), "tuned": _estimate(0.0, 0.0, 0.0)}
    axis = figures.paired_differences({"5 labels": few, "20 labels": more}).axes[0]
    first, second = axis.containers
    assert first[0].get_xdata().tolist() == pytest.approx([3.0, 0.0])
    assert second[0].get_xdata().tolist() == pytest.approx([1.0, 0.0])
    (ends,) = first[2]
    assert ends.get_segments()[0][:, 0].tolist() == pytest.approx(few["frozen"].interval())
    assert [text.get_text() for text in axis.get_yticklabels()] == ["frozen", "tuned"]
    assert first[0].get_ydata()[0] != second[0].get_ydata()[0]


def _ends(container: ErrorbarContainer, along: int) -> np.ndarray:
    """The ends of the error bars, P×2, along the x axis (0) or the y axis (1)."""
    (bars,) = container.lines[2]
    return np.sort(np.stack(bars.get_segments())[:, :, along], axis=1)


def test_gains_are_drawn_with_student_t_intervals() -> None:
    values = torch.rand(2, 5) * 10
    gains = {"near": Estimate.of(values[0]), "far": Estimate.of(values[1])}
    axis = figures.score_against_gain({"LEEP": {"near": -1.0, "far": -2.0}}, gains).axes[0]
    for container, runs in zip(axis.containers, values.double().numpy(), strict=True):
        reach = stats.sem(runs) * stats.t.ppf(0.975, 4)
        expected = [[runs.mean() - reach, runs.mean() + reach]]
        np.testing.assert_allclose(_ends(container, 1), expected, rtol=1e-6)
    assert list(axis.lines[-1].get_ydata()) == [0, 0]  # no gain
    assert axis.get_ylabel().startswith("gain over no transfer")


def test_every_paired_difference_has_its_interval_from_top_to_bottom() -> None:
    runs = torch.rand(2, 2, 5)
    estimates = {
        series: {method: Estimate.of(runs[i, j]) for j, method in enumerate(("frozen", "tuned"))}
        for i, series in enumerate(("5 labels", "20 labels"))
    }
    axis = figures.paired_differences(estimates, xlabel="points", title="digits").axes[0]
    for container, rows in zip(axis.containers, runs.double().numpy(), strict=True):
        reach = stats.sem(rows, axis=1) * stats.t.ppf(0.975, 4)
        expected = np.stack([rows.mean(1) - reach, rows.mean(1) + reach], axis=1)
        np.testing.assert_allclose(_ends(container, 0), expected, rtol=1e-6)
    bottom, top = axis.get_ylim()
    assert bottom > top
    first, second = (np.asarray(c[0].get_ydata(), dtype=float) for c in axis.containers)
    np.testing.assert_allclose((first + second) / 2, [0, 1])
    assert list(axis.lines[-1].get_xdata()) == [0, 0]
    assert (axis.get_xlabel(), axis.get_title()) == ("points", "digits")


def test_the_spread_of_a_recorded_row_is_its_standard_deviation_and_the_paper_s() -> None:
    (axis,) = figures.beside_the_paper(TABLE).axes
    ends = {
        round(float(container[0].get_ydata()[0]), 2): _ends(container, 0)[0].tolist()
        for container in axis.containers
        if container.has_xerr
    }
    assert ends[0] == pytest.approx([12.0 - 1.4, 12.0 + 1.4])
    assert ends[1.25] == pytest.approx([4.94 - 0.13, 4.94 + 0.13])
    assert set(ends) == {0, 1.25}  # a single seed has no spread


def test_areas_have_a_scale_of_their_own() -> None:
    areas = torch.tensor([[0.1, 0.2, 0.9], [0.5, 0.6, 1.0]])  # far from symmetric
    axis = figures.auroc_by_class({"one": areas}, ("a", "b"), title="areas").axes[0]
    np.testing.assert_allclose(_ends(axis.containers[0], 1), [[0.1, 0.9], [0.5, 1.0]], rtol=1e-6)
    assert axis.get_ylim() == (0, 1.02)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("class left out of training", "AUROC")
    assert axis.get_title() == "areas"
    assert axis.containers[0].lines[0].get_xdata().tolist() == [0, 1]
