"""What the latent space is used for."""

from __future__ import annotations

import torch

from latent_transfer.data import Source
from latent_transfer.evaluation._checks import check_finite
from latent_transfer.inference import encode
from latent_transfer.models import Encodes
from latent_transfer.objectives import gaussian_kl_per_dimension


def kl_per_dimension(model: Encodes, images: Source) -> torch.Tensor:
    """Return the mean KL(q(z_j | x) ‖ N(0, 1)) of each latent dimension over a set, in nats: D.

    It is measured from N(0, 1) whatever the model's own prior is: a mixture, as VaDE's, does not
    come apart into dimensions.

    Equation: eq-gaussian-kl (Kingma & Welling 2014).

    Args:
        model: A VAE, or anything else with a ``posterior``.
        images: Usually the test set.

    Raises:
        ValueError: If the posterior is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import kl_per_dimension
        >>> from latent_transfer.models import mlp_vae
        >>> kl_per_dimension(mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)).shape
        torch.Size([2])
    """
    divergences = gaussian_kl_per_dimension(*encode(model, images))  # N×D
    check_finite("Divergences", divergences)
    return divergences.mean(0)


def active_units(model: Encodes, images: Source, *, threshold: float = 1e-2) -> torch.Tensor:
    """Return which latents carry information: Var_x(E_q[z_j | x]) > threshold, D booleans.

    Equation: eq-active-units (Burda et al. 2016).

    Args:
        model: A VAE, or anything else with a ``posterior``.
        images: At least two, and enough for the variance to mean something.
        threshold: On the variance of the posterior means; 0.01 in the paper.

    Raises:
        ValueError: If there are fewer than two images, or the posterior is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import active_units
        >>> from latent_transfer.models import mlp_vae
        >>> vae = mlp_vae((1, 8, 8), (16,), 2)
        >>> active_units(vae, torch.rand(1, 1, 8, 8).expand(5, -1, -1, -1))  # one image, five times
        tensor([False, False])
    """
    means = encode(model, images).mean  # N×D
    if len(means) < 2:
        raise ValueError(f"A variance over images needs at least two, not {len(means)}.")
    check_finite("Posterior means", means)
    return means.var(0) > threshold
