"""Tables of numbers become shades."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import figures


def test_accuracies_are_written_for_the_tasks_learnt() -> None:
    table = torch.tensor([[100.0, torch.nan], [40.0, 90.0]])
    figure = figures.task_accuracies({"replay": table, "none": table}, ("first", "second"))
    for axis in figure.axes:
        assert [text.get_text() for text in axis.texts] == ["100", "40", "90"]
    assert [axis.get_title() for axis in figure.axes] == ["replay", "none"]


def test_maps_share_a_scale_and_the_first_axis_runs_to_the_right() -> None:
    one, two = torch.zeros(2, 3), torch.zeros(2, 3)
    one[1, 0], two[0, 2] = 0.8, 0.2
    figure = figures.density_maps({"one": one, "two": two})
    first, second = (axis.images[0] for axis in figure.axes)
    assert [axis.get_title() for axis in figure.axes] == ["one", "two"]
    assert first.get_clim() == second.get_clim() == (0, 1)
    assert first.origin == "lower"
    assert first.get_array()[0, 1] == pytest.approx(1)  # row 0 is the lowest, column 1 the right
    assert second.get_array()[2, 0] == pytest.approx(0.5)  # a quarter of the probability
