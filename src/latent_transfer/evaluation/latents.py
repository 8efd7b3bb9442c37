"""What the latent space is used for."""

from __future__ import annotations

import torch

from latent_transfer.data import ImageSet
from latent_transfer.inference import encode
from latent_transfer.models import VAE
from latent_transfer.objectives import gaussian_kl_per_dimension


def kl_per_dimension(model: VAE, images: ImageSet) -> torch.Tensor:
    """Mean KL(q(z_j | x) ‖ p(z_j)) of each latent dimension over a set, in nats: D.

    Equation: eq-gaussian-kl (Kingma & Welling 2014).
    """
    return gaussian_kl_per_dimension(*encode(model, images)).mean(0)


def active_units(model: VAE, images: ImageSet, *, threshold: float = 1e-2) -> torch.Tensor:
    """Which latent dimensions carry information: Var_x(E_q[z_j | x]) > threshold, D booleans.

    Equation: eq-active-units (Burda et al. 2016).

    Args:
        model: The VAE.
        images: A set large enough for the variance to mean something.
        threshold: On the variance of the posterior means; 0.01 in the paper.
    """
    return encode(model, images).mean.var(0) > threshold
