"""Bounds: Jensen's inequality, a belief that moves, estimates beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Any, Literal

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from latent_transfer.figures.style import COLOURS, look, new_figure
from latent_transfer.models import LinearGaussian
from latent_transfer.objectives import elbo

BLUE, ORANGE, GREEN, BLACK = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[6]
Along = Literal["mean", "std"]


def jensen(weights: Sequence[float], probabilities: Sequence[float]) -> Figure:
    """Draw the logarithm of a mean above the mean of the logarithms, and the gap between them.

    Args:
        weights: K positive values of w = p(x, z)/q(z), one for each value of z.
        probabilities: K numbers q(z) that sum to 1.

    Raises:
        ValueError: If a weight is not positive or the probabilities do not sum to 1.

    Example:
        >>> from latent_transfer.figures import jensen
        >>> figure = jensen([0.5, 2.0], [0.25, 0.75])
        >>> [text.get_text() for text in figure.axes[0].texts][-1]
        'gap 0.14 nats'
    """
    if not min(weights) > 0 or abs(sum(probabilities) - 1) > 1e-6:
        raise ValueError(
            "jensen needs positive weights and probabilities that sum to 1, not "
            f"{list(weights)} and {list(probabilities)}."
        )
    mean = sum(p * w for p, w in zip(probabilities, weights, strict=True))
    low = sum(p * log(w) for p, w in zip(probabilities, weights, strict=True))
    figure, (axis,) = new_figure(size=(6.4, 3.8))
    reach = torch.linspace(0.35 * min(weights), 1.12 * max(weights), 200)
    axis.plot(reach, reach.log(), color=BLACK, marker="", label="log w")
    ends = [min(weights), max(weights)]
    axis.plot(ends, [log(w) for w in ends], "--", color=COLOURS[4], marker="", label="chord")
    axis.plot(weights, [log(w) for w in weights], linestyle="none", marker="o", color=BLACK)
    axis.plot([mean], [log(mean)], marker="^", color=GREEN, linestyle="none", markersize=9)
    axis.plot([mean], [low], marker="o", color=BLUE, linestyle="none", markersize=8)
    axis.annotate("log of the mean = log p(x)", (mean, log(mean)), (-12, 10), **_OFFSET, ha="right")
    axis.annotate("mean of the logs = ELBO", (mean, low), (14, -12), **_OFFSET)
    _gap(axis, mean, low, log(mean))
    text, box = f"gap {log(mean) - low:.2f} nats", {"fc": "white", "ec": "none", "pad": 1}
    axis.annotate(text, (mean, (low + log(mean)) / 2), (9, 0), color=ORANGE, bbox=box, **_OFFSET)
    axis.set(xlabel="weight w = p(x, z) / q(z)", ylabel="log w (nats)")
    axis.legend(loc="lower right")
    return figure


def moving_belief(
    model: LinearGaussian, point: torch.Tensor, mean: float, std: float, *, along: Along = "mean"
) -> Figure:
    """Draw a belief q beside the true posterior, and where its ELBO lies below log p(x).

    Args:
        model: With one latent dimension.
        point: x, 1×P.
        mean: Of q(z) = N(mean, std²).
        std: Of q(z).
        along: The right panel draws the ELBO over this one, with the other one fixed.

    Raises:
        ValueError: If the latent space has more than one dimension.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import moving_belief
        >>> from latent_transfer.models import LinearGaussian
        >>> model = LinearGaussian(torch.ones(1, 1), torch.zeros(1), noise_std=0.6)
        >>> len(moving_belief(model, torch.tensor([[1.5]]), mean=0.4, std=0.9).axes)
        2
    """
    if model.weight.shape[1] != 1:
        raise ValueError(f"moving_belief needs 1 latent dimension, not {model.weight.shape[1]}.")
    figure, (left, right) = new_figure(1, 2, size=(8.4, 3.7), width_ratios=(1, 1.1))
    _beliefs(left, model, point, mean, std)
    _bound(right, model, point, mean, std, along)
    return figure


def grey_pixels(levels: Sequence[float]) -> Figure:
    """Draw the Bernoulli log-density of a pixel over the predicted probability, and its maximum.

    Args:
        levels: Grey values x in [0, 1], one curve each.

    Example:
        >>> from latent_transfer.figures import grey_pixels
        >>> figure = grey_pixels([0.0, 0.5])
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['x = 0: best 0.00', 'x = 0.5: best −0.69']
    """
    figure, (axis,) = new_figure(size=(6.4, 3.8))
    p = torch.linspace(0.002, 0.998, 400)
    for number, x in enumerate(levels):
        colour, marker = look(number)
        values = x * p.log() + (1 - x) * torch.log1p(-p)
        axis.plot(p, values, color=colour, marker="")
        grey = torch.tensor(x)
        best = -(torch.special.entr(grey) + torch.special.entr(1 - grey)).item()  # at p = x
        label = f"x = {x:g}: best {_signed(best)}"
        axis.plot([x], [best], marker, color=colour, markersize=8, label=label, clip_on=False)
    axis.set(xlabel="predicted probability p", ylabel="nats", ylim=(-2.6, 0.12))
    axis.set_title("x log p + (1 − x) log(1 − p)")
    axis.legend(title="pixel", loc="lower center")
    return figure


def beside_evidence(
    estimates: Mapping[str, torch.Tensor], evidence: torch.Tensor, labels: Sequence[str]
) -> Figure:
    """Draw quantities that claim to be log p(x) by their distance from it, image by image.

    Args:
        estimates: Name to B values in nats.
        evidence: The exact log p(x), B.
        labels: B names, below the images.

    Raises:
        ValueError: If there is not one value, or one name, per image.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import beside_evidence
        >>> evidence = torch.tensor([-90.0, -80.0])
        >>> figure = beside_evidence({"ELBO": evidence - 3}, evidence, ["a 7", "a 2"])
        >>> figure.axes[0].get_ylabel()
        'distance from log p(x) (nats)'
    """
    for name, values in estimates.items():
        if not values.shape == evidence.shape == (len(labels),):
            raise ValueError(
                f"There are {len(labels)} labels, but {name} has shape {tuple(values.shape)} and "
                f"the evidence {tuple(evidence.shape)}; give one value per image."
            )
    figure, (axis,) = new_figure(size=(6.4, 3.6))
    axis.axhline(0, color=BLACK, linewidth=1.5, label="log p(x)")
    positions = range(len(labels))
    for number, (name, values) in enumerate(estimates.items()):
        colour, marker = look(number)
        distance = (values - evidence).detach().cpu()
        axis.vlines(positions, 0, distance, color=colour, linewidth=1, alpha=0.6)
        axis.plot(positions, distance, marker, color=colour, linestyle="none", label=name)
    axis.set_xticks(list(positions), list(labels))
    axis.set(xlabel="image", ylabel="distance from log p(x) (nats)")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


_OFFSET: dict[str, Any] = {"textcoords": "offset points", "va": "center"}


def _beliefs(
    axis: Axes, model: LinearGaussian, point: torch.Tensor, mean: float, std: float
) -> None:
    posterior = model.posterior(point)
    truth = Normal(posterior.mean.flatten(), posterior.stddev.flatten())
    z = torch.linspace(-2.5, 3.5, 300, dtype=point.dtype)
    axis.plot(z, Normal(0.0, 1.0).log_prob(z).exp(), color="0.6", marker="", label="prior p(z)")
    density = truth.log_prob(z).exp()
    axis.fill_between(z, density, color=GREEN, alpha=0.25, linewidth=0)
    axis.plot(z, density, color=GREEN, marker="", label="posterior p(z | x)")
    belief = Normal(mean, std).log_prob(z).exp()
    axis.plot(z, belief, color=ORANGE, marker="", linewidth=2, label="belief q(z)")
    # The same axes in every frame, so that only q moves when the slider does.
    axis.set(xlabel="z", ylabel="density", ylim=(0, 2.1), xlim=(-2.5, 3.5))
    axis.set_title("what q believes")
    axis.legend(loc="upper left", fontsize=9)


def _bound(
    axis: Axes, model: LinearGaussian, point: torch.Tensor, mean: float, std: float, along: Along
) -> None:
    evidence = model.log_evidence(point).item()
    grid = torch.linspace(-1.0, 3.2, 121) if along == "mean" else torch.linspace(0.12, 1.6, 121)
    pairs = [(g, std) if along == "mean" else (mean, g) for g in grid.tolist()]
    bounds = [sum(_terms(model, point, *pair)) for pair in pairs]
    reconstruction, minus_kl = _terms(model, point, mean, std)
    here, value = mean if along == "mean" else std, reconstruction + minus_kl
    axis.axhline(evidence, color=GREEN, linestyle="--", label="log p(x)")
    axis.plot(grid, bounds, color=BLUE, marker="", label="ELBO")
    axis.plot([here], [value], "o", color=ORANGE, markersize=8)
    depth = 6 if along == "mean" else 4
    _gap(axis, here, max(value, evidence - depth), evidence)
    axis.set(xlabel=f"{along} of q", ylabel="nats")
    axis.set(
        xlim=(float(grid[0]), float(grid[-1])), ylim=(evidence - depth, evidence + 0.27 * depth)
    )
    axis.set_title(
        f"ELBO {_signed(value)} = {_signed(reconstruction)} (data) − {-minus_kl:.2f} (KL)\n"
        f"gap to log p(x): {_signed(evidence - value)} nats",
        fontsize=10,
    )
    axis.legend(loc="upper right", fontsize=9, ncols=2)


def _terms(
    model: LinearGaussian, point: torch.Tensor, mean: float, std: float
) -> tuple[float, float]:
    """Return E_q[log p(x | z)] and −KL(q ‖ p(z)); their sum is the ELBO."""
    centre = point.new_full((1, 1), mean)
    belief = MultivariateNormal(centre, point.new_full((1, 1), std**2))
    prior = MultivariateNormal(torch.zeros_like(centre[0]), torch.eye(1, dtype=point.dtype))
    kl = kl_divergence(belief, prior)
    reconstruction = model.expected_log_likelihood(point, belief)
    return reconstruction.item(), elbo(torch.zeros_like(kl), kl).item()


def _gap(axis: Axes, x: float, low: float, high: float) -> None:
    if high - low < 0.02:  # such a short arrow is only a blot
        return
    arrow = {"arrowstyle": "<->", "color": ORANGE, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", (x, high), (x, low), arrowprops=arrow, annotation_clip=False)


def _signed(value: float) -> str:
    """Two decimals with a true minus sign, and no minus before a rounded zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
