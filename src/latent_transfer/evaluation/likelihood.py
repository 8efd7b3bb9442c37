"""How well a model explains images: bounds on, and estimates of, log p(x) in nats per image.

Each measure has two forms: one that returns a value for every image, and one that returns their
mean and its standard error, with the sign in which it is usually quoted.
"""

from __future__ import annotations

from math import log

import torch

from latent_transfer._random import seeded
from latent_transfer.data import Examples
from latent_transfer.densities import Gaussian
from latent_transfer.evaluation._checks import check_count
from latent_transfer.evaluation.estimates import Estimate
from latent_transfer.inference import over
from latent_transfer.models import (
    HasDensity,
    HasPosterior,
    HasPrior,
    Reconstructs,
    posterior_of,
    require,
)
from latent_transfer.objectives import (
    elbo,
    gaussian_kl,
    log_importance_weights,
    squared_error,
)
from latent_transfer.training import cosine_schedule

Images = Examples | torch.Tensor


def log_likelihoods(
    model: HasPosterior,
    images: Images,
    *,
    samples: int = 5000,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 100,
    samples_at_once: int = 50,
) -> torch.Tensor:
    """Return log p(x) of every image by importance sampling with q(z | x), in nats: N.

    It is the importance-weighted bound with many samples, hence still a lower bound on the true
    value in expectation. Samples are drawn a few at a time, so that memory does not grow with
    their number.

    Equation: eq-importance-weighted-bound (Burda et al. 2016).

    Args:
        model: A VAE, a VaDE, or another model with ``posterior`` and ``log_likelihood``.
        images: Usually the test set.
        samples: Draws of z per image; 1 gives the ELBO (noisy), 5,000 is usual in papers.
        binarize: Draw binary pixels from grey ones first; name it wherever you quote the number.
        seed: Decides binarisation and draws.
        batch_size: Images at once.
        samples_at_once: Draws at once.

    Raises:
        TypeError: If the model lacks a method.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import log_likelihoods
        >>> from latent_transfer.models import mlp_vae
        >>> vae, images = mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)
        >>> log_likelihoods(vae, images, samples=10).shape
        torch.Size([5])
    """
    require(model, HasPosterior, "log_likelihoods")
    check_count("samples", samples)
    check_count("samples_at_once", samples_at_once)

    def per_image(pixels: torch.Tensor) -> torch.Tensor:
        return importance_sampled(model, pixels, samples, samples_at_once)

    return over(model, images, per_image, batch_size=batch_size, binarize=binarize, seed=seed)


def negative_log_likelihood(
    model: HasPosterior,
    images: Images,
    *,
    samples: int = 5000,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 100,
    samples_at_once: int = 50,
) -> Estimate:
    """Estimate −log p(x) in nats per image; :func:`log_likelihoods` gives each image's value.

    Equation: eq-importance-weighted-bound (Burda et al. 2016).

    Args:
        model: A VAE, a VaDE, or another model with ``posterior`` and ``log_likelihood``.
        images: Usually the test set.
        samples: Draws of z per image; 1 gives the −ELBO (noisy), 5,000 is usual in papers.
        binarize: Draw binary pixels from grey ones first; name it wherever you quote the number.
        seed: Decides binarisation and draws.
        batch_size: Images at once.
        samples_at_once: Draws at once.

    Returns:
        Mean and standard error over images.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import negative_log_likelihood
        >>> from latent_transfer.models import mlp_vae
        >>> vae, images = mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)
        >>> negative_log_likelihood(vae, images, samples=10).count
        5
    """
    values = log_likelihoods(
        model,
        images,
        samples=samples,
        binarize=binarize,
        seed=seed,
        batch_size=batch_size,
        samples_at_once=samples_at_once,
    )
    return Estimate.of(-values)


def exact_log_likelihoods(
    model: HasDensity,
    images: Images,
    *,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 100,
) -> torch.Tensor:
    """Return log p(x) of every image from a model that computes it, in nats: N.

    Equation: eq-nade (Larochelle & Murray 2011).

    Args:
        model: A NADE, or another model with ``log_density``.
        images: Usually the test set.
        binarize: Draw binary pixels from grey ones first; name it wherever you quote the number.
        seed: Decides the binarisation.
        batch_size: Images at once.

    Raises:
        TypeError: If the model has no ``log_density``.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import exact_log_likelihoods
        >>> from latent_transfer.models import NADE
        >>> exact_log_likelihoods(NADE((1, 8, 8), 4), torch.ones(5, 1, 8, 8)).shape
        torch.Size([5])
    """
    require(model, HasDensity, "exact_log_likelihoods")
    return over(
        model, images, model.log_density, batch_size=batch_size, binarize=binarize, seed=seed
    )


def exact_negative_log_likelihood(
    model: HasDensity,
    images: Images,
    *,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 100,
) -> Estimate:
    """Estimate −log p(x) of a model that computes it, in nats per image: no bound, no samples of z.

    Equation: eq-nade (Larochelle & Murray 2011).

    Args:
        model: A NADE, or another model with ``log_density``.
        images: Usually the test set.
        binarize: Draw binary pixels from grey ones first; name it wherever you quote the number.
        seed: Decides the binarisation.
        batch_size: Images at once.

    Returns:
        Mean and standard error over images.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import exact_negative_log_likelihood
        >>> from latent_transfer.models import NADE
        >>> exact_negative_log_likelihood(NADE((1, 8, 8), 4), torch.ones(5, 1, 8, 8)).count
        5
    """
    return Estimate.of(
        -exact_log_likelihoods(model, images, binarize=binarize, seed=seed, batch_size=batch_size)
    )


def elbos(
    model: HasPosterior,
    images: Images,
    *,
    samples: int = 1,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 500,
) -> torch.Tensor:
    """Return the ELBO of every image in nats, with z drawn from q(z | x): N.

    The KL is in closed form where the prior is N(0, I); for a model with a prior of its own it is
    estimated at the same draws.

    Equation: eq-elbo (Kingma & Welling 2014).

    Args:
        model: A VAE, a VaDE, or another model with ``posterior`` and ``log_likelihood``.
        images: Usually the test set.
        samples: Draws of z per image, averaged.
        binarize: Draw binary pixels from grey ones first.
        seed: Decides binarisation and draws.
        batch_size: Images at once.

    Raises:
        TypeError: If the model lacks a method.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import elbos
        >>> from latent_transfer.models import mlp_vae
        >>> elbos(mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)).shape
        torch.Size([5])
    """
    require(model, HasPosterior, "elbos")
    check_count("samples", samples)

    def per_image(pixels: torch.Tensor) -> torch.Tensor:
        return elbo(*bound_terms(model, pixels, posterior_of(model, pixels), samples))

    return over(model, images, per_image, batch_size=batch_size, binarize=binarize, seed=seed)


def evidence_bound(
    model: HasPosterior,
    images: Images,
    *,
    samples: int = 1,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 500,
) -> Estimate:
    """Estimate the ELBO in nats per image; :func:`elbos` gives each image's value.

    Equation: eq-elbo (Kingma & Welling 2014).

    Args:
        model: A VAE, a VaDE, or another model with ``posterior`` and ``log_likelihood``.
        images: Usually the test set.
        samples: Draws of z per image, averaged.
        binarize: Draw binary pixels from grey ones first.
        seed: Decides binarisation and draws.
        batch_size: Images at once.

    Returns:
        Mean and standard error over images.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import evidence_bound
        >>> from latent_transfer.models import mlp_vae
        >>> evidence_bound(mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)).count
        5
    """
    return Estimate.of(
        elbos(model, images, samples=samples, binarize=binarize, seed=seed, batch_size=batch_size)
    )


def reconstruction_errors(
    model: Reconstructs, images: Images, *, batch_size: int = 500
) -> torch.Tensor:
    """Return the squared error of every image's reconstruction, summed over pixels: N.

    Equation: eq-squared-error.

    Args:
        model: Anything with ``reconstruct``; a VAE reconstructs from its posterior mean.
        images: Usually the test set.
        batch_size: Images at once.

    Raises:
        TypeError: If the model has no ``reconstruct``.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import reconstruction_errors
        >>> from latent_transfer.models import mlp_autoencoder
        >>> reconstruction_errors(mlp_autoencoder((1, 8, 8), (16,)), torch.rand(5, 1, 8, 8)).shape
        torch.Size([5])
    """
    require(model, Reconstructs, "reconstruction_errors")

    def per_image(pixels: torch.Tensor) -> torch.Tensor:
        return squared_error(model.reconstruct(pixels), pixels)

    return over(model, images, per_image, batch_size=batch_size)


def reconstruction_error(model: Reconstructs, images: Images, *, batch_size: int = 500) -> Estimate:
    """Estimate the squared error of a reconstruction, summed over pixels, per image.

    Equation: eq-squared-error.

    Args:
        model: Anything with ``reconstruct``; a VAE reconstructs from its posterior mean.
        images: Usually the test set.
        batch_size: Images at once.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import reconstruction_error
        >>> from latent_transfer.models import mlp_autoencoder
        >>> reconstruction_error(mlp_autoencoder((1, 8, 8), (16,)), torch.rand(5, 1, 8, 8)).count
        5
    """
    return Estimate.of(reconstruction_errors(model, images, batch_size=batch_size))


