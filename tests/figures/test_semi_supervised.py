"""Figures of the chapter on semi-supervised VAEs show what they are given."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import figures


def test_boundaries_lie_halfway_between_the_means() -> None:
    points = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    few = points[:2], torch.tensor([0, 1])
    apart = torch.tensor([[-1.0, 0.0], [2.0, 0.0]])
    above = torch.tensor([[0.0, -1.0], [0.0, 1.0]])
    figure = figures.two_class_means(
        points, {"one": few, "two": few}, {"one": [apart, above], "two": [apart, apart]}
    )
    axis = figure.axes[0]
    assert axis.get_title() == "one"
    cloud, first, second, dashed, solid = axis.lines
    assert cloud.get_xydata().tolist() == points.tolist()
    assert first.get_xydata().tolist() == [[-2.0, 0.0]]
    assert second.get_xydata().tolist() == [[2.0, 0.0]]
    assert first.get_marker() != second.get_marker()
    assert dashed.get_xdata().tolist() == pytest.approx([0.5, 0.5])
    assert solid.get_ydata().tolist() == pytest.approx([0.0, 0.0])
    assert (dashed.get_linestyle(), solid.get_linestyle()) == ("--", "-")


def test_analogies_stand_behind_the_image_they_come_from() -> None:
    images = torch.tensor([0.1, 0.2]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    answers = torch.tensor([[0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]).view(3, 2, 1, 1, 1)
    figure = figures.analogies(images, answers.expand(3, 2, 1, 3, 3), ("a", "b", "c"))
    shown = [float(axis.images[0].get_array()[0, 0]) for axis in figure.axes]
    assert shown == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.2, 0.4, 0.6, 0.8])
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["style of", "a", "b", "c", "", "", "", ""]
