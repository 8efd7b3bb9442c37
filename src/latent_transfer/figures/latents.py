"""Latent spaces and other planes: where points land, and what a decoder makes of each place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latent_transfer.figures.images import image_rows, show_image
from latent_transfer.figures.style import COLOURS, MARKERS, look, new_figure
from latent_transfer.models import VAE
from latent_transfer.nets import device_of


def latent_scatter(
    codes: torch.Tensor, labels: torch.Tensor, classes: Sequence[str], *, title: str = ""
) -> Figure:
    """Draw codes in the plane, told apart by colour *and* by marker.

    Args:
        codes: N×2.
        labels: N class numbers.
        classes: Names of the classes.
        title: Above the axes.

    Raises:
        ValueError: If the codes are not two-dimensional.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import latent_scatter
        >>> figure = latent_scatter(torch.randn(6, 2), torch.arange(6) % 2, ["even", "odd"])
        >>> len(figure.axes[0].lines)
        2
    """
    if codes.dim() != 2 or codes.shape[1] != 2:
        raise ValueError(f"A scatter plot needs codes N×2, not of shape {tuple(codes.shape)}.")
    figure, (axis,) = new_figure(size=(6.4, 5.2))
    points, labels = codes.detach().cpu(), labels.cpu()
    for number, name in enumerate(classes):
        chosen = points[labels == number]
        # Two cycles of different lengths: the pair is unique for more classes than either has.
        axis.plot(
            chosen[:, 0],
            chosen[:, 1],
            linestyle="none",
            marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            markersize=4,
            alpha=0.7,
            label=name,
        )
    axis.set(xlabel="$z_1$", ylabel="$z_2$", title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.5)
    return figure


@torch.no_grad()
def manifold(model: VAE, *, size: int = 15, title: str = "") -> Figure:
    """Draw the decoder's mean images over a 2-d latent space, equally spaced in probability.

    Args:
        model: With two latent dimensions; put into evaluation mode.
        size: Images per row and per column.
        title: Above the axes.

    Raises:
        ValueError: If the latent space is not two-dimensional.

    Example:
        >>> from latent_transfer.figures import manifold
        >>> from latent_transfer.models import mlp_vae
        >>> figure = manifold(mlp_vae((1, 4, 4), (8,), 2), size=3)
        >>> figure.axes[0].images[0].get_array().shape
        (12, 12)
    """
    if model.latent_size != 2:
        raise ValueError(
            f"A manifold needs 2 latent dimensions; this model has {model.latent_size}."
        )
    model.eval()
    quantiles = (torch.arange(size) + 0.5) / size
    ticks = torch.special.ndtri(quantiles)  # the prior's quantiles: equal mass between neighbours
    down, across = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
    latents = torch.stack([across, down], -1).to(device_of(model))  # S×S×2
    images = model.likelihood.mean(model.decode(latents)).cpu()  # S×S×C×H×W
    canvas = images.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)  # C×S·H×S·W
    figure, (axis,) = new_figure(size=(5.6, 5.8))
    show_image(axis, canvas)
    axis.set_axis_off()
    axis.set_title(title or "decoder means over the 2-d latent space")
    return figure


@torch.no_grad()
def traversals(
    model: VAE,
    image: torch.Tensor,
    dimensions: Sequence[int],
    *,
    steps: int = 9,
    reach: float = 2.5,
) -> Figure:
    """Draw one row per latent dimension: the image's code, that dimension swept across the prior.

    Args:
        model: The VAE; put into evaluation mode.
        image: 1×C×H×W, the starting point.
        dimensions: Which latent dimensions to sweep.
        steps: Images per row.
        reach: Largest absolute value, in standard deviations of the prior.

    Raises:
        ValueError: If the model lacks one of the dimensions, or there is not one image.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import traversals
        >>> from latent_transfer.models import mlp_vae
        >>> figure = traversals(mlp_vae((1, 4, 4), (8,), 3), torch.rand(1, 1, 4, 4), [0, 2])
        >>> [axis.texts[0].get_text() for axis in figure.axes]
        ['$z_{0}$', '$z_{2}$']
    """
    if len(image) != 1 or not all(0 <= number < model.latent_size for number in dimensions):
        raise ValueError(
            f"traversals needs one image, 1×C×H×W, and dimensions from 0 to "
            f"{model.latent_size - 1}, not {len(image)} images and {list(dimensions)}."
        )
    model.eval()
    code = model.posterior(image).mean  # 1×D
    rows = {}
    for dimension in dimensions:
        swept = code.repeat(steps, 1)
        swept[:, dimension] = torch.linspace(-reach, reach, steps)
        rows[f"$z_{{{dimension}}}$"] = model.likelihood.mean(model.decode(swept))
    return image_rows(rows, title=f"from {-reach:g} to {reach:g}")


def runs(
    points: Mapping[str, torch.Tensor], *, xlabel: str, ylabel: str, title: str = ""
) -> Figure:
    """Draw every training run as one mark in the plane, one colour and marker per method.

    Args:
        points: Name of the method to R×2, one row per run.
        xlabel: Label of the x axis, with its unit.
        ylabel: Label of the y axis, with its unit.
        title: Above the axes.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import runs
        >>> figure = runs({"β = 1": torch.rand(5, 2)}, xlabel="rate", ylabel="distortion")
        >>> len(figure.axes[0].lines[0].get_xdata())
        5
    """
    figure, (axis,) = new_figure()
    for number, (name, values) in enumerate(points.items()):
        across, along = torch.as_tensor(values).cpu().T
        colour, marker = look(number)
        axis.plot(across, along, marker, color=colour, label=name, markersize=8)
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axis.legend()
    return figure


def two_class_means(
    points: torch.Tensor,
    labelled: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    means: Mapping[str, Sequence[torch.Tensor]],
) -> Figure:
    """Draw one panel per question: points with and without labels, the boundary of two means.

    Args:
        points: N×2 without labels, the same in every panel.
        labelled: Title of the panel to its few points, A×2, and their labels 0 or 1, A.
        means: Title of the panel to two pairs of class means, 2×2 each: the boundary of the first
            is dashed (what the labels alone say), that of the second solid.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import two_class_means
        >>> few = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])
        >>> figure = two_class_means(torch.randn(9, 2), {"two": few}, {"two": [few[0], few[0]]})
        >>> figure.axes[0].get_title()
        'two'
    """
    figure, axes = new_figure(
        1, len(labelled), size=(4.1 * len(labelled), 3.9), sharex=True, sharey=True
    )
    reach = 1.05 * points.abs().max().item()
    for axis, (title, (few, labels)) in zip(axes, labelled.items(), strict=True):
        axis.plot(*points.T, ".", color="0.7", markersize=3, label="without a label")
        for label in (0, 1):
            colour, marker = look(label)
            chosen = few[labels == label]
            axis.plot(
                *chosen.T,
                linestyle="none",
                marker=marker,
                color=colour,
                markersize=9,
                label=f"class {label}",
            )
        styles = ("--", "-")
        names = ("labels alone", "labels and unlabelled points")
        for pair, style, name in zip(means[title], styles, names, strict=True):
            _draw_boundary(axis, pair, reach, style, name)
        axis.set(title=title, xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    handles, names_shown = axes[0].get_legend_handles_labels()
    figure.legend(handles, names_shown, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _draw_boundary(axis: Axes, means: torch.Tensor, reach: float, style: str, name: str) -> None:
    """Draw the points as far from the one mean as from the other."""
    middle, apart = means.mean(0), means[1] - means[0]
    along = torch.stack([-apart[1], apart[0]]) / apart.norm()
    ends = middle + 3 * reach * torch.stack([-along, along])
    axis.plot(*ends.T, style, color="black", marker="", label=name)
