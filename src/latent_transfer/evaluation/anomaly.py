"""How unusual is an image? Scores, larger for the more anomalous, and what they are worth."""

from __future__ import annotations

import io
from math import log
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from latent_transfer.data import ImageSet, Source
from latent_transfer.evaluation._checks import check_count, check_finite
from latent_transfer.evaluation.likelihood import bound_terms, elbos, log_likelihoods
from latent_transfer.inference import over
from latent_transfer.models import HasPosterior, HasPrior, posterior_of, require
from latent_transfer.objectives import gaussian_kl

#: Bytes of every PNG that say nothing about its pixels: signature, header, chunk frames, end.
PNG_OVERHEAD = 57

#: Which term of the bound a score is, and its sign.
_TERMS = {"reconstruction": (0, -1), "kl": (1, 1)}


class _Settings(TypedDict):
    samples: int
    binarize: bool
    seed: int
    batch_size: int


def anomaly_scores(
    model: HasPosterior,
    images: Source,
    *,
    kind: str = "elbo",
    samples: int = 10,
    binarize: bool = False,
    seed: int = 0,
    batch_size: int = 500,
) -> torch.Tensor:
    """Return a score for each image in nats, from a model of normal images: larger is stranger.

    Args:
        model: A VAE trained on normal images, or another model with ``posterior`` and
            ``log_likelihood``.
        images: N images, normal or not.
        kind: ``"elbo"`` for −ELBO; ``"reconstruction"`` for −E_q[log p(x | z)], minus the
            reconstruction (log-)probability; ``"kl"`` for KL(q(z | x) ‖ p(z)) alone;
            ``"likelihood"`` for −log p(x) by importance sampling.
        samples: Draws of z per image.
        binarize: Draw binary pixels from grey ones first.
        seed: Decides binarisation and draws.
        batch_size: Images at once.

    Returns:
        N scores.

    Raises:
        TypeError: If the model lacks a method.
        ValueError: For another kind.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import anomaly_scores
        >>> from latent_transfer.models import mlp_vae
        >>> vae, images = mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)
        >>> anomaly_scores(vae, images, kind="likelihood").shape
        torch.Size([5])
    """
    given: _Settings = {
        "samples": samples,
        "binarize": binarize,
        "seed": seed,
        "batch_size": batch_size,
    }
    if kind == "elbo":
        return -elbos(model, images, **given)
    if kind == "likelihood":
        return -log_likelihoods(model, images, **given)
    if kind not in _TERMS:
        kinds = ", ".join(["elbo", "likelihood", *_TERMS])
        raise ValueError(f"kind must be one of {kinds}, not {kind!r}.")
    require(model, HasPosterior, "anomaly_scores")
    check_count("samples", samples)

    def per_image(pixels: torch.Tensor) -> torch.Tensor:
        belief = posterior_of(model, pixels)
        if kind == "kl" and not isinstance(model, HasPrior):
            return gaussian_kl(*belief)  # without a draw
        position, sign = _TERMS[kind]
        return sign * bound_terms(model, pixels, belief, samples)[position]

    return over(model, images, per_image, batch_size=batch_size, binarize=binarize, seed=seed)


def reconstruction_probability(
    model: HasPosterior, images: torch.Tensor, samples: int = 10
) -> torch.Tensor:
    """Return E_q[log p(x | z)] in nats per image, the mean over draws of z from q(z | x): B.

    Equation: eq-reconstruction-probability (An & Cho 2015).

    Args:
        model: A VAE, on the device of the images.
        images: B×C×H×W in [0, 1].
        samples: Draws of z per image.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import reconstruction_probability
        >>> from latent_transfer.models import mlp_vae
        >>> vae, images = mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)
        >>> reconstruction_probability(vae, images).shape
        torch.Size([5])
    """
    check_count("samples", samples)
    return bound_terms(model, images, posterior_of(model, images), samples)[0]


def complexity_corrected(surprise: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return S(x) = −log p(x) − L(x) in nats: what a model needs beyond a plain compressor, N.

    It is the logarithm of a ratio of likelihoods: the compressor's length is that of an image
    under a model that knows nothing of the training data.

    Equation: eq-complexity-correction (Serrà et al. 2020).

    Args:
        surprise: −log p(x), or −ELBO, N.
        lengths: L(x) in nats, N, as :func:`compressed_length` gives it.

    Raises:
        ValueError: If the two are not of one length, or a number is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import complexity_corrected
        >>> complexity_corrected(torch.tensor([90.0, 120.0]), torch.tensor([80.0, 60.0]))
        tensor([10., 60.])
    """
    if surprise.shape != lengths.shape or surprise.dim() != 1:
        raise ValueError(
            "Each image needs one surprise and one length, "
            f"not {tuple(surprise.shape)} and {tuple(lengths.shape)}."
        )
    check_finite("Surprises", surprise)
    check_finite("Lengths", lengths)
    return surprise - lengths


def compressed_length(images: ImageSet) -> torch.Tensor:
    """Return the length of each image as PNG, without what all PNG files share, in nats: N.

    A set of binary images is written with one bit a pixel, so that the length is that of a code for
    binary images, as −log p(x) of a Bernoulli likelihood is.

    Args:
        images: N images, grey or RGB.

    Example:
        >>> from latent_transfer.data import load
        >>> from latent_transfer.evaluation import compressed_length
        >>> compressed_length(load("digits", size=8).test.subset(slice(0, 5))).shape
        torch.Size([5])
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
    """Return the probability that an anomalous image scores above a normal one; ties count half.

    One half is guessing; below one half the score calls anomalies normal. It depends on the order
    of the scores alone, hence on no threshold.

    Equation: eq-auroc.

    Args:
        anomalous: Scores of anomalous images.
        normal: Scores of normal images.

    Raises:
        ValueError: If either is empty or a score is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import auroc
        >>> auroc(anomalous=torch.tensor([2.0, 5.0]), normal=torch.tensor([1.0, 3.0]))
        0.75
    """
    from sklearn.metrics import roc_auc_score

    parts = (anomalous.cpu(), normal.cpu())
    usable = all(
        len(part.shape) == 1 and len(part) and part.dtype != torch.bool and part.isfinite().all()
        for part in parts
    )
    if not usable:
        raise ValueError(
            "auroc needs finite scores of at least one anomalous and one normal image, "
            f"a list of numbers each, not {_described(anomalous)} and {_described(normal)}."
        )
    scores = torch.cat(parts).double()
    truth = torch.cat([torch.ones(len(anomalous)), torch.zeros(len(normal))])
    return float(roc_auc_score(truth.numpy(), scores.numpy()))


def _described(scores: torch.Tensor) -> str:
    rest = int((~scores.isfinite()).sum())
    odd = f" with {rest} that are NaN or infinite" if rest else ""
    return f"{scores.dtype} of shape {tuple(scores.shape)}{odd}"
