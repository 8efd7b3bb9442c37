"""Images are drawn as they are, and in their order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_transfer import figures


def test_wrong_samples_are_named_and_sorted_by_the_class_asked_for() -> None:
    images = torch.arange(4).view(4, 1, 1, 1).float().expand(4, 1, 2, 2) / 4
    asked, seen = torch.tensor([1, 0, 1, 0]), torch.tensor([1, 0, 0, 0])
    figure = figures.asked_and_seen(images, asked, seen, ("zero", "one"))
    assert [axis.get_title() for axis in figure.axes] == ["", "", "", "→ zero"]
    assert [axis.get_ylabel() for axis in figure.axes] == ["zero", "", "one", ""]
    shown = [float(np.asarray(axis.images[0].get_array())[0, 0]) for axis in figure.axes]
    assert shown == [0.25, 0.75, 0.0, 0.5]


def test_an_image_grid_holds_every_image_and_hides_the_rest() -> None:
    figure = figures.image_grid(torch.rand(7, 1, 8, 8), columns=4, labels=list("abcdefg"))
    shown = [axis for axis in figure.axes if axis.images]
    assert len(figure.axes) == 8
    assert [axis.get_title() for axis in shown] == list("abcdefg")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_a_row_are_drawn_as_they_are_with_white_between(channels: int) -> None:
    images = torch.rand(3, channels, 8, 8)
    figure = figures.image_rows({"first": images[:1], "second": images[1:]})
    first, second = (torch.as_tensor(axis.images[0].get_array()) for axis in figure.axes)
    left, right = (images[1:, 0] if channels == 1 else images[1:].permute(0, 2, 3, 1)).unbind()
    torch.testing.assert_close(second[:, :8], left)
    torch.testing.assert_close(second[:, 9:], right)
    assert (second[:, 8] == 1).all()
    assert first.shape == second.shape
    assert (first[:, 8:] == 1).all()
    assert [axis.texts[0].get_text() for axis in figure.axes] == ["first", "second"]


def test_signed_images_put_zero_in_the_middle_and_use_the_full_range() -> None:
    columns = torch.tensor([[0.0, -4.0], [0.5, 2.0], [-1.0, 0.0], [1.0, 1.0]])
    images = figures.signed_images(columns, (1, 2, 2))
    assert images.flatten(1).tolist() == [[0.5, 0.75, 0.0, 1.0], [0.0, 0.75, 0.5, 0.625]]


def test_beliefs_stand_under_their_images() -> None:
    images = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    cold, warm = torch.tensor([[0.9, 0.1], [0.0, 1.0]]), torch.tensor([[0.6, 0.4], [0.5, 0.5]])
    figure = figures.beliefs(images, {"T = 1": cold, "T = 4": warm}, ("a", "b"))
    top, panels = figure.axes[:2], figure.axes[2:]
    assert [float(axis.images[0].get_array()[0, 0]) for axis in top] == pytest.approx([0.2, 0.8])
    heights = [bar.get_height() for axis in panels for bar in axis.patches]
    assert heights == pytest.approx([*cold.flatten().tolist(), *warm.flatten().tolist()])
    assert [panels[0].get_ylabel(), panels[2].get_ylabel()] == ["T = 1", "T = 4"]


def test_analogies_stand_behind_the_image_they_come_from() -> None:
    images = torch.tensor([0.1, 0.2]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    answers = torch.tensor([[0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]).view(3, 2, 1, 1, 1)
    figure = figures.analogies(images, answers.expand(3, 2, 1, 3, 3), ("a", "b", "c"))
    shown = [float(axis.images[0].get_array()[0, 0]) for axis in figure.axes]
    assert shown == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.2, 0.4, 0.6, 0.8])
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["style of", "a", "b", "c", "", "", "", ""]
