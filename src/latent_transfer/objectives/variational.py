"""The evidence lower bound, its Gaussian KL, and the tighter importance-weighted bound."""

from __future__ import annotations

from math import log

import torch

from latent_transfer.data import Batch
from latent_transfer.densities import Gaussian
from latent_transfer.models import VAE, HasPosterior, log_joint, require
from latent_transfer.objectives._checks import checked, require_between, require_same_shape
from latent_transfer.objectives.reconstruction import Terms


def gaussian_kl_per_dimension(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, 1)) = ½(μ² + σ² − 1 − log σ²) in nats, element by element.

    Equation: eq-gaussian-kl (Kingma & Welling 2014).

    Args:
        mean: μ, B×D.
        log_variance: log σ², B×D.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import gaussian_kl_per_dimension
        >>> gaussian_kl_per_dimension(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
        tensor([[0., 2.]])
    """
    require_same_shape(mean, log_variance, "Mean and log-variance")
    # expm1 keeps the difference σ² − 1 exact where the posterior is close to the prior.
    return 0.5 * (mean.square() + torch.expm1(log_variance) - log_variance)


def gaussian_kl(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Return KL(q(z | x) ‖ N(0, I)) in nats per image: two B×D tensors to B.

    Equation: eq-gaussian-kl (Kingma & Welling 2014).

    Args:
        mean: μ, B×D.
        log_variance: log σ², B×D.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import gaussian_kl
        >>> gaussian_kl(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.zeros(2, 2))
        tensor([2.5000, 0.0000])
    """
    return gaussian_kl_per_dimension(mean, log_variance).sum(-1)


def gaussian_divergence(one: Gaussian, other: Gaussian) -> torch.Tensor:
    """Return KL(N(μ₁, σ₁²) ‖ N(μ₂, σ₂²)) in nats: …×D and …×D to ….

    Equation: eq-gaussian-divergence.

    Args:
        one: The Gaussians over which the expectation is taken.
        other: Those they are compared with; leading axes may broadcast.

    Raises:
        ValueError: If mean and log-variance of a side differ in shape, or the two sides in D.

    Example:
        >>> import torch
        >>> from latent_transfer.densities import Gaussian
        >>> from latent_transfer.objectives import gaussian_divergence
        >>> one = Gaussian(torch.zeros(3, 2), torch.zeros(3, 2))
        >>> gaussian_divergence(one, Gaussian(torch.ones(3, 2), torch.zeros(3, 2)))
        tensor([1., 1., 1.])
    """
    for side in (one, other):
        require_same_shape(*side, "Mean and log-variance")
    if one.mean.shape[-1:] != other.mean.shape[-1:]:
        raise ValueError(
            "Both Gaussians need the same number of dimensions, not those of shapes "
            f"{tuple(one.mean.shape)} and {tuple(other.mean.shape)}."
        )
    ratio = one.log_variance - other.log_variance  # log of the ratio of the variances
    distance = (one.mean - other.mean).square() * torch.exp(-other.log_variance)
    # expm1 keeps the difference exact where the two variances are close.
    return 0.5 * (torch.expm1(ratio) - ratio + distance).sum(-1)


def free_bits_kl(mean: torch.Tensor, log_variance: torch.Tensor, minimum: float) -> torch.Tensor:
    """Return Σⱼ max(λ, batch mean of KLⱼ) in nats: two B×D tensors to a scalar.

    A dimension below λ nats feels no pull towards the prior, so it may come into use.

    Equation: eq-free-bits (Kingma et al. 2016).

    Args:
        mean: μ, B×D.
        log_variance: log σ², B×D.
        minimum: λ ≥ 0, in nats per dimension.

    Raises:
        ValueError: If the shapes differ, there is no image, or the minimum is negative.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import free_bits_kl
        >>> free_bits_kl(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2), minimum=0.25)
        tensor(2.2500)
    """
    require_between("minimum", minimum)
    if not len(mean):
        raise ValueError("free_bits_kl needs at least one image.")
    return gaussian_kl_per_dimension(mean, log_variance).mean(0).clamp(min=minimum).sum()


def elbo(log_likelihood: torch.Tensor, kl: torch.Tensor, beta: float = 1.0) -> torch.Tensor:
    """Return E_q[log p(x | z)] − β·KL(q(z | x) ‖ p(z)) in nats, a bound on log p(x) for β ≥ 1.

    Equation: eq-elbo (Kingma & Welling 2014); eq-beta-elbo (Higgins et al. 2017).

    Args:
        log_likelihood: B, or S×B with one row per sample of z; the caller averages over S.
        kl: B.
        beta: Weight of the KL, at least 0.

    Returns:
        The shape of ``log_likelihood``.

    Raises:
        ValueError: If beta is negative, or neither shape contains the other (as B×1 beside B).

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import elbo
        >>> elbo(torch.tensor([-90.0, -80.0]), torch.tensor([20.0, 10.0]))
        tensor([-110.,  -90.])
    """
    require_between("beta", beta)
    shapes = (log_likelihood.shape, kl.shape)
    if torch.broadcast_shapes(*shapes) not in shapes:
        raise ValueError(
            "Log-likelihood and KL must belong to the same images, but have shapes "
            f"{tuple(shapes[0])} and {tuple(shapes[1])}."
        )
    return log_likelihood - beta * kl


def log_importance_weights(model: HasPosterior, images: torch.Tensor, samples: int) -> torch.Tensor:
    """Return log p(x, z) − log q(z | x) at ``samples`` draws z ~ q(z | x), in nats: S×B.

    Equation: eq-importance-weight (Burda et al. 2016).

    Args:
        model: The VAE.
        images: B×C×H×W in [0, 1].
        samples: S, at least 1.

    Raises:
        ValueError: If there is no sample.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.objectives import log_importance_weights
        >>> model = mlp_vae((1, 4, 4), (8,), 2)
        >>> log_importance_weights(model, torch.rand(5, 1, 4, 4), samples=3).shape
        torch.Size([3, 5])
    """
    posterior = model.posterior(images)
    latents = posterior.rsample(samples)  # S×B×D
    return log_joint(model, images, latents) - posterior.log_density(latents)


def importance_weighted_bound(log_weights: torch.Tensor) -> torch.Tensor:
    """Return log (1/S) Σₛ wₛ in nats per image: log-weights S×B to B.

    With one sample it is an unbiased estimate of the ELBO; on average it grows with S towards
    log p(x).

    Equation: eq-importance-weighted-bound (Burda et al. 2016).

    Args:
        log_weights: log wₛ, S×B, one row per sample.

    Raises:
        ValueError: If there is no sample, or no axis of samples.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import importance_weighted_bound
        >>> importance_weighted_bound(torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
        tensor([0., 1.])
    """
    if log_weights.dim() < 2 or not len(log_weights):
        raise ValueError(
            f"Log-weights must be S×B with at least one sample, not {tuple(log_weights.shape)}."
        )
    return log_weights.logsumexp(0) - log(log_weights.shape[0])


def negative_elbo(
    model: VAE, batch: Batch | torch.Tensor, *, beta: float = 1.0, free_bits: float = 0.0
) -> Terms:
    """Return the batch means of −ELBO and its two terms, with one draw of z per image.

    Args:
        model: The VAE.
        batch: Images B×C×H×W in [0, 1]; binary, if a Bernoulli likelihood is to be a likelihood.
        beta: Weight of the KL, at least 0; raise it from 0 during training for a warm-up.
        free_bits: Nats that each latent dimension may cost for free (see :func:`free_bits_kl`).

    Returns:
        ``loss`` (minimised), ``reconstruction`` = −E_q[log p(x | z)] and ``kl``, nats per image.

    Raises:
        TypeError: If the model has no posterior or no likelihood.
        ValueError: If beta or free_bits is negative, or the batch is empty or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.objectives import negative_elbo
        >>> terms = negative_elbo(mlp_vae((1, 4, 4), (8,), 2), torch.rand(5, 1, 4, 4))
        >>> sorted(terms), terms["loss"].shape
        (['kl', 'loss', 'reconstruction'], torch.Size([]))
    """
    require(model, HasPosterior, "negative_elbo")
    require_between("free_bits", free_bits)
    images = checked(batch).images
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
    """Return the batch mean of the negative importance-weighted bound, the IWAE's loss, in nats.

    Args:
        model: The VAE.
        batch: Images B×C×H×W in [0, 1].
        samples: S ≥ 1, the draws of z per image.

    Returns:
        ``loss`` in nats per image.

    Raises:
        ValueError: If there is no sample, or the batch is empty or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.objectives import negative_importance_weighted_bound
        >>> model, images = mlp_vae((1, 4, 4), (8,), 2), torch.rand(5, 1, 4, 4)
        >>> list(negative_importance_weighted_bound(model, images, samples=3))
        ['loss']
    """
    require(model, HasPosterior, "negative_importance_weighted_bound")
    log_weights = log_importance_weights(model, checked(batch).images, samples)
    return {"loss": -importance_weighted_bound(log_weights).mean()}
