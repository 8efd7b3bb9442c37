"""Convolutional encoder and decoder whose shapes fit 28×28 and 32×32 alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, prod

import torch
from torch import nn

from latent_transfer.nets.recipes import remembers
from latent_transfer.nets.shapes import Shape, check_codes, check_images


@remembers
class ConvEncoder(nn.Module):
    """Images to vectors: each 3×3 convolution halves the size, rounding up; then one linear layer.

    With the default four layers, 28×28 shrinks as 28-14-7-4-2 and 32×32 as 32-16-8-4-2, so that
    both end in the same 256×2×2 features.

    Args:
        shape: C, H, W of the images.
        channels: Channels after each convolution.
        outputs: Width of the output.
        activation: Makes the nonlinearity after each convolution.

    Example:
        >>> import torch
        >>> from latent_transfer.nets import ConvEncoder
        >>> ConvEncoder((3, 32, 32), (8, 16), outputs=6)(torch.rand(5, 3, 32, 32)).shape
        torch.Size([5, 6])
    """

    def __init__(
        self,
        shape: Shape,
        channels: Sequence[int] = (32, 64, 128, 256),
        outputs: int = 128,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.shape, self.outputs = shape, outputs
        layers: list[nn.Module] = []
        for inputs, width in pairwise([shape[0], *channels]):
            layers += [nn.Conv2d(inputs, width, 3, stride=2, padding=1), activation()]
        self.convolutions = nn.Sequential(*layers)
        features = (channels[-1], *halvings(shape, len(channels))[-1])
        self.head = nn.Linear(prod(features), outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to B×outputs."""
        check_images(images, self.shape)
        features = self.convolutions(images)  # B×256×2×2
        outputs: torch.Tensor = self.head(features.flatten(1))
        return outputs


@remembers
class ConvDecoder(nn.Module):
    """The encoder's mirror: one linear layer, then transposed convolutions; the output is logits.

    Each transposed convolution must undo a halving that rounded up, so its paddings are worked
    out from the encoder's sizes (4 → 7 needs another one than 7 → 14).

    Args:
        inputs: Width of the code.
        channels: Channels before each transposed convolution (the encoder's, reversed).
        shape: C, H, W of the images.
        norm: Makes the normalisation of that many channels before each ReLU, such as
            ``nn.BatchNorm2d``; none unless told otherwise.
        kernel: Side of the transposed convolutions' kernels, 3 or 4; pixels are reached by equally
            many weights, and show no checkerboard, if it is a multiple of the stride 2.

    Example:
        >>> import torch
        >>> from latent_transfer.nets import ConvDecoder
        >>> ConvDecoder(6, (16, 8), (1, 28, 28))(torch.randn(7, 5, 6)).shape  # 7 samples of 5 codes
        torch.Size([7, 5, 1, 28, 28])
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int] = (256, 128, 64, 32),
        shape: Shape = (1, 28, 28),
        norm: Callable[[int], nn.Module] | None = None,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        self.inputs, self.shape = inputs, shape
        sizes = halvings(shape, len(channels))[::-1]  # smallest first
        self.features = (channels[0], *sizes[0])
        self.head = nn.Sequential(
            nn.Linear(inputs, prod(self.features)),
            nn.Unflatten(1, self.features),
            *_rectified(norm, channels[0]),
        )
        layers: list[nn.Module] = []
        widths = pairwise([*channels, shape[0]])
        for (inner, outer), (small, large) in zip(widths, pairwise(sizes), strict=True):
            padding, rest = _paddings(small, large, kernel)
            layers += [
                nn.ConvTranspose2d(inner, outer, kernel, 2, padding, rest),
                *_rectified(norm, outer),
            ]
        # Neither a normalisation nor a ReLU on the output: logits are free.
        self.convolutions = nn.Sequential(*layers[: -len(_rectified(norm, shape[0]))])

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Map …×inputs to …×C×H×W, whatever the leading dimensions (samples, batch)."""
        check_codes(codes, self.inputs)
        features = self.head(codes.flatten(0, -2))  # (S·B)×256×2×2
        images: torch.Tensor = self.convolutions(features)
        return images.unflatten(0, codes.shape[:-1])


def _rectified(norm: Callable[[int], nn.Module] | None, channels: int) -> list[nn.Module]:
    return [nn.ReLU()] if norm is None else [norm(channels), nn.ReLU()]


def _paddings(
    small: tuple[int, int], large: tuple[int, int], kernel: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding and output padding of a transposed convolution of stride 2 from size to size."""
    full = [2 * (size - 1) + kernel for size in small]
    top, left = (ceil((one - size) / 2) for one, size in zip(full, large, strict=True))
    return (top, left), (large[0] - full[0] + 2 * top, large[1] - full[1] + 2 * left)


def halvings(shape: Shape, times: int) -> list[tuple[int, int]]:
    """Return height and width before and after each of ``times`` halvings that round up.

    Raises:
        ValueError: If the image is too small to be halved that often.

    Example:
        >>> from latent_transfer.nets.convolutional import halvings
        >>> halvings((1, 28, 28), 4)
        [(28, 28), (14, 14), (7, 7), (4, 4), (2, 2)]
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
