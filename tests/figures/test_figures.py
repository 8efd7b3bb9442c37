"""Figures draw what they are given, on white, once."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
import torch

from latent_transfer import figures
from latent_transfer.models import mlp_vae
from latent_transfer.training import History


def test_figures_are_white_and_not_kept_open() -> None:
    figure = figures.bars({"a": 1.0})
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert plt.get_fignums() == []


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


def test_curves_draw_mean_and_range() -> None:
    runs = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    figure = figures.curves({"runs": runs, "single": [0.0, 1.0]}, x=[10, 20])
    axis = figure.axes[0]
    assert axis.lines[0].get_ydata().tolist() == [2, 4]
    band = axis.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1, 6)
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["runs", "single"]


def test_history_shows_training_and_validation() -> None:
    figure = figures.history(History({"loss": [3.0, 2.0]}, {"loss": [4.0, 3.0]}))
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["loss (training)", "loss (validation)"]


def test_bars_show_the_mean_and_each_value() -> None:
    axis = figures.bars({"few": [1.0, 3.0], "one": 5.0}).axes[0]
    assert [patch.get_height() for patch in axis.patches] == [2, 5]
    assert axis.lines[0].get_ydata().tolist() == [1, 3]


def test_histograms_share_their_bins() -> None:
    axis = figures.histograms({"a": torch.zeros(10), "b": torch.ones(10)}).axes[0]
    edges = [patch.get_path().vertices[:, 0] for patch in axis.patches]
    assert edges[0].tolist() == edges[1].tolist()


def test_every_class_has_its_own_colour_and_marker() -> None:
    classes = [str(number) for number in range(20)]
    axis = figures.latent_scatter(torch.randn(40, 2), torch.arange(40) % 20, classes).axes[0]
    looks = {(line.get_color(), line.get_marker()) for line in axis.lines}
    assert len(looks) == 20


def test_the_manifold_needs_two_dimensions() -> None:
    with pytest.raises(ValueError, match="needs 2 latent dimensions; this model has 3"):
        figures.manifold(mlp_vae((1, 4, 4), (8,), 3))


def test_the_manifold_lays_images_out_by_their_latents() -> None:
    model = mlp_vae((1, 4, 4), (), 2)
    with torch.no_grad():  # brightness grows with z₁, to the right
        model.decoder.layers[0].weight.copy_(torch.tensor([[3.0, 0.0]]).expand(16, 2))
    canvas = torch.as_tensor(figures.manifold(model, size=5).axes[0].images[0].get_array())
    assert canvas.shape == (20, 20)
    assert (canvas[:, :4].mean(), canvas[:, -4:].mean()) == pytest.approx((0, 1), abs=0.1)


def test_a_traversal_sweeps_one_dimension_a_row() -> None:
    model = mlp_vae((1, 4, 4), (), 3)
    figure = figures.traversals(model, torch.rand(1, 1, 4, 4), [0, 2], steps=5)
    assert [axis.images[0].get_array().shape for axis in figure.axes] == [(4, 5 * 4 + 4)] * 2


def test_signed_images_put_zero_in_the_middle_and_use_the_full_range() -> None:
    columns = torch.tensor([[0.0, -4.0], [0.5, 2.0], [-1.0, 0.0], [1.0, 1.0]])
    images = figures.signed_images(columns, (1, 2, 2))
    assert images.flatten(1).tolist() == [[0.5, 0.75, 0.0, 1.0], [0.0, 0.75, 0.5, 0.625]]


def test_label_efficiency_draws_means_and_intervals() -> None:
    errors = torch.tensor([[30.0, 40.0, 50.0], [10.0, 11.0, 12.0]])
    figure = figures.label_efficiency({"pixels": errors}, (1, 10))
    (line, *_) = figure.axes[0].lines
    assert line.get_ydata().tolist() == [40, 11]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["1", "10"]


def test_few_positions_on_a_logarithmic_axis_are_named() -> None:
    figure = figures.curves({"a": [3.0, 2.0, 1.0]}, x=[2, 8, 32], log_x=True)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["2", "8", "32"]


def test_whole_positions_get_whole_ticks() -> None:
    axis = figures.curves({"a": [3.0, 2.0, 1.0]}, x=[0, 1, 2]).axes[0]
    assert all(tick == int(tick) for tick in axis.get_xticks())
    axis = figures.curves({"a": [3.0, 2.0, 1.0]}, x=[0.0, 0.25, 0.5]).axes[0]
    assert any(tick != int(tick) for tick in axis.get_xticks())


def test_the_legend_of_many_methods_stands_beside_the_axes() -> None:
    errors = torch.tensor([[30.0, 40.0], [10.0, 11.0]])
    few, many = ({str(n): errors for n in range(count)} for count in (4, 5))
    assert figures.label_efficiency(few, (1, 10)).axes[0].get_legend()
    figure = figures.label_efficiency(many, (1, 10))
    assert not figure.axes[0].get_legend()
    assert len(figure.legends[0].get_texts()) == 5
