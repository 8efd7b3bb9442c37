"""Figures of the chapter on knowledge distillation show what they are given."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import figures


def test_beliefs_stand_under_their_images() -> None:
    images = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    cold, warm = torch.tensor([[0.9, 0.1], [0.0, 1.0]]), torch.tensor([[0.6, 0.4], [0.5, 0.5]])
    figure = figures.beliefs(images, {"T = 1": cold, "T = 4": warm}, ("a", "b"))
    top, panels = figure.axes[:2], figure.axes[2:]
    assert [float(axis.images[0].get_array()[0, 0]) for axis in top] == pytest.approx([0.2, 0.8])
    heights = [bar.get_height() for axis in panels for bar in axis.patches]
    assert heights == pytest.approx([*cold.flatten().tolist(), *warm.flatten().tolist()])
    assert [panels[0].get_ylabel(), panels[2].get_ylabel()] == ["T = 1", "T = 4"]


def test_reliability_compares_confidence_with_what_was_right() -> None:
    sure = torch.tensor([[4.0, 0.0]]).expand(10, 2)  # confidence 0.982, right in 5 of 10
    shy = torch.tensor([[0.4, 0.0]]).expand(10, 2)  # confidence 0.599, likewise
    labels = torch.tensor([0, 1] * 5)
    figure = figures.reliability({"both": torch.cat([sure, shy])}, labels.repeat(2))
    diagonal, line = figure.axes[0].lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    wanted = [shy[0].softmax(-1)[0].item(), sure[0].softmax(-1)[0].item()]
    assert line.get_xdata().tolist() == pytest.approx(wanted)
    assert line.get_ydata().tolist() == pytest.approx([0.5, 0.5])


def test_reliability_leaves_out_bins_with_hardly_any_image() -> None:
    logits = torch.cat([torch.tensor([[4.0, 0.0]]).expand(6, 2), torch.tensor([[0.1, 0.0]])])
    figure = figures.reliability({"one bin": logits}, torch.zeros(7, dtype=torch.int64))
    assert len(figure.axes[0].lines[1].get_xdata()) == 1
