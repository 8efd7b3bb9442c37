"""A model over a whole set: in evaluation mode, on its device, batch by batch, joined.

Whatever answers here answers on the device of the images that it was given, wherever the model is;
images are moved to the model's device and to its precision batch by batch. A model is left in the
mode that it was in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import nn

from latent_transfer._random import seeded
from latent_transfer.data import Examples
from latent_transfer.densities import Gaussian
from latent_transfer.models import Encodes, posterior_of, require
from latent_transfer.nets import device_of, dtype_of, find_part

#: B×C×H×W to one row for each image.
PerImage = Callable[[torch.Tensor], torch.Tensor]


@contextmanager
def evaluating(model: object) -> Iterator[None]:
    """Put a model into evaluation mode inside the block, and each part back into its own after.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.inference import evaluating
        >>> net = nn.Dropout()
        >>> with evaluating(net):
        ...     print(net.training)
        False
        >>> net.training
        True
    """
    parts = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [part.training for part in parts]
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part, training in zip(parts, modes, strict=True):
            part.training = training


@torch.no_grad()
def over(
    model: object,
    images: Examples | torch.Tensor,
    function: PerImage,
    *,
    batch_size: int = 500,
    binarize: bool = False,
    seed: int = 0,
) -> torch.Tensor:
    """Return a function of every image of a set, N×…, on the device where the images are.

    Args:
        model: What the function evaluates; it runs in evaluation mode and without gradients. What
            is no module has no mode, and runs where the images are.
        images: N images, or their pixels N×C×H×W.
        function: B×C×H×W on the model's device to B×….
        batch_size: Images at once.
        binarize: Draw binary pixels from grey ones first.
        seed: Decides binarisation and whatever the function draws.

    Raises:
        TypeError: If the images are neither a set nor floating-point pixels.
        ValueError: If there are none, the batch size is below 1, pixels without a set are to be
            binarised, or the function does not give one row for each image.

    Example:
        >>> import torch
        >>> from latent_transfer.inference import over
        >>> from latent_transfer.models import mlp_vae
        >>> vae = mlp_vae((1, 8, 8), (16,), 2)
        >>> over(vae, torch.rand(7, 1, 8, 8), vae.reconstruct, batch_size=3).shape
        torch.Size([7, 1, 8, 8])
    """
    device, dtype = _place(model, images)
    parts = []
    with evaluating(model), seeded(seed, device) as generator:
        for pixels in _batches(images, device, batch_size, generator if binarize else None):
            rows = function(pixels.to(device, dtype))
            if len(rows) != len(pixels):
                raise ValueError(
                    f"One row for each of {len(pixels)} images was expected, "
                    f"not a result of shape {tuple(rows.shape)}."
                )
            parts.append(rows)
    return torch.cat(parts).to(images.device)


def predict_logits(
    model: Callable[[torch.Tensor], torch.Tensor],
    images: Examples | torch.Tensor,
    *,
    batch_size: int = 500,
) -> torch.Tensor:
    """Return the class logits of a whole set, N×K, with the model in evaluation mode.

    Args:
        model: B×C×H×W to logits B×K.
        images: N images.
        batch_size: Images at once.

    Raises:
        ValueError: If the model gives no matrix, as one that reconstructs images does.

    Example:
        >>> import torch
        >>> from latent_transfer.inference import predict_logits
        >>> from latent_transfer.models import mlp_classifier
        >>> predict_logits(mlp_classifier((1, 8, 8), 10, (16,)), torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    logits = over(model, images, model, batch_size=batch_size)
    if logits.dim() != 2:
        raise ValueError(
            f"Logits are N×K, but {type(model).__name__} gave {tuple(logits.shape)}; "
            "predict_logits takes a classifier."
        )
    return logits


def encode(model: Encodes, images: Examples | torch.Tensor, *, batch_size: int = 500) -> Gaussian:
    """Return q(z | x) of a whole set: means and log-variances, N×D each. No decoder, no noise.

    Args:
        model: A VAE, or anything else with a ``posterior``.
        images: N images.
        batch_size: Images at once.

    Raises:
        TypeError: If the model has no posterior, or not one for each image.

    Example:
        >>> import torch
        >>> from latent_transfer.inference import encode
        >>> from latent_transfer.models import mlp_vae
        >>> belief = encode(mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8))
        >>> belief.mean.shape, belief.log_variance.shape
        (torch.Size([5, 2]), torch.Size([5, 2]))
    """
    require(model, Encodes, "encode")

    def both(pixels: torch.Tensor) -> torch.Tensor:
        return torch.stack(posterior_of(model, pixels), 1)  # B×2×D

    return Gaussian(*over(model, images, both, batch_size=batch_size).unbind(1))


def extract_features(
    model: nn.Module,
    images: Examples | torch.Tensor,
    layer: str | None = None,
    *,
    batch_size: int = 500,
) -> torch.Tensor:
    """Return the features of a whole set, N×D: no noise, no decoder, no change to the weights.

    A VAE gives its posterior means, an autoencoder its codes, a classifier what its head sees.

    Args:
        model: A model with a method ``features``, or any module if a ``layer`` is named.
        images: N images.
        layer: Instead, the flattened output of this part, such as ``"encoder.convolutions.1"``.
        batch_size: Images at once.

    Raises:
        ValueError: If the model has no features, or no such layer.

    Example:
        >>> import torch
        >>> from latent_transfer.inference import extract_features
        >>> from latent_transfer.models import mlp_vae
        >>> vae, images = mlp_vae((1, 8, 8), (16,), 2), torch.rand(5, 1, 8, 8)
        >>> extract_features(vae, images).shape
        torch.Size([5, 2])
        >>> extract_features(vae, images, "encoder.layers.0").shape
        torch.Size([5, 16])
    """
    if layer is None and not hasattr(model, "features"):
        raise ValueError(
            f"{type(model).__name__} has no method 'features'; name the layer whose output to take."
        )
    features = _forward(model) if layer is None else partial(_layer_output, model, layer)
    return over(model, images, lambda pixels: features(pixels).flatten(1), batch_size=batch_size)


def _place(model: object, images: Examples | torch.Tensor) -> tuple[torch.device, torch.dtype]:
    """Where a model computes and in which precision; one without numbers goes where images are."""
    if not isinstance(images, Examples | torch.Tensor):
        raise TypeError(
            "Images are an ImageSet, a Table or a tensor of pixels N×C×H×W, "
            f"not a {type(images).__name__}."
        )
    if isinstance(model, nn.Module):
        for _ in chain(model.parameters(), model.buffers()):
            return device_of(model), dtype_of(model)
    return images.device, torch.float32 if isinstance(images, Examples) else images.dtype


def _batches(
    images: Examples | torch.Tensor,
    device: torch.device,
    batch_size: int,
    generator: torch.Generator | None,
) -> Iterator[torch.Tensor]:
    if isinstance(images, Examples):
        binarize = generator is not None
        for batch in images.to(device).batches(batch_size, generator=generator, binarize=binarize):
            yield batch.images
        return
    if not images.is_floating_point():
        raise TypeError(f"Pixels are floating-point numbers in [0, 1], not {images.dtype}.")
    if generator is not None:
        raise ValueError("binarize=True needs an ImageSet; ImageSet.from_pixels makes one.")
    if batch_size < 1 or not len(images):
        raise ValueError(
            f"At least one image and a batch_size of at least 1 are needed, "
            f"not {len(images)} and {batch_size}."
        )
    yield from images.split(batch_size)


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
