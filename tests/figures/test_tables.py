"""Tables of numbers become shades."""

from __future__ import annotations

import numpy as np
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


def test_accuracies_stand_in_their_cells_on_one_scale() -> None:
    table = torch.tensor([[100.0, torch.nan], [40.0, 90.0]])
    figure = figures.task_accuracies({"replay": table, "none": table / 2}, ("first", "second"))
    for axis in figure.axes:
        # Columns are the tasks tested on, rows the tasks learnt.
        assert [text.get_position() for text in axis.texts] == [(0, 0), (0, 1), (1, 1)]
        assert axis.images[0].get_clim() == (0, 100)
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ["first", "second"]
        assert axis.get_xlabel() == "tested on"
    named = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert named == ["first", "second"]
    assert figure.axes[0].get_ylabel() == "after learning"
    shown = np.asarray(figure.axes[1].images[0].get_array())
    np.testing.assert_array_equal(shown, (table / 2).numpy())
    colours = [text.get_color() for text in figure.axes[0].texts]
    assert colours == ["black", "white", "black"]  # readable on viridis
