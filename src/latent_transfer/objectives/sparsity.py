"""Penalties that keep most code units near zero."""

from __future__ import annotations

from collections.abc import Callable

import torch

from latent_transfer.data import Batch
from latent_transfer.models import Autoencoder
from latent_transfer.objectives.reconstruction import Terms, squared_error


def l1_sparsity(codes: torch.Tensor) -> torch.Tensor:
    """‖h‖₁ = Σⱼ|hⱼ| for each image: B×D to B.

    Equation: eq-l1-sparsity.
    """
    return codes.abs().sum(-1)


def squared_l1_sparsity(codes: torch.Tensor) -> torch.Tensor:
    """‖h‖₁², the penalty that some texts print by mistake: B×D to B.

    Its pull on each unit is 2‖h‖₁·sign(hⱼ): strong where the whole code is large, and vanishing as
    the code as a whole shrinks, where the plain L1 norm keeps pulling.

    Equation: eq-squared-l1-sparsity.
    """
    return l1_sparsity(codes).square()


def kl_sparsity(codes: torch.Tensor, target: float = 0.05) -> torch.Tensor:
    """Σⱼ KL(ρ ‖ ρ̂ⱼ) in nats, ρ̂ⱼ the unit's mean activation over the batch: B×D to a scalar.

    The one penalty here that is a property of the batch, not of an image.

    Equation: eq-kl-sparsity (Ng 2011, CS294A lecture notes).

    Args:
        codes: Activations in (0, 1), B×D.
        target: ρ, the mean activation to aim for.

    Raises:
        ValueError: If the target or an activation lies outside the unit interval.
    """
    if not 0 < target < 1:
        raise ValueError(f"target must lie between 0 and 1, not {target}.")
    if codes.min() < 0 or codes.max() > 1:
        raise ValueError(
            "kl_sparsity needs activations between 0 and 1; give the code a sigmoid, or use "
            "l1_sparsity."
        )
    mean = codes.mean(0).clamp(1e-6, 1 - 1e-6)  # D; a dead unit must not give log 0
    goal = torch.full_like(mean, target)
    divergence = goal * (goal / mean).log() + (1 - goal) * ((1 - goal) / (1 - mean)).log()
    return divergence.sum()


def sparse_reconstruction_loss(
    model: Autoencoder,
    batch: Batch | torch.Tensor,
    *,
    penalty: Callable[[torch.Tensor], torch.Tensor],
    weight: float,
) -> Terms:
    """Batch mean of squared error plus ``weight`` times a sparsity penalty on the codes.

    Args:
        model: An autoencoder, most usefully a wide one.
        batch: Images B×C×H×W in [0, 1].
        penalty: One of this module's functions of the codes.
        weight: λ; with a squared error summed over pixels its scale is that of one image.
    """
    images = Batch.of(batch).images
    codes = model.encode(images)
    reconstruction = squared_error(model.output(model.decode(codes)), images).mean()
    sparsity = penalty(codes).mean()
    return {
        "loss": reconstruction + weight * sparsity,
        "reconstruction": reconstruction,
        "sparsity": sparsity,
    }
