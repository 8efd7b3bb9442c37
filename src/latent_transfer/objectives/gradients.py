"""Two unbiased estimates of ∇ E_q[f(z)] for a Gaussian q, one row per sample.

They return rows, not means, because the two differ in their variance.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from latent_transfer.densities import Gaussian
from latent_transfer.objectives._checks import require_same_shape

Function = Callable[[torch.Tensor], torch.Tensor]


def pathwise_gradients(
    function: Function, mean: torch.Tensor, log_variance: torch.Tensor, samples: int
) -> torch.Tensor:
    """Return ∇_μ f(μ + σε), the reparameterised estimate: S×D, one row per draw of ε.

    Equation: eq-pathwise-gradient (Kingma & Welling 2014).

    Args:
        function: f, differentiable, S×D to S.
        mean: μ, D.
        log_variance: log σ², D.
        samples: S, at least 1.

    Raises:
        ValueError: If the shapes of mean and log-variance differ, or there is no sample.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import pathwise_gradients
        >>> pathwise_gradients(lambda z: 3 * z.sum(-1), torch.zeros(2), torch.zeros(2), 4).shape
        torch.Size([4, 2])
    """
    require_same_shape(mean, log_variance, "Mean and log-variance")
    latents = Gaussian(mean, log_variance).rsample(samples).detach().requires_grad_()
    # dz/dμ is the identity, so the gradient at z is the gradient with respect to μ.
    (gradients,) = torch.autograd.grad(function(latents).sum(), latents)
    return gradients.detach()


def score_function_gradients(
    function: Function, mean: torch.Tensor, log_variance: torch.Tensor, samples: int
) -> torch.Tensor:
    """Return f(z)·∇_μ log q(z), the score-function (REINFORCE) estimate: S×D, one row per draw.

    Equation: eq-score-function (Williams 1992).

    Args:
        function: f, S×D to S; need not be differentiable.
        mean: μ, D.
        log_variance: log σ², D.
        samples: S, at least 1.

    Raises:
        ValueError: If the shapes of mean and log-variance differ, or there is no sample.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import score_function_gradients
        >>> zeros = torch.zeros(2)
        >>> score_function_gradients(lambda z: (z > 0).all(-1), zeros, zeros, 4).shape
        torch.Size([4, 2])
    """
    require_same_shape(mean, log_variance, "Mean and log-variance")
    latents = Gaussian(mean, log_variance).rsample(samples).detach()  # S×D
    score = (latents - mean) * torch.exp(-log_variance)
    return function(latents)[:, None] * score
