"""Fully connected encoder and decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod

import torch
from torch import nn

from latent_transfer.nets.recipes import remembers
from latent_transfer.nets.shapes import Shape, check_codes, check_images


@remembers
class MLPEncoder(nn.Module):
    """Images to vectors through fully connected layers, the last one linear.

    Args:
        shape: C, H, W of the images.
        hidden: Widths of the hidden layers, first to last.
        outputs: Width of the output.
        activation: Makes the nonlinearity after each hidden layer.

    Example:
        >>> import torch
        >>> from latent_transfer.nets import MLPEncoder
        >>> MLPEncoder((1, 8, 8), hidden=(32, 16), outputs=4)(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 4])
    """

    def __init__(
        self,
        shape: Shape,
        hidden: Sequence[int],
        outputs: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.shape, self.outputs = shape, outputs
        self.layers = fully_connected([prod(shape), *hidden, outputs], activation)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to B×outputs."""
        check_images(images, self.shape)
        outputs: torch.Tensor = self.layers(images.flatten(1))
        return outputs


@remembers
class MLPDecoder(nn.Module):
    """Vectors to images through fully connected layers, the last one linear (logits).

    Args:
        inputs: Width of the code.
        hidden: Widths of the hidden layers, first to last.
        shape: C, H, W of the images.
        activation: Makes the nonlinearity after each hidden layer.

    Example:
        >>> import torch
        >>> from latent_transfer.nets import MLPDecoder
        >>> MLPDecoder(4, hidden=(16, 32), shape=(1, 8, 8))(torch.randn(7, 5, 4)).shape
        torch.Size([7, 5, 1, 8, 8])
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        shape: Shape,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.inputs, self.shape = inputs, shape
        self.layers = fully_connected([inputs, *hidden, prod(shape)], activation)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Map …×inputs to …×C×H×W, whatever the leading dimensions (samples, batch)."""
        check_codes(codes, self.inputs)
        outputs: torch.Tensor = self.layers(codes).unflatten(-1, self.shape)
        return outputs


def fully_connected(
    widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Make linear layers from the first width to the last, with an activation between them.

    Args:
        widths: Of the input, of the hidden layers if there are any, and of the output.
        activation: Makes the nonlinearity after each hidden layer.

    Example:
        >>> from latent_transfer.nets import fully_connected
        >>> [type(layer).__name__ for layer in fully_connected([64, 16, 4])]
        ['Linear', 'ReLU', 'Linear']
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])  # no activation on the output: codes and logits are free
