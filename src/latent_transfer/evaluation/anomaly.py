"""How unusual is an image? Scores, larger for the more anomalous, and what they are worth."""

from __future__ import annotations

import io
from collections.abc import Callable
from math import log

import numpy as np
import torch
from numpy.typing import NDArray

from latent_transfer.data import ImageSet
from latent_transfer.inference import over
from latent_transfer.models import VAE
from latent_transfer.objectives import (
    elbo,
    gaussian_kl,
    importance_weighted_bound,
    log_importance_weights,
)

#: Bytes of every PNG that say nothing about its pixels: signature, header, chunk frames, end.
PNG_OVERHEAD = 57


def anomaly_scores(
    model: VAE,
    images: ImageSet,
    *,
    kind: str = "elbo",
    samples: int = 10,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 500,
) -> torch.Tensor:
    """A score for each image in nats, from a model of normal images; larger is more anomalous.

    Args:
        model: A VAE trained on normal images.
        images: N images, normal or not.
        kind: ``"elbo"`` for −ELBO; ``"reconstruction"`` for −E_q[log p(x | z)], minus the
            reconstruction (log-)probability; ``"kl"`` for KL(q(z | x) ‖ p(z)) alone;
            ``"likelihood"`` for −log p(x) by importance sampling.
        samples: Draws of z an image.
        binarize: Draw binary pixels from grey ones first.
        seed: Decides binarisation and draws.
        batch_size: Images at once.

    Returns:
        N scores.

    Raises:
        ValueError: For another kind.
    """
    if kind not in _SCORES:
        raise ValueError(f"kind must be one of {', '.join(_SCORES)}, not {kind!r}.")
    return over(
        model,
        images,
        lambda pixels: _SCORES[kind](model, pixels, samples),
        batch_size=batch_size,
        binarize=binarize,
        seed=seed,
    )


def reconstruction_probability(model: VAE, images: torch.Tensor, samples: int = 10) -> torch.Tensor:
    """E_q[log p(x | z)] in nats per image, the mean over draws of z from q(z | x): B.

    Equation: eq-reconstruction-probability (An & Cho 2015).

    Args:
        model: The VAE.
        images: B×C×H×W in [0, 1].
        samples: Draws of z an image.
    """
    posterior = model.posterior(images)
    # One draw after the other: all at once would not fit for many samples.
    draws = [model.log_likelihood(images, posterior.rsample()) for _ in range(samples)]
    return torch.stack(draws).mean(0)


def complexity_corrected(surprise: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """S(x) = −log p(x) − L(x) in nats per image: what the model needs beyond a plain compressor.

    It is the logarithm of a ratio of likelihoods: the compressor's length is that of an image
    under a model that knows nothing of the training data.

    Equation: eq-complexity-correction (Serrà et al. 2020).

    Args:
        surprise: −log p(x), or −ELBO, N.
        lengths: L(x) in nats, N, as :func:`compressed_length` gives it.
    """
    return surprise - lengths


def compressed_length(images: ImageSet) -> torch.Tensor:
    """Length of each image as PNG, without what all PNG files share, in nats: N.

    A set of binary images is written with one bit a pixel, so that the length is that of a code for
    binary images, as −log p(x) of a Bernoulli likelihood is.

    Args:
        images: N images, grey or RGB.
    """
    binary = images.shape[0] == 1 and set(images.images.unique().tolist()) <= {0, 255}
    pixels = images.images.permute(0, 2, 3, 1).cpu().numpy()  # N×H×W×C
    lengths = [_png_bytes(image, binary) - PNG_OVERHEAD for image in pixels]
    return torch.tensor(lengths, dtype=torch.float64) * 8 * log(2)


def _png_bytes(pixels: NDArray[np.uint8], binary: bool) -> int:
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    file = io.BytesIO()
    (picture.convert("1") if binary else picture).save(file, format="png", optimize=True)
    return len(file.getvalue())


def auroc(anomalous: torch.Tensor, normal: torch.Tensor) -> float:
    """Probability that an anomalous image has a larger score than a normal one; ties count half.

    One half is guessing; below one half the score calls anomalies normal. It depends on the order
    of the scores alone, hence on no threshold.

    Equation: eq-auroc.

    Args:
        anomalous: Scores of anomalous images.
        normal: Scores of normal images.

    Raises:
        ValueError: If either is empty or a score is not finite.
    """
    from sklearn.metrics import roc_auc_score

    scores = torch.cat([anomalous, normal]).double().cpu()
    if not len(anomalous) or not len(normal) or not scores.isfinite().all():
        raise ValueError(
            "auroc needs finite scores of at least one anomalous and one normal image."
        )
    truth = torch.cat([torch.ones(len(anomalous)), torch.zeros(len(normal))])
    return float(roc_auc_score(truth.numpy(), scores.numpy()))


def _negative_elbo(model: VAE, images: torch.Tensor, samples: int) -> torch.Tensor:
    kl = gaussian_kl(*model.posterior(images))
    return -elbo(reconstruction_probability(model, images, samples), kl)


def _negative_reconstruction(model: VAE, images: torch.Tensor, samples: int) -> torch.Tensor:
    return -reconstruction_probability(model, images, samples)


def _kl(model: VAE, images: torch.Tensor, _: int) -> torch.Tensor:
    return gaussian_kl(*model.posterior(images))


def _negative_log_likelihood(model: VAE, images: torch.Tensor, samples: int) -> torch.Tensor:
    return -importance_weighted_bound(log_importance_weights(model, images, samples))


_SCORES: dict[str, Callable[[VAE, torch.Tensor, int], torch.Tensor]] = {
    "elbo": _negative_elbo,
    "reconstruction": _negative_reconstruction,
    "kl": _kl,
    "likelihood": _negative_log_likelihood,
}
