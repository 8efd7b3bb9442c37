"""Points land where their codes are, and a sweep moves one code at a time."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import figures
from latent_transfer.models import mlp_vae


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


def test_runs_are_marks_of_their_method() -> None:
    points = {"a": torch.tensor([[1.0, -5.0], [2.0, -6.0]]), "b": torch.tensor([[3.0, -7.0]])}
    axis = figures.runs(points, xlabel="KL", ylabel="ELBO").axes[0]
    assert axis.lines[0].get_xdata().tolist() == [1, 2]
    assert axis.lines[0].get_ydata().tolist() == [-5, -6]
    assert axis.lines[0].get_linestyle() == "None"
    assert axis.lines[0].get_marker() != axis.lines[1].get_marker()
