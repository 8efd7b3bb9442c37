"""A model over a whole set: in evaluation mode, on its device, batch by batch, joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.densities import Gaussian
from latent_transfer.models import VAE
from latent_transfer.nets import device_of, find_part

#: B×C×H×W to one row for each image.
PerImage = Callable[[torch.Tensor], torch.Tensor]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode inside the block, and each part back into its own after."""
    modes = {part: part.training for part in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


@torch.no_grad()
def over(
    model: nn.Module,
    images: ImageSet | torch.Tensor,
    function: PerImage,
    *,
    batch_size: int = 500,
    binarize: bool = False,
    seed: int = 0,
) -> torch.Tensor:
    """A function of every image of a set, N×…, on the device where the images are.

    Args:
        model: What the function evaluates; it runs in evaluation mode and without gradients.
        images: N images, or their pixels N×C×H×W.
        function: B×C×H×W on the model's device to B×….
        batch_size: Images at once.
        binarize: Draw binary pixels from grey ones first.
        seed: Decides binarisation and whatever the function draws.
    """
    device = device_of(model)
    with evaluating(model), seeded(seed, device) as generator:
        if isinstance(images, torch.Tensor):
            parts = [function(part.to(device)) for part in images.split(batch_size)]
        else:
            batches = images.to(device).batches(batch_size, generator=generator, binarize=binarize)
            parts = [function(batch.images) for batch in batches]
        return torch.cat(parts).to(images.device)


def predict_logits(model: nn.Module, images: ImageSet, *, batch_size: int = 500) -> torch.Tensor:
    """Class logits of a whole set, N×K, with the model in evaluation mode.

    Args:
        model: B×C×H×W to logits B×K.
        images: N images.
        batch_size: Images at once.
    """
    return over(model, images, model, batch_size=batch_size)


def encode(model: VAE, images: ImageSet, *, batch_size: int = 500) -> Gaussian:
    """q(z | x) of a whole set: means and log-variances, N×D each. No decoder, no noise.

    Args:
        model: The VAE.
        images: N images.
        batch_size: Images at once.
    """

    def both(pixels: torch.Tensor) -> torch.Tensor:
        return torch.stack(model.posterior(pixels), 1)  # B×2×D

    return Gaussian(*over(model, images, both, batch_size=batch_size).unbind(1))


def extract_features(
    model: nn.Module, images: ImageSet, layer: str | None = None, *, batch_size: int = 500
) -> torch.Tensor:
    """Features of a whole set, N×D: no noise, no decoder, no change to the model's weights.

    A VAE gives its posterior means, an autoencoder its codes, a classifier what its head sees.

    Args:
        model: A model with a method ``features``, or any module if a ``layer`` is named.
        images: N images.
        layer: Instead, the flattened output of this part, such as ``"encoder.convolutions.1"``.
        batch_size: Images at once.

    Raises:
        ValueError: If the model has no features, or no such layer.
    """
    if layer is None and not hasattr(model, "features"):
        raise ValueError(
            f"{type(model).__name__} has no method 'features'; name the layer whose output to take."
        )
    features = _forward(model) if layer is None else partial(_layer_output, model, layer)
    return over(model, images, lambda pixels: features(pixels).flatten(1), batch_size=batch_size)


def _layer_output(model: nn.Module, layer: str, pixels: torch.Tensor) -> torch.Tensor:
    seen: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        seen.append(output)

    handle = find_part(model, layer).register_forward_hook(keep)
    try:
        _forward(model)(pixels)
    finally:
        handle.remove()
    if not seen:
        raise ValueError(f"The layer {layer!r} is not passed on the way to the features.")
    return seen[0]


def _forward(model: nn.Module) -> PerImage:
    # The way to the features is enough; a decoder is not needed.
    forward: PerImage = getattr(model, "features", model)
    return forward
