"""Points land where their codes are, and a sweep moves one code at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special, stats

from latent_transfer import figures
from latent_transfer.models import VAE, mlp_vae


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


def _bright(weight: list[float]) -> VAE:
    """A VAE without hidden layers whose pixels are all σ(weight·z)."""
    model = mlp_vae((1, 4, 4), (), len(weight))
    with torch.no_grad():
        model.decoder.layers[0].weight.copy_(torch.tensor([weight]).expand(16, -1))
        model.decoder.layers[0].bias.zero_()
    return model


def test_a_traversal_decodes_the_code_with_one_dimension_swept() -> None:
    torch.manual_seed(0)
    model, image = _bright([1.0, 0.5, -2.0]), torch.rand(1, 1, 4, 4)
    figure = figures.traversals(model.train(), image, [0, 2], steps=5, reach=2.0)
    with torch.no_grad():
        code = model.posterior(image).mean[0]
    for axis, dimension in zip(figure.axes, (0, 2), strict=True):
        shown = np.asarray(axis.images[0].get_array())[0, ::5]  # every image: 4 pixels and a gap
        expected = []
        for value in (-2.0, -1.0, 0.0, 1.0, 2.0):
            swept = code.clone()
            swept[dimension] = value
            expected.append(torch.sigmoid(swept @ torch.tensor([1.0, 0.5, -2.0])).item())
        assert shown.tolist() == pytest.approx(expected, abs=1e-6)
        assert axis.texts[0].get_text() == f"$z_{{{dimension}}}$"
    assert figure.get_suptitle() == "from -2 to 2"
    assert not model.training


def test_a_traversal_needs_one_image_and_its_dimensions() -> None:
    model = mlp_vae((1, 4, 4), (), 3)
    for count, dimensions in ((2, [0]), (1, [3]), (1, [-1])):
        with pytest.raises(ValueError, match="needs one image, 1×C×H×W, and dimensions from 0 to"):
            figures.traversals(model, torch.rand(count, 1, 4, 4), dimensions)


def test_the_manifold_runs_upwards_along_the_second_latent() -> None:
    figure = figures.manifold(_bright([0.5, 1.0]), size=3, title="plane")
    canvas = np.asarray(figure.axes[0].images[0].get_array())
    # Rows from above: z₂ falls; the quantiles of N(0, 1) at 1/6, 1/2 and 5/6.
    quantiles = stats.norm.ppf([1 / 6, 1 / 2, 5 / 6])
    expected = special.expit(0.5 * quantiles[None] + 1.0 * quantiles[::-1, None])
    np.testing.assert_allclose(canvas[::4, ::4], expected, rtol=1e-5)
    assert figure.axes[0].get_title() == "plane"


def test_codes_stand_where_they_are_under_the_name_of_their_class() -> None:
    codes, labels = torch.randn(6, 2), torch.tensor([0, 1, 0, 1, 1, 0])
    axis = figures.latent_scatter(codes, labels, ["even", "odd"], title="codes").axes[0]
    for number, line in enumerate(axis.lines):
        np.testing.assert_array_equal(line.get_xydata(), codes[labels == number])
    assert [line.get_label() for line in axis.lines] == ["even", "odd"]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("$z_1$", "$z_2$", "codes")
    with pytest.raises(ValueError, match=r"needs codes N×2, not of shape \(6, 3\)"):
        figures.latent_scatter(torch.randn(6, 3), labels, ["even", "odd"])


def test_runs_have_labels() -> None:
    axis = figures.runs({"a": torch.rand(3, 2)}, xlabel="KL", ylabel="ELBO", title="runs").axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("KL", "ELBO", "runs")
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a"]


def test_every_point_of_a_boundary_is_as_far_from_both_means() -> None:
    points, few = torch.randn(9, 2), (torch.eye(2), torch.tensor([0, 1]))
    pairs = list(torch.randn(2, 2, 2))
    axis = figures.two_class_means(points, {"one": few}, {"one": pairs}).axes[0]
    for line, means in zip(axis.lines[3:], pairs, strict=True):
        ends = torch.tensor(line.get_xydata()).float()
        distances = torch.cdist(ends, means)  # 2×2
        torch.testing.assert_close(distances[:, 0], distances[:, 1])
        assert torch.dist(*ends) > 1
    reach = 1.05 * points.abs().max().item()
    assert axis.get_xlim() == axis.get_ylim() == pytest.approx((-reach, reach))
