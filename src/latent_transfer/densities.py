"""Log-densities in nats per image: summed over everything but the leading sample and batch axes."""

from __future__ import annotations

from math import log, pi
from typing import NamedTuple

import torch
from torch.nn import functional as F

LOG_TWO_PI = log(2 * pi)


class Gaussian(NamedTuple):
    """A batch of Gaussians with diagonal covariance, as an encoder predicts them.

    Attributes:
        mean: B×D.
        log_variance: B×D; the logarithm keeps the variance positive without a constraint.
    """

    mean: torch.Tensor
    log_variance: torch.Tensor

    @property
    def std(self) -> torch.Tensor:
        """B×D standard deviations."""
        return torch.exp(0.5 * self.log_variance)

    def rsample(self, samples: int | None = None) -> torch.Tensor:
        """Draw z = μ + σ·ε with ε ~ N(0, 1), differentiable in μ and σ.

        Equation: eq-reparameterisation (Kingma & Welling 2014).

        Args:
            samples: ``None`` for one draw, B×D; a number S for S×B×D.
        """
        shape = self.mean.shape if samples is None else (samples, *self.mean.shape)
        noise = torch.randn(shape, dtype=self.mean.dtype, device=self.mean.device)
        return self.mean + self.std * noise

    def log_density(self, points: torch.Tensor) -> torch.Tensor:
        """Log N(points; mean, diag(variance)) in nats: …×B×D to …×B."""
        return gaussian_log_density(points, self.mean, self.log_variance).sum(-1)


def gaussian_log_density(
    points: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor
) -> torch.Tensor:
    """Log N(x; μ, σ²) for each element, in nats; the caller sums over the axes of one event.

    Equation: eq-gaussian-density.

    Args:
        points: x, any shape.
        mean: μ, broadcastable to ``points``.
        log_variance: log σ², broadcastable to ``points``.
    """
    squares = (points - mean).square() * torch.exp(-log_variance)
    return -0.5 * (LOG_TWO_PI + log_variance + squares)


def standard_normal_log_density(points: torch.Tensor) -> torch.Tensor:
    """Log N(z; 0, I), the prior of every VAE here, in nats: …×D to …."""
    return -0.5 * (LOG_TWO_PI + points.square()).sum(-1)


def bernoulli_log_density(logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Log p(x | logits) = x·log p + (1 − x)·log(1 − p), summed over pixels, in nats.

    For binary pixels this is a log-probability. On grey pixels in (0, 1) it is the same
    expression, but no longer the log-density of a normalised distribution over [0, 1].

    Equation: eq-bernoulli.

    Args:
        logits: log p/(1 − p), …×B×C×H×W (never probabilities).
        images: B×C×H×W in [0, 1].

    Returns:
        …×B, one value an image.
    """
    logits = logits.to(images.dtype)  # under bfloat16 autocast the sum still runs in float32
    # log p = log σ(l) and log(1 − p) = log σ(−l) = log σ(l) − l, so one log-sigmoid serves both.
    log_probabilities = images * logits + F.logsigmoid(-logits)
    return log_probabilities.flatten(-3).sum(-1)


def multinomial_log_density(logits: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Log p(x | logits) = log(N!/Π x_v!) + Σ x_v·log p_v in nats, for counts x that sum to N.

    Equation: eq-multinomial.

    Args:
        logits: Of the V probabilities, up to a constant, …×B×V×1×1 (never probabilities).
        counts: How often each of V things occurred, B×V×1×1: whole numbers.

    Returns:
        …×B, one value a vector of counts.

    Raises:
        ValueError: If a count is negative or no whole number.
    """
    if bool(((counts < 0) | (counts != counts.round())).any()):
        raise ValueError(
            "counts must be whole numbers from 0 on, as they were counted: neither standardised "
            "nor turned into shares."
        )
    log_shares = logits.to(counts.dtype).flatten(-3).log_softmax(-1)  # …×B×V
    return log_arrangements(counts) + (counts.flatten(-3) * log_shares).sum(-1)


def log_arrangements(counts: torch.Tensor) -> torch.Tensor:
    """Log(N!/Π x_v!): in how many orders the counted things can have come, …×B×V×1×1 to …×B.

    The log-probability of the things in the order in which they came is less by that much.
    """
    flat = counts.flatten(-3)
    return torch.lgamma(flat.sum(-1) + 1) - torch.lgamma(flat + 1).sum(-1)
