"""The figure of areas shows means, ranges and the line of guessing."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import figures


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
