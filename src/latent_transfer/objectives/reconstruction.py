"""How far a reconstruction is from its image."""

from __future__ import annotations

from typing import Literal

import torch

from latent_transfer.data import Batch
from latent_transfer.densities import bernoulli_log_density
from latent_transfer.models import Autoencoder

Terms = dict[str, torch.Tensor]


def squared_error(reconstruction: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """‖x − x̂‖², summed over pixels: twice B×C×H×W to B.

    Equation: eq-squared-error.

    Raises:
        ValueError: If the two shapes differ (broadcasting would compare the wrong pixels).
    """
    if reconstruction.shape != images.shape:
        raise ValueError(
            f"A reconstruction of shape {tuple(reconstruction.shape)} cannot be compared with "
            f"images of shape {tuple(images.shape)}; the decoder must return the encoder's shape."
        )
    return (images - reconstruction).square().flatten(1).sum(-1)


def reconstruction_loss(
    model: Autoencoder,
    batch: Batch | torch.Tensor,
    *,
    kind: Literal["squared", "bernoulli"] = "squared",
) -> Terms:
    """Batch mean of the reconstruction error of an autoencoder.

    Args:
        model: Gives logits, and pixels through its ``output``.
        batch: Images B×C×H×W in [0, 1].
        kind: ``"squared"`` for the squared error of the pixels, summed over an image;
            ``"bernoulli"`` for −log p(x | logits) in nats per image.

    Raises:
        ValueError: If ``kind`` is neither.
    """
    images = Batch.of(batch).images
    if kind == "squared":
        return {"loss": squared_error(model.reconstruct(images), images).mean()}
    if kind == "bernoulli":
        return {"loss": -bernoulli_log_density(model(images), images).mean()}
    raise ValueError(f"kind must be 'squared' or 'bernoulli', not {kind!r}.")
