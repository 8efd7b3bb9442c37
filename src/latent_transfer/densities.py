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

    Example:
        >>> import torch
        >>> from latent_transfer.densities import Gaussian
        >>> belief = Gaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> belief.rsample().shape, belief.rsample(3).shape
        (torch.Size([5, 2]), torch.Size([3, 5, 2]))
        >>> belief.log_density(torch.zeros(5, 2))[0]
        tensor(-1.8379)
    """

    mean: torch.Tensor
    log_variance: torch.Tensor

    @property
    def std(self) -> torch.Tensor:
        """The standard deviations, B×D."""
        return torch.exp(0.5 * self.log_variance)

    def rsample(self, samples: int | None = None) -> torch.Tensor:
        """Draw z = μ + σ·ε with ε ~ N(0, 1), differentiable in μ and σ.

        Equation: eq-reparameterisation (Kingma & Welling 2014).

        Args:
            samples: ``None`` for one draw, B×D; a number S ≥ 1 for S×B×D.

        Raises:
            ValueError: If fewer than one sample is wanted.
        """
        if samples is not None and samples < 1:
            raise ValueError(f"samples must be at least 1, not {samples}.")
        shape = self.mean.shape if samples is None else (samples, *self.mean.shape)
        noise = torch.randn(shape, dtype=self.mean.dtype, device=self.mean.device)
        return self.mean + self.std * noise

    def log_density(self, points: torch.Tensor) -> torch.Tensor:
        """Return log N(points; mean, diag(variance)) in nats: …×B×D to …×B.

        Raises:
            ValueError: If the points have another number of dimensions.
        """
        if points.shape[-1:] != self.mean.shape[-1:]:
            raise ValueError(
                f"Points of shape {tuple(points.shape)} do not lie in the space of a Gaussian "
                f"of shape {tuple(self.mean.shape)}."
            )
        return gaussian_log_density(points, self.mean, self.log_variance).sum(-1)


def gaussian_log_density(
    points: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor
) -> torch.Tensor:
    """Return log N(x; μ, σ²) for each element, in nats; the caller sums over the axes of one event.

    Equation: eq-gaussian-density.

    Args:
        points: x, any shape.
        mean: μ, broadcastable to ``points``.
        log_variance: log σ², broadcastable to ``points``.

    Example:
        >>> import torch
        >>> from latent_transfer.densities import gaussian_log_density
        >>> gaussian_log_density(torch.tensor([0.0, 1.0]), torch.zeros(2), torch.zeros(2))
        tensor([-0.9189, -1.4189])
    """
    squares = (points - mean).square() * torch.exp(-log_variance)
    return -0.5 * (LOG_TWO_PI + log_variance + squares)


def standard_normal_log_density(points: torch.Tensor) -> torch.Tensor:
    """Return log N(z; 0, I), the prior of every VAE here, in nats: …×D to ….

    Example:
        >>> import torch
        >>> from latent_transfer.densities import standard_normal_log_density
        >>> standard_normal_log_density(torch.zeros(3, 2))
        tensor([-1.8379, -1.8379, -1.8379])
    """
    return -0.5 * (LOG_TWO_PI + points.square()).sum(-1)


def bernoulli_log_density(logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return log p(x | logits) = x·log p + (1 − x)·log(1 − p), summed over pixels, in nats.

    For binary pixels this is a log-probability. For grey pixels in (0, 1) it is the same
    expression, but no longer the log-density of a normalised distribution over [0, 1].

    Equation: eq-bernoulli.

    Args:
        logits: log p/(1 − p), …×B×C×H×W (never probabilities).
        images: B×C×H×W, floating point in [0, 1].

    Returns:
        …×B, one value per image.

    Raises:
        ValueError: If the images are integers, or their channels, height and width are not those
            of the logits.

    Example:
        >>> import torch
        >>> from latent_transfer.densities import bernoulli_log_density
        >>> bernoulli_log_density(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2))  # 4·log ½
        tensor([-2.7726, -2.7726])
    """
    if not images.is_floating_point():
        raise ValueError(f"Pixels must be floating point in [0, 1], not {images.dtype}.")
    if logits.shape[-3:] != images.shape[-3:]:
        raise ValueError(
            f"Logits of shape {tuple(logits.shape)} do not describe images of shape "
            f"{tuple(images.shape)}: channels, height and width differ."
        )
    logits = logits.to(images.dtype)  # under bfloat16 autocast the sum still runs in float32
    # log p = log σ(l) and log(1 − p) = log σ(−l) = log σ(l) − l, so one log-sigmoid serves both.
    log_probabilities = images * logits + F.logsigmoid(-logits)
    return log_probabilities.flatten(-3).sum(-1)


def multinomial_log_density(logits: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return log p(x | logits) = log(N!/Π x_v!) + Σ x_v·log p_v in nats, for counts that sum to N.

    Equation: eq-multinomial.

    Args:
        logits: Of the V probabilities, up to a constant, …×B×V×1×1 (never probabilities).
        counts: How often each of V things occurred, B×V×1×1: whole numbers, floating point.

    Returns:
        …×B, one value per vector of counts.

    Raises:
        ValueError: If a count is negative or not a whole number.

    Example:
        >>> import torch
        >>> from latent_transfer.densities import multinomial_log_density
        >>> counts = torch.tensor([1.0, 1.0]).view(1, 2, 1, 1)
        >>> multinomial_log_density(torch.zeros(1, 2, 1, 1), counts).exp()  # one head, one tail
        tensor([0.5000])
    """
    if known_to_hold(((counts < 0) | (counts != counts.round())).any()):
        raise ValueError(
            "counts must be whole numbers from 0 on, as they were counted: neither standardised "
            "nor turned into shares."
        )
    log_shares = logits.to(counts.dtype).flatten(-3).log_softmax(-1)  # …×B×V
    return log_arrangements(counts) + (counts.flatten(-3) * log_shares).sum(-1)


def log_arrangements(counts: torch.Tensor) -> torch.Tensor:
    """Return log(N!/Π x_v!), the log-number of orders of the counted things: …×B×V×1×1 to …×B.

    The log-probability of the things in one particular order is smaller by that much.

    Example:
        >>> import torch
        >>> from latent_transfer.densities import log_arrangements
        >>> counts = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1)
        >>> log_arrangements(counts).exp()  # aab, aba, baa
        tensor([3.])
    """
    flat = counts.flatten(-3)
    return torch.lgamma(flat.sum(-1) + 1) - torch.lgamma(flat + 1).sum(-1)


def known_to_hold(condition: torch.Tensor) -> bool:
    """Tell whether a condition is true and can be read; false where ``vmap`` hides its value.

    Checks of values go through it, so that losses still run vectorised over replicas.

    Args:
        condition: A single truth value.

    Example:
        >>> import torch
        >>> from latent_transfer.densities import known_to_hold
        >>> known_to_hold(torch.tensor(True)), known_to_hold(torch.tensor(False))
        (True, False)
    """
    try:
        return bool(condition)
    except RuntimeError:  # what torch.func.vmap raises for a value that differs by replica
        return False
