"""The evidence lower bound, its Gaussian KL, and the tighter importance-weighted bound."""

from __future__ import annotations

from math import log

import torch

from latent_transfer.data import Batch
from latent_transfer.densities import Gaussian
from latent_transfer.models import VAE, HasPosterior, log_joint
from latent_transfer.objectives.reconstruction import Terms


def gaussian_kl_per_dimension(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½(μ² + σ² − 1 − log σ²) in nats, element by element.

    Equation: eq-gaussian-kl (Kingma & Welling 2014).

    Args:
        mean: μ, B×D.
        log_variance: log σ², B×D.
    """
    # expm1 keeps the difference σ² − 1 exact where the posterior is close to the prior.
    return 0.5 * (mean.square() + torch.expm1(log_variance) - log_variance)


def gaussian_kl(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL(q(z | x) ‖ N(0, I)) in nats per image: twice B×D to B.

    Equation: eq-gaussian-kl (Kingma & Welling 2014).
    """
    return gaussian_kl_per_dimension(mean, log_variance).sum(-1)


def gaussian_divergence(one: Gaussian, other: Gaussian) -> torch.Tensor:
    """KL(N(μ₁, σ₁²) ‖ N(μ₂, σ₂²)) in nats: …×D and …×D, which may broadcast, to ….

    Equation: eq-gaussian-divergence.
    """
    ratio = one.log_variance - other.log_variance  # log of the ratio of the variances
    distance = (one.mean - other.mean).square() * torch.exp(-other.log_variance)
    # expm1 keeps the difference exact where the two variances are close.
    return 0.5 * (torch.expm1(ratio) - ratio + distance).sum(-1)


def free_bits_kl(mean: torch.Tensor, log_variance: torch.Tensor, minimum: float) -> torch.Tensor:
    """Σⱼ max(λ, batch mean of KLⱼ) in nats: twice B×D to a scalar.

    A dimension below λ nats feels no pull towards the prior, so that it may come into use.

    Equation: eq-free-bits (Kingma et al. 2016).
    """
    return gaussian_kl_per_dimension(mean, log_variance).mean(0).clamp(min=minimum).sum()


def elbo(log_likelihood: torch.Tensor, kl: torch.Tensor, beta: float = 1.0) -> torch.Tensor:
    """E_q[log p(x | z)] − β·KL(q(z | x) ‖ p(z)) in nats per image; a bound on log p(x) for β ≥ 1.

    Equation: eq-elbo (Kingma & Welling 2014); eq-beta-elbo (Higgins et al. 2017).

    Args:
        log_likelihood: B, or S×B with one row a sample of z, then averaged over S by the caller.
        kl: B.
        beta: Weight of the KL.
    """
    return log_likelihood - beta * kl


def log_importance_weights(model: HasPosterior, images: torch.Tensor, samples: int) -> torch.Tensor:
    """Log p(x, z) − log q(z | x) at ``samples`` draws z ~ q(z | x), in nats: S×B.

    Equation: eq-importance-weight (Burda et al. 2016).
    """
    posterior = model.posterior(images)
    latents = posterior.rsample(samples)  # S×B×D
    return log_joint(model, images, latents) - posterior.log_density(latents)


def importance_weighted_bound(log_weights: torch.Tensor) -> torch.Tensor:
    """Log (1/S) Σₛ wₛ in nats per image: log-weights S×B to B.

    With one sample it is an unbiased estimate of the ELBO; it grows with S towards log p(x).

    Equation: eq-importance-weighted-bound (Burda et al. 2016).
    """
    return log_weights.logsumexp(0) - log(log_weights.shape[0])


def negative_elbo(
    model: VAE, batch: Batch | torch.Tensor, *, beta: float = 1.0, free_bits: float = 0.0
) -> Terms:
    """Batch means of −ELBO and its two terms, with one draw of z an image.

    Args:
        model: The VAE.
        batch: Images B×C×H×W in [0, 1]; binary for a Bernoulli likelihood to be a likelihood.
        beta: Weight of the KL; raise it from 0 during training for a warm-up.
        free_bits: Nats a latent dimension may cost before it is charged (see ``free_bits_kl``).

    Returns:
        ``loss`` (minimised), ``reconstruction`` = −E_q[log p(x | z)] and ``kl``, nats per image.
    """
    images = Batch.of(batch).images
    posterior = model.posterior(images)
    log_likelihood = model.log_likelihood(images, posterior.rsample()).mean()
    kl = gaussian_kl(*posterior).mean()
    charged = free_bits_kl(*posterior, free_bits) if free_bits else kl
    return {
        "loss": -elbo(log_likelihood, charged, beta),
        "reconstruction": -log_likelihood,
        "kl": kl,
    }


def negative_importance_weighted_bound(
    model: VAE, batch: Batch | torch.Tensor, *, samples: int
) -> Terms:
    """Batch mean of the negative importance-weighted bound: the IWAE's loss, in nats per image.

    Args:
        model: The VAE.
        batch: Images B×C×H×W in [0, 1].
        samples: S, the draws of z per image.
    """
    log_weights = log_importance_weights(model, Batch.of(batch).images, samples)
    return {"loss": -importance_weighted_bound(log_weights).mean()}
