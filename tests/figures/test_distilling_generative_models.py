"""The figures of the chapter on distilling generative models show what they are given."""

from __future__ import annotations

import numpy as np
import torch

from latent_transfer.figures import asked_and_seen, task_accuracies


def test_wrong_samples_are_named_and_sorted_by_the_class_asked_for() -> None:
    images = torch.arange(4).view(4, 1, 1, 1).float().expand(4, 1, 2, 2) / 4
    asked, seen = torch.tensor([1, 0, 1, 0]), torch.tensor([1, 0, 0, 0])
    figure = asked_and_seen(images, asked, seen, ("zero", "one"))
    assert [axis.get_title() for axis in figure.axes] == ["", "", "", "→ zero"]
    assert [axis.get_ylabel() for axis in figure.axes] == ["zero", "", "one", ""]
    shown = [float(np.asarray(axis.images[0].get_array())[0, 0]) for axis in figure.axes]
    assert shown == [0.25, 0.75, 0.0, 0.5]


def test_accuracies_are_written_for_the_tasks_learnt() -> None:
    table = torch.tensor([[100.0, torch.nan], [40.0, 90.0]])
    figure = task_accuracies({"replay": table, "none": table}, ("first", "second"))
    for axis in figure.axes:
        assert [text.get_text() for text in axis.texts] == ["100", "40", "90"]
    assert [axis.get_title() for axis in figure.axes] == ["replay", "none"]