def amortisation_gap(
    model: HasPosterior,
    images: Examples,
    *,
    steps: int = 300,
    learning_rate: float = 0.02,
    samples: int = 200,
    seed: int = 0,
) -> Estimate:
    """Estimate how many nats the encoder loses against the best Gaussian for each image by itself.

    Starts from the encoder's q(z | x), improves mean and log-variance of every image separately by
    gradient ascent on its ELBO, and compares the two ELBOs on the same fresh noise.

    Equation: eq-amortisation-gap (Cremer et al. 2018).

    Args:
        model: A VAE; its weights do not change.
        images: All of them are optimised at once: a few hundred are enough.
        steps: Gradient steps.
        learning_rate: Adam's first step size for means and log-variances; it falls to zero.
        samples: Draws per image for the final comparison.
        seed: Decides every draw.

    Example:
        >>> from latent_transfer.data import load
        >>> from latent_transfer.evaluation import amortisation_gap
        >>> from latent_transfer.models import mlp_vae
        >>> digits = load("digits", size=8).test.subset(slice(0, 5))
        >>> amortisation_gap(mlp_vae((1, 8, 8), (16,), 2), digits, steps=5, samples=5).count
        5
    """
    require(model, HasPosterior, "amortisation_gap")
    check_count("steps", steps)
    check_count("samples", samples)

    def per_image(pixels: torch.Tensor) -> torch.Tensor:
        return _gap(model, pixels, steps, learning_rate, samples, seed)

    return Estimate.of(over(model, images, per_image, batch_size=len(images), seed=seed))


def bound_terms(
    model: HasPosterior, images: torch.Tensor, belief: Gaussian, samples: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the two terms of a batch's ELBO, E_q[log p(x | z)] and KL(q ‖ p(z)), in nats: B each.

    Args:
        model: As for :func:`elbos`, on the device of the images.
        images: B×C×H×W.
        belief: q(z | x), B×D.
        samples: Draws of z per image.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation.likelihood import bound_terms
        >>> from latent_transfer.models import mlp_vae
        >>> vae, images = mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)
        >>> log_likelihood, kl = bound_terms(vae, images, vae.posterior(images), samples=3)
        >>> log_likelihood.shape, kl.shape
        (torch.Size([5]), torch.Size([5]))
    """
    prior = model if isinstance(model, HasPrior) else None
    log_likelihood, surprise = images.new_zeros(len(images)), images.new_zeros(len(images))
    for _ in range(samples):  # one draw after the other: S×B images at once would not fit
        latents = belief.rsample()
        log_likelihood = log_likelihood + model.log_likelihood(images, latents)
        if prior is not None:
            log_ratio = belief.log_density(latents) - prior.prior_log_density(latents)
            surprise = surprise + log_ratio
    kl = gaussian_kl(*belief) if prior is None else surprise / samples
    return log_likelihood / samples, kl


def importance_sampled(
    model: HasPosterior, images: torch.Tensor, samples: int, at_once: int
) -> torch.Tensor:
    """Return the importance-weighted bound of a batch, a few draws at a time, in nats: B.

    Args:
        model: As for :func:`log_likelihoods`, on the device of the images.
        images: B×C×H×W.
        samples: Draws of z per image.
        at_once: Draws at once.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation.likelihood import importance_sampled
        >>> from latent_transfer.models import mlp_vae
        >>> vae, images = mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)
        >>> importance_sampled(vae, images, samples=7, at_once=3).shape
        torch.Size([5])
    """
    log_sums = []
    for done in range(0, samples, at_once):
        log_weights = log_importance_weights(model, images, min(at_once, samples - done))
        log_sums.append(log_weights.logsumexp(0))  # B
    return torch.stack(log_sums).logsumexp(0) - log(samples)


def _gap(
    model: HasPosterior,
    pixels: torch.Tensor,
    steps: int,
    learning_rate: float,
    samples: int,
    seed: int,
) -> torch.Tensor:
    amortised = posterior_of(model, pixels)
    with torch.enable_grad():
        best = _optimise(model, pixels, amortised, steps, learning_rate)
    bounds = []
    for belief in (best, amortised):
        # Fresh noise, but the same for both: most of it cancels in the difference.
        with seeded(seed + 1, pixels.device):
            bounds.append(elbo(*bound_terms(model, pixels, belief, samples)))
    return bounds[0] - bounds[1]  # B


def _optimise(
    model: HasPosterior, pixels: torch.Tensor, start: Gaussian, steps: int, learning_rate: float
) -> Gaussian:
    belief = Gaussian(*(parameter.clone().requires_grad_() for parameter in start))
    optimiser = torch.optim.Adam(belief, lr=learning_rate)
    for step in range(steps):
        # Steps shrink to nothing: constant ones would leave every image's belief jittering.
        optimiser.param_groups[0]["lr"] = learning_rate * cosine_schedule(step / steps)
        bounds = elbo(*bound_terms(model, pixels, belief, 1))
        loss = -bounds.sum()  # a sum: images do not interact
        belief.mean.grad, belief.log_variance.grad = torch.autograd.grad(loss, list(belief))
        optimiser.step()
    return Gaussian(*(parameter.detach() for parameter in belief))
