"""Two unbiased estimates of ∇ E_q[f(z)] for a Gaussian q, one sample a row.

Rows, not means, are returned: what tells the two apart is their variance.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from latent_transfer.densities import Gaussian

Function = Callable[[torch.Tensor], torch.Tensor]


def pathwise_gradients(
    function: Function, mean: torch.Tensor, log_variance: torch.Tensor, samples: int
) -> torch.Tensor:
    """∇_μ f(μ + σε), the reparameterised estimate: S×D, one row a draw of ε.

    Equation: eq-pathwise-gradient (Kingma & Welling 2014).

    Args:
        function: f, differentiable, S×D to S.
        mean: μ, D.
        log_variance: log σ², D.
        samples: S.
    """
    latents = Gaussian(mean, log_variance).rsample(samples).detach().requires_grad_()
    # dz/dμ is the identity, so the gradient at z is the gradient with respect to μ.
    (gradients,) = torch.autograd.grad(function(latents).sum(), latents)
    return gradients.detach()


def score_function_gradients(
    function: Function, mean: torch.Tensor, log_variance: torch.Tensor, samples: int
) -> torch.Tensor:
    """f(z)·∇_μ log q(z), the score-function (REINFORCE) estimate: S×D, one row a draw of z.

    Equation: eq-score-function (Williams 1992).

    Args:
        function: f, S×D to S; need not be differentiable.
        mean: μ, D.
        log_variance: log σ², D.
        samples: S.
    """
    latents = Gaussian(mean, log_variance).rsample(samples).detach()  # S×D
    score = (latents - mean) * torch.exp(-log_variance)
    return function(latents)[:, None] * score
