"""The bound of a VAE with a mixture prior."""

from __future__ import annotations

import torch

from latent_transfer.data import Batch
from latent_transfer.densities import Gaussian
from latent_transfer.models import VaDE
from latent_transfer.objectives._checks import checked, require_between
from latent_transfer.objectives.reconstruction import Terms
from latent_transfer.objectives.variational import elbo, gaussian_divergence


def component_kl(
    posterior: Gaussian, means: torch.Tensor, log_variances: torch.Tensor
) -> torch.Tensor:
    """Return KL(q(z | x) ‖ N(μ_c, diag σ_c²)) in nats for every component: B×K.

    Args:
        posterior: q(z | x), B×D.
        means: μ_c, K×D.
        log_variances: log σ_c², K×D.

    Raises:
        ValueError: If the numbers of dimensions differ.

    Example:
        >>> import torch
        >>> from latent_transfer.densities import Gaussian
        >>> from latent_transfer.objectives import component_kl
        >>> belief = Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))
        >>> component_kl(belief, torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.zeros(2, 2))
        tensor([[0., 1.]])
    """
    of_images = Gaussian(*(part.unsqueeze(1) for part in posterior))  # B×1×D
    return gaussian_divergence(of_images, Gaussian(means, log_variances))


def mixture_kl(
    component_kls: torch.Tensor, log_weights: torch.Tensor, log_responsibilities: torch.Tensor
) -> torch.Tensor:
    """Return KL(q(z | x) q(c | x) ‖ p(z, c)) = Σ_c γ_c (KL_c + log γ_c − log π_c) in nats: B.

    Equation: eq-mixture-kl (Jiang et al. 2017).

    Args:
        component_kls: KL(q(z | x) ‖ p(z | c)), B×K, as :func:`component_kl` gives them.
        log_weights: log π_c, K.
        log_responsibilities: log γ_c = log q(c | x), B×K.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import mixture_kl
        >>> even = torch.tensor([[0.5, 0.5]]).log()
        >>> mixture_kl(torch.tensor([[1.0, 3.0]]), even[0], even)
        tensor([2.])
    """
    _require_components(component_kls, log_weights)
    _require_components(log_responsibilities, log_weights)
    costs = component_kls + log_responsibilities - log_weights
    return (log_responsibilities.exp() * costs).sum(-1)


def best_log_responsibilities(
    component_kls: torch.Tensor, log_weights: torch.Tensor
) -> torch.Tensor:
    """Return log q(c | x) with q ∝ π_c·exp(−KL_c), which minimises the mixture's KL: B×K.

    With it the KL is −log Σ_c π_c·exp(−KL_c).

    Equation: eq-best-responsibilities.

    Args:
        component_kls: KL(q(z | x) ‖ p(z | c)), B×K.
        log_weights: log π_c, K.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import best_log_responsibilities
        >>> best_log_responsibilities(torch.tensor([[1.0, 3.0]]), torch.zeros(2)).exp()
        tensor([[0.8808, 0.1192]])
    """
    _require_components(component_kls, log_weights)
    return (log_weights - component_kls).log_softmax(-1)


def negative_vade_elbo(model: VaDE, batch: Batch | torch.Tensor, *, beta: float = 1.0) -> Terms:
    """Return the batch means of VaDE's −ELBO and its two terms, with one draw of z per image.

    The responsibilities are p(c | z) at that draw, as in the paper; the rest of the KL is exact.

    Args:
        model: VaDE.
        batch: Images B×C×H×W in [0, 1].
        beta: Weight of the KL, at least 0.

    Returns:
        ``loss`` (minimised), ``reconstruction`` = −E_q[log p(x | z)] and ``kl``, nats per image.

    Raises:
        ValueError: If beta is negative, or the batch is empty or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import VaDE, mlp_vae
        >>> from latent_transfer.objectives import negative_vade_elbo
        >>> model = VaDE(mlp_vae((1, 4, 4), (8,), 2), clusters=3)
        >>> sorted(negative_vade_elbo(model, torch.rand(5, 1, 4, 4)))
        ['kl', 'loss', 'reconstruction']
    """
    require_between("beta", beta)
    images = checked(batch).images
    posterior = model.posterior(images)
    latents = posterior.rsample()
    log_likelihood = model.log_likelihood(images, latents).mean()
    component_kls = component_kl(posterior, model.means, model.log_variances)
    responsibilities = model.log_responsibilities(latents)
    kl = mixture_kl(component_kls, model.log_weights, responsibilities).mean()
    return {"loss": -elbo(log_likelihood, kl, beta), "reconstruction": -log_likelihood, "kl": kl}


def _require_components(of_images: torch.Tensor, log_weights: torch.Tensor) -> None:
    if of_images.dim() != 2 or log_weights.shape != of_images.shape[1:]:
        raise ValueError(
            "KLs and responsibilities are B×K and weights K, not "
            f"{tuple(of_images.shape)} and {tuple(log_weights.shape)}."
        )
