"""Figures of the chapter on when transfer helps show the numbers they are given."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import figures
from latent_transfer.evaluation import Estimate


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


def test_layers_are_compared_with_a_line_for_none() -> None:
    errors = {"frozen": torch.tensor([[5.0, 7.0], [20.0, 22.0]])}
    axis = figures.by_layers(errors, [1, 2], baseline=torch.tensor([4.0, 6.0])).axes[0]
    assert axis.lines[0].get_ydata() == pytest.approx([5.0, 5.0])
    assert axis.containers[0][0].get_ydata().tolist() == pytest.approx([6.0, 21.0])
    assert axis.get_xticks().tolist() == [1, 2]
