"""Figures of the chapter on training and measuring a VAE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from latent_transfer.figures.style import COLOURS, look, new_figure


def kl_spectrum(kl: torch.Tensor, active: torch.Tensor, *, title: str = "") -> Figure:
    """The KL of every latent dimension, largest first, active units told apart from the others.

    Args:
        kl: D nats, the mean of each dimension over a set.
        active: D booleans.
        title: Above the axes.
    """
    figure, (axis,) = new_figure()
    order = kl.argsort(descending=True)
    heights, used = kl[order].tolist(), active[order].tolist()
    # Hatched too: the difference must survive a print without colour.
    for name, wanted, colour, hatch in (
        ("active", True, COLOURS[0], None),
        ("not active", False, COLOURS[1], "///"),
    ):
        ranks = [rank for rank, state in enumerate(used, start=1) if state is wanted]
        if ranks:
            axis.bar(
                ranks, [heights[rank - 1] for rank in ranks], label=name, color=colour, hatch=hatch
            )
    axis.set(xlabel="latent dimension, by rank", ylabel="KL in nats per image", title=title)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend()
    return figure


def runs(
    points: Mapping[str, torch.Tensor], *, xlabel: str, ylabel: str, title: str = ""
) -> Figure:
    """Every training run as one mark in the plane, one colour and marker a method.

    Args:
        points: Name of the method to R×2, one row a run.
        xlabel: Label of the x axis, with its unit.
        ylabel: Label of the y axis, with its unit.
        title: Above the axes.
    """
    figure, (axis,) = new_figure()
    for number, (name, values) in enumerate(points.items()):
        across, along = torch.as_tensor(values).cpu().T
        colour, marker = look(number)
        axis.plot(across, along, marker, color=colour, label=name, markersize=8)
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axis.legend()
    return figure


def rate_distortion(
    rates: torch.Tensor, distortions: torch.Tensor, betas: Sequence[float], *, title: str = ""
) -> Figure:
    """Distortion against rate, one mark a run, a line through the means, β beside each.

    The dashed line holds all points whose −ELBO, rate plus distortion, is as small as the best
    mean on the curve.

    Args:
        rates: R×B nats: the KL of R runs at each of B values of β.
        distortions: R×B nats: their −E[log p(x | z)].
        betas: The B values.
        title: Above the axes.
    """
    figure, (axis,) = new_figure()
    mean_rates, mean_distortions = rates.mean(0).cpu(), distortions.mean(0).cpu()
    axis.plot(mean_rates, mean_distortions, color=COLOURS[0], marker="", label="mean of the runs")
    axis.plot(rates.flatten().cpu(), distortions.flatten().cpu(), "o", color=COLOURS[0])
    for beta, rate, distortion in zip(betas, mean_rates, mean_distortions, strict=True):
        axis.annotate(
            f"β = {beta:g}", (rate, distortion), xytext=(8, 5), textcoords="offset points"
        )
    best = (mean_rates + mean_distortions).min()
    ends = torch.stack([mean_rates.min(), mean_rates.max()])
    axis.plot(ends, best - ends, "--", color=COLOURS[6], marker="", label="equal −ELBO, the best")
    axis.set(
        xlabel="rate: KL in nats per image",
        ylabel="distortion in nats per image",
        title=title,
    )
    axis.legend()
    return figure
