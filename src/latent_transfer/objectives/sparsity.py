"""Penalties that keep most code units near zero."""

from __future__ import annotations

from collections.abc import Callable

import torch

from latent_transfer.data import Batch
from latent_transfer.densities import known_to_hold
from latent_transfer.models import Autoencoder
from latent_transfer.objectives._checks import checked, require_between
from latent_transfer.objectives.reconstruction import Terms, squared_error


def l1_sparsity(codes: torch.Tensor) -> torch.Tensor:
    """Return ‖h‖₁ = Σⱼ|hⱼ| for each image: B×D to B.

    Equation: eq-l1-sparsity.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import l1_sparsity
        >>> l1_sparsity(torch.tensor([[1.0, -2.0], [0.0, 0.5]]))
        tensor([3.0000, 0.5000])
    """
    return codes.abs().sum(-1)


def squared_l1_sparsity(codes: torch.Tensor) -> torch.Tensor:
    """Return ‖h‖₁², the penalty that some texts print by mistake: B×D to B.

    Its pull on each unit is 2‖h‖₁·sign(hⱼ): strong while the whole code is large, and vanishing as
    the whole code shrinks, where the plain L1 norm keeps pulling.

    Equation: eq-squared-l1-sparsity.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import squared_l1_sparsity
        >>> squared_l1_sparsity(torch.tensor([[1.0, -2.0], [0.0, 0.5]]))
        tensor([9.0000, 0.2500])
    """
    return l1_sparsity(codes).square()


def kl_sparsity(codes: torch.Tensor, target: float = 0.05) -> torch.Tensor:
    """Return Σⱼ KL(ρ ‖ ρ̂ⱼ) in nats, ρ̂ⱼ the mean activation of unit j: B×D to a scalar.

    It is the only penalty here that belongs to the batch and not to each image.

    Equation: eq-kl-sparsity (Ng 2011, CS294A lecture notes).

    Args:
        codes: Activations in (0, 1), B×D.
        target: ρ, the mean activation to aim for.

    Raises:
        ValueError: If the target or an activation lies outside the unit interval, or there is no
            code.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import kl_sparsity
        >>> kl_sparsity(torch.full((4, 2), 0.05)), kl_sparsity(torch.full((4, 2), 0.5))
        (tensor(0.), tensor(0.9893))
    """
    if not 0 < target < 1:
        raise ValueError(f"target must lie between 0 and 1, not {target}.")
    if codes.dim() != 2 or not codes.numel():
        raise ValueError(f"kl_sparsity needs codes B×D, not of shape {tuple(codes.shape)}.")
    if known_to_hold(((codes < 0) | (codes > 1)).any()):
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
    """Return the batch mean of the squared error plus a weighted sparsity penalty on the codes.

    Args:
        model: An autoencoder, most usefully a wide one.
        batch: Images B×C×H×W in [0, 1].
        penalty: One of this module's functions of the codes.
        weight: λ ≥ 0; the squared error is a sum over pixels, so λ is on the scale of one image.

    Returns:
        ``loss``; its terms ``reconstruction`` and ``sparsity``, without the weight.

    Raises:
        ValueError: If the weight is negative, or the batch is empty or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import sparse_autoencoder
        >>> from latent_transfer.objectives import l1_sparsity, sparse_reconstruction_loss
        >>> model, images = sparse_autoencoder((1, 4, 4), 20), torch.rand(5, 1, 4, 4)
        >>> sorted(sparse_reconstruction_loss(model, images, penalty=l1_sparsity, weight=0.1))
        ['loss', 'reconstruction', 'sparsity']
    """
    require_between("weight", weight)
    images = checked(batch).images
    codes = model.encode(images)
    reconstruction = squared_error(model.output(model.decode(codes)), images).mean()
    sparsity = penalty(codes).mean()
    return {
        "loss": reconstruction + weight * sparsity,
        "reconstruction": reconstruction,
        "sparsity": sparsity,
    }
