"""How pixels are stored, made into numbers, and drawn as bits."""

from __future__ import annotations

import torch
from torch import Tensor


def as_floats(images: Tensor) -> Tensor:
    """Return floating-point images as they are, and those of type uint8 as float32 in [0, 1].

    Raises:
        ValueError: For images of another type.
    """
    if images.dtype == torch.uint8:
        return images.to(torch.float32).div_(255)
    if not images.is_floating_point():
        raise ValueError(
            f"images must be floating point, or uint8 (0 to 255), not {images.dtype}; "
            "write images.float()."
        )
    return images


def to_uint8(values: Tensor) -> Tensor:
    """Return values of 0 to 255, rounded to the nearest integer and clamped."""
    return values.round().clamp(0, 255).to(torch.uint8)


def draw_binary(images: Tensor, generator: torch.Generator) -> Tensor:
    """Draw each pixel as true with probability value / 255.

    It does what ``torch.bernoulli(images / 255)`` does, in a third of the time on a CPU. (The
    method ``tensor.bernoulli_()`` would be wrong: it ignores the tensor's values.)
    """
    uniform = torch.rand(images.shape, generator=generator, device=images.device)
    return uniform.mul_(255) < images


def draw_bits(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw each pixel as 0 or 1 with the probability that it states; shape and type stay."""
    return draw_binary(probabilities * 255, generator).to(probabilities.dtype)


def require_probabilities(images: Tensor) -> None:
    """Check that every pixel can be the probability of a bit.

    Raises:
        ValueError: If a pixel lies outside [0, 1] or is NaN.
    """
    if images.dtype == torch.uint8 or images.is_meta:
        return
    low, high = float(images.min()), float(images.max())
    if not 0 <= low <= high <= 1:
        raise ValueError(
            "binarize draws each pixel with the probability that it states, so pixels must lie "
            f"in [0, 1], but they run from {low:g} to {high:g}."
        )


def generator_on(device: torch.device, generator: torch.Generator) -> torch.Generator:
    """Return the generator, or one on the device that is seeded from it."""
    if generator.device.type == device.type:
        return generator
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    return torch.Generator(device).manual_seed(int(seed))
