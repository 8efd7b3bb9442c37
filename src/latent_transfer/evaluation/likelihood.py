"""How well a model explains images: bounds on, and estimates of, log p(x) in nats per image."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import torch

from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.densities import Gaussian
from latent_transfer.evaluation.estimates import Estimate
from latent_transfer.models import NADE, VAE, Autoencoder
from latent_transfer.nets import device_of
from latent_transfer.objectives import (
    elbo,
    gaussian_kl,
    log_importance_weights,
    squared_error,
)
from latent_transfer.training import cosine_schedule


@torch.no_grad()
def negative_log_likelihood(
    model: VAE,
    images: ImageSet,
    *,
    samples: int = 5000,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 100,
    samples_at_once: int = 50,
) -> Estimate:
    """−log p(x) by importance sampling with q(z | x) as the proposal, in nats per image.

    It is the importance-weighted bound with many samples, hence still an upper bound on the true
    value in expectation. Samples are drawn a few at a time, so that memory does not grow with
    their number.

    Equation: eq-importance-weighted-bound (Burda et al. 2016).

    Args:
        model: The VAE.
        images: Usually the test set.
        samples: Draws of z an image; 1 gives the −ELBO (noisy), 5,000 is usual in papers.
        binarize: Draw binary pixels from grey ones first; name it wherever you quote the figure.
        seed: Decides binarisation and draws.
        batch_size: Images at once.
        samples_at_once: Draws at once.

    Returns:
        Mean and standard error over images.
    """
    model.eval()
    values = []
    for pixels in _batches(model, images, batch_size, binarize, seed):
        rest, log_sums = samples, []
        while rest > 0:
            log_weights = log_importance_weights(model, pixels, min(rest, samples_at_once))
            log_sums.append(log_weights.logsumexp(0))  # B
            rest -= samples_at_once
        values.append(log(samples) - torch.stack(log_sums).logsumexp(0))
    return Estimate.of(torch.cat(values))


@torch.no_grad()
def exact_negative_log_likelihood(
    model: NADE,
    images: ImageSet,
    *,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 100,
) -> Estimate:
    """−log p(x) of a model that computes it, in nats per image, with neither bound nor samples.

    Equation: eq-nade (Larochelle & Murray 2011).

    Args:
        model: A NADE, or another net with its ``log_density``.
        images: Usually the test set.
        binarize: Draw binary pixels from grey ones first; name it wherever you quote the figure.
        seed: Decides the binarisation.
        batch_size: Images at once.

    Returns:
        Mean and standard error over images.
    """
    model.eval()
    batches = _batches(model, images, batch_size, binarize, seed)
    return Estimate.of(torch.cat([-model.log_density(pixels) for pixels in batches]))


@torch.no_grad()
def evidence_bound(
    model: VAE,
    images: ImageSet,
    *,
    samples: int = 1,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 500,
) -> Estimate:
    """The ELBO of a data set in nats per image, with z sampled from q and the KL in closed form.

    Equation: eq-elbo (Kingma & Welling 2014).

    Args:
        model: The VAE.
        images: Usually the test set.
        samples: Draws of z an image, averaged.
        binarize: Draw binary pixels from grey ones first.
        seed: Decides binarisation and draws.
        batch_size: Images at once.
    """
    model.eval()
    values = [
        _elbo(model, pixels, model.posterior(pixels), samples)
        for pixels in _batches(model, images, batch_size, binarize, seed)
    ]
    return Estimate.of(torch.cat(values))


@torch.no_grad()
def reconstruction_error(
    model: Autoencoder | VAE, images: ImageSet, *, batch_size: int = 500
) -> Estimate:
    """Squared error of the reconstruction, summed over pixels, for each image.

    Equation: eq-squared-error.

    Args:
        model: Anything with ``reconstruct``; a VAE reconstructs from its posterior mean.
        images: Usually the test set.
        batch_size: Images at once.
    """
    model.eval()
    values = [
        squared_error(model.reconstruct(pixels), pixels)
        for pixels in _batches(model, images, batch_size, binarize=False, seed=0)
    ]
    return Estimate.of(torch.cat(values))


def amortisation_gap(
    model: VAE,
    images: ImageSet,
    *,
    steps: int = 300,
    learning_rate: float = 0.02,
    samples: int = 200,
    seed: int = 0,
) -> Estimate:
    """How many nats the encoder loses against the best Gaussian for each image by itself.

    Starts from the encoder's q(z | x), improves mean and log-variance of every image separately by
    gradient ascent on its ELBO, and compares the two ELBOs on the same fresh noise.

    Equation: eq-amortisation-gap (Cremer et al. 2018).

    Args:
        model: The VAE; its weights do not change.
        images: All of them are optimised at once: a few hundred are enough.
        steps: Gradient steps.
        learning_rate: Adam's first step size for means and log-variances; it falls to zero.
        samples: Draws an image for the final comparison.
        seed: Decides every draw.
    """
    model.eval()
    device = device_of(model)
    pixels = images.to(device).pixels()
    with seeded(seed, device):
        with torch.no_grad():
            amortised = model.posterior(pixels)
        best = _optimise(model, pixels, amortised, steps, learning_rate)
    bounds = []
    for belief in (best, amortised):
        # Fresh noise, but the same for both: most of it cancels in the difference.
        with seeded(seed + 1, device), torch.no_grad():
            bounds.append(_elbo(model, pixels, belief, samples))
    return Estimate.of(bounds[0] - bounds[1])


def _optimise(
    model: VAE, pixels: torch.Tensor, start: Gaussian, steps: int, learning_rate: float
) -> Gaussian:
    belief = Gaussian(*(parameter.clone().requires_grad_() for parameter in start))
    optimiser = torch.optim.Adam(belief, lr=learning_rate)
    for step in range(steps):
        # Steps shrink to nothing: constant ones would leave every image's belief jittering.
        optimiser.param_groups[0]["lr"] = learning_rate * cosine_schedule(step / steps)
        log_likelihood = model.log_likelihood(pixels, belief.rsample())
        loss = -elbo(log_likelihood, gaussian_kl(*belief)).sum()  # a sum: images do not interact
        belief.mean.grad, belief.log_variance.grad = torch.autograd.grad(loss, list(belief))
        optimiser.step()
    return Gaussian(*(parameter.detach() for parameter in belief))


def _elbo(model: VAE, pixels: torch.Tensor, belief: Gaussian, samples: int) -> torch.Tensor:
    # One draw after the other: S×B images at once would not fit for large S.
    log_likelihood = sum(
        (model.log_likelihood(pixels, belief.rsample()) for _ in range(samples)),
        start=torch.zeros(len(pixels), device=pixels.device),
    )
    return elbo(log_likelihood / samples, gaussian_kl(*belief))  # B


def _batches(
    model: VAE | Autoencoder | NADE, images: ImageSet, batch_size: int, binarize: bool, seed: int
) -> Iterator[torch.Tensor]:
    device = device_of(model)
    with seeded(seed, device) as generator:
        for batch in images.to(device).batches(batch_size, generator=generator, binarize=binarize):
            yield batch.images
