"""Images are drawn as they are, and in their order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

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


def _pixels(axis: Axes) -> np.ndarray:
    return np.asarray(axis.images[0].get_array())


def test_a_grid_goes_row_by_row() -> None:
    images = torch.arange(5).view(5, 1, 1, 1).expand(5, 1, 2, 2) / 5
    figure = figures.image_grid(images, columns=2, title="five", size=1.0)
    assert [float(_pixels(axis)[0, 0]) for axis in figure.axes[:5]] == pytest.approx(
        [0, 0.2, 0.4, 0.6, 0.8]
    )
    assert not figure.axes[5].images
    assert figure.get_suptitle() == "five"
    assert figure.axes[0].get_gridspec().ncols == 2
    assert len(figures.image_grid(images).axes) == 5  # no wider than there are images


def test_pixels_keep_their_brightness() -> None:
    figure = figures.image_grid(torch.tensor([0.4, 0.5, 1.5, -0.5]).view(4, 1, 1, 1))
    assert [float(_pixels(axis)[0, 0]) for axis in figure.axes] == pytest.approx([0.4, 0.5, 1, 0])
    assert all(axis.images[0].get_clim() == (0, 1) for axis in figure.axes)
    assert all(axis.images[0].get_cmap().name == "gray" for axis in figure.axes)


@pytest.mark.parametrize(
    "images",
    [torch.ones(2, 1, 4, 4, dtype=torch.uint8), torch.rand(2, 2, 4, 4), torch.rand(2, 4, 4)],
)
def test_what_is_no_picture_is_refused(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="A picture needs floating-point pixels in"):
        figures.image_grid(images)


def test_an_empty_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="not 0 images and 0 captions"):
        figures.image_grid(torch.rand(0, 1, 4, 4))
    with pytest.raises(ValueError, match="not 2 images and 1 captions"):
        figures.image_grid(torch.rand(2, 1, 4, 4), labels=["only one"])
    for rows in ({}, {"none": torch.rand(0, 1, 4, 4)}):
        with pytest.raises(ValueError, match="at least one row with at least one image"):
            figures.image_rows(rows)
    with pytest.raises(ValueError, match="2 names for the 3 classes"):
        figures.analogies(torch.rand(1, 1, 2, 2), torch.rand(3, 1, 1, 2, 2), "ab")
    unequal = torch.tensor([0, 0, 1])
    with pytest.raises(ValueError, match=r"as many images as the others, not \[2, 1\]"):
        figures.asked_and_seen(torch.rand(3, 1, 2, 2), unequal, unequal, "ab")


def test_a_row_without_images_is_white_and_titles_stand_above() -> None:
    rows = {"some": torch.zeros(2, 1, 4, 4), "none": torch.rand(0, 1, 4, 4)}
    figure = figures.image_rows(rows, title="two rows")
    assert (_pixels(figure.axes[1]) == 1).all()
    assert (_pixels(figure.axes[0])[:, :4] == 0).all()
    assert figure.get_suptitle() == "two rows"


def test_beliefs_name_their_classes() -> None:
    figure = figures.beliefs(torch.rand(2, 1, 3, 3), {"T = 1": torch.rand(2, 2)}, ("a", "b"))
    for axis in figure.axes[2:]:
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ["a", "b"]
