"""Reconstruction errors."""

from __future__ import annotations

from typing import Literal

import torch

from latent_transfer.data import Batch
from latent_transfer.densities import bernoulli_log_density
from latent_transfer.models import Autoencoder, Reconstructs, require
from latent_transfer.objectives._checks import checked

Terms = dict[str, torch.Tensor]


def squared_error(reconstruction: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return ‖x − x̂‖², summed over pixels: two B×C×H×W tensors to B.

    Equation: eq-squared-error.

    Args:
        reconstruction: x̂, floating point.
        images: x, floating point.

    Raises:
        ValueError: If the two shapes differ (broadcasting would compare the wrong pixels), or one
            of the two has integer pixels (whose differences wrap around).

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import squared_error
        >>> squared_error(torch.zeros(2, 1, 2, 2), torch.full((2, 1, 2, 2), 0.5))
        tensor([1., 1.])
    """
    if reconstruction.shape != images.shape:
        raise ValueError(
            f"A reconstruction of shape {tuple(reconstruction.shape)} cannot be compared with "
            f"images of shape {tuple(images.shape)}; the decoder must return the encoder's shape."
        )
    for pixels in (reconstruction, images):
        if not pixels.is_floating_point():
            raise ValueError(f"Pixels must be floating point in [0, 1], not {pixels.dtype}.")
    return (images - reconstruction).square().flatten(1).sum(-1)


def reconstruction_loss(
    model: Autoencoder,
    batch: Batch | torch.Tensor,
    *,
    kind: Literal["squared", "bernoulli"] = "squared",
) -> Terms:
    """Return the batch mean of the reconstruction error of an autoencoder, as ``loss``.

    Args:
        model: Gives logits, and pixels through its ``output``.
        batch: Images B×C×H×W in [0, 1].
        kind: ``"squared"`` for the squared error of the pixels, summed over each image;
            ``"bernoulli"`` for −log p(x | logits) in nats per image.

    Raises:
        TypeError: If the model reconstructs nothing.
        ValueError: If ``kind`` is neither, or the batch is empty or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_autoencoder
        >>> from latent_transfer.objectives import reconstruction_loss
        >>> model, images = mlp_autoencoder((1, 4, 4), (8,), 2), torch.rand(5, 1, 4, 4)
        >>> list(reconstruction_loss(model, images, kind="bernoulli"))
        ['loss']
    """
    images = checked(batch).images
    if kind == "squared":
        require(model, Reconstructs, "reconstruction_loss")
        return {"loss": squared_error(model.reconstruct(images), images).mean()}
    if kind == "bernoulli":
        return {"loss": -bernoulli_log_density(model(images), images).mean()}
    raise ValueError(f"kind must be 'squared' or 'bernoulli', not {kind!r}.")
