"""Latent spaces: where images land, and what the decoder makes of each place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure

from latent_transfer.figures.images import image_rows, show_image
from latent_transfer.figures.style import COLOURS, MARKERS, new_figure
from latent_transfer.models import VAE
from latent_transfer.nets import device_of


def latent_scatter(
    codes: torch.Tensor, labels: torch.Tensor, classes: Sequence[str], *, title: str = ""
) -> Figure:
    """Codes in the plane, told apart by colour *and* by marker.

    Args:
        codes: N×2.
        labels: N class numbers.
        classes: Names of the classes.
        title: Above the axes.
    """
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
    """The decoder's mean image over a grid of a 2-d latent space, equally spaced in probability.

    Raises:
        ValueError: If the latent space is not two-dimensional.
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
    """One row a latent dimension: the image's code with that dimension swept across the prior.

    Args:
        model: The VAE.
        image: 1×C×H×W, the starting point.
        dimensions: Which latent dimensions to sweep.
        steps: Images a row.
        reach: Largest absolute value, in standard deviations of the prior.
    """
    model.eval()
    code = model.posterior(image).mean  # 1×D
    rows = {}
    for dimension in dimensions:
        swept = code.repeat(steps, 1)
        swept[:, dimension] = torch.linspace(-reach, reach, steps)
        rows[f"$z_{{{dimension}}}$"] = model.likelihood.mean(model.decode(swept))
    return image_rows(rows, title=f"from {-reach:g} to {reach:g}")
