"""Starting weights with which a signal gets through many layers."""

from __future__ import annotations

from math import prod, sqrt
from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrize

M = TypeVar("M", bound=nn.Module)


def he_initialise(model: M) -> M:
    """Draw new weights N(0, 2 / inputs) and zero biases for all linear and convolutional layers.

    PyTorch's own start has a sixth of that variance, so that each layer followed by a ReLU shrinks
    the mean square of the signal about sixfold; this one keeps it (He et al. 2015).
    A weight under a parametrisation keeps its start.

    Args:
        model: Changed in place; the draws come from PyTorch's own generator.

    Returns:
        The same model.

    Example:
        >>> from latent_transfer.nets import fully_connected, he_initialise
        >>> net = he_initialise(fully_connected([1000, 1000, 1]))
        >>> round(net[0].weight.var().item() * 1000, 1)
        2.0
    """
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            if not parametrize.is_parametrized(layer, "weight"):  # else its constraint sets it
                nn.init.normal_(layer.weight, std=sqrt(2 / _inputs_per_output(layer)))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def _inputs_per_output(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> float:
    if isinstance(layer, nn.ConvTranspose2d):
        # A stride spreads the inputs: only every second row and column meets an input if it is 2.
        taps = prod(layer.kernel_size) / prod(layer.stride)
        return layer.in_channels / layer.groups * taps
    return layer.weight[0].numel()
