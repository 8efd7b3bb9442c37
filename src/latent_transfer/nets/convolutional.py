"""Convolutional encoder and decoder whose shapes fit 28×28 and 32×32 alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import nn

from latent_transfer.nets.shapes import Shape, check_codes, check_images


class ConvEncoder(nn.Module):
    """Images to vectors: each 3×3 convolution halves the size, rounding up; then one linear layer.

    With the default four layers, 28×28 shrinks as 28-14-7-4-2 and 32×32 as 32-16-8-4-2, so that
    both end in the same 256×2×2 features.

    Args:
        shape: C, H, W of the images.
        channels: Channels after each convolution.
        outputs: Width of the output.
    """

    def __init__(
        self, shape: Shape, channels: Sequence[int] = (32, 64, 128, 256), outputs: int = 128
    ) -> None:
        super().__init__()
        self.shape, self.outputs = shape, outputs
        layers: list[nn.Module] = []
        for inputs, width in pairwise([shape[0], *channels]):
            layers += [nn.Conv2d(inputs, width, 3, stride=2, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        features = (channels[-1], *halvings(shape, len(channels))[-1])
        self.head = nn.Linear(prod(features), outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B×C×H×W to B×outputs."""
        check_images(images, self.shape)
        features = self.convolutions(images)  # B×256×2×2
        outputs: torch.Tensor = self.head(features.flatten(1))
        return outputs


class ConvDecoder(nn.Module):
    """The encoder's mirror: one linear layer, then transposed convolutions; the output is logits.

    Each transposed convolution must undo a halving that rounded up, so its ``output_padding`` is
    worked out from the encoder's sizes (4 → 7 needs 0, 7 → 14 needs 1).

    Args:
        inputs: Width of the code.
        channels: Channels before each transposed convolution (the encoder's, reversed).
        shape: C, H, W of the images.
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int] = (256, 128, 64, 32),
        shape: Shape = (1, 28, 28),
    ) -> None:
        super().__init__()
        self.inputs, self.shape = inputs, shape
        sizes = halvings(shape, len(channels))[::-1]  # smallest first
        self.features = (channels[0], *sizes[0])
        self.head = nn.Sequential(nn.Linear(inputs, prod(self.features)), nn.ReLU())
        layers: list[nn.Module] = []
        widths = pairwise([*channels, shape[0]])
        for (inner, outer), (small, large) in zip(widths, pairwise(sizes), strict=True):
            padding = (large[0] - (2 * small[0] - 1), large[1] - (2 * small[1] - 1))
            layers += [
                nn.ConvTranspose2d(inner, outer, 3, stride=2, padding=1, output_padding=padding),
                nn.ReLU(),
            ]
        self.convolutions = nn.Sequential(*layers[:-1])

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """…×inputs to …×C×H×W, whatever the leading dimensions (samples, batch)."""
        check_codes(codes, self.inputs)
        features = self.head(codes.flatten(0, -2)).unflatten(1, self.features)  # (S·B)×256×2×2
        images: torch.Tensor = self.convolutions(features)
        return images.unflatten(0, codes.shape[:-1])


def halvings(shape: Shape, times: int) -> list[tuple[int, int]]:
    """Height and width before and after each of ``times`` halvings that round up.

    Raises:
        ValueError: If the image is too small to be halved that often.
    """
    sizes = [(shape[1], shape[2])]
    for _ in range(times):
        height, width = sizes[-1]
        if height < 2 or width < 2:
            raise ValueError(
                f"Images of {shape[1]}×{shape[2]} cannot be halved {times} times; "
                "use larger images or fewer convolutions."
            )
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes
