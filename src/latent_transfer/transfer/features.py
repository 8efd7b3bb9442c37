"""What a model makes of images, to be used by another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.transfer.parts import find_part


@torch.no_grad()
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
    model.eval()
    device = next(model.parameters()).device
    if layer is None and not hasattr(model, "features"):
        raise ValueError(
            f"{type(model).__name__} has no method 'features'; name the layer whose output to take."
        )
    features = _forward(model) if layer is None else partial(_layer_output, model, layer)
    batches = images.to(device).batches(batch_size)
    return torch.cat([features(pixels).flatten(1) for pixels, _ in batches])


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


def _forward(model: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    # A VAE has no forward pass of its own, and a decoder is not needed anyway.
    forward: Callable[[torch.Tensor], torch.Tensor] = getattr(model, "features", model)
    return forward
