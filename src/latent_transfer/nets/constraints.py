"""Limits that weights keep while they are trained."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize


class MaxNorm(nn.Module):
    """Scales down each unit's vector of incoming weights that is longer than ``limit``.

    The scaling is part of the layer, not a step after each update, so that gradients know of it.

    Args:
        limit: Greatest length.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        if not limit > 0:
            raise ValueError(f"A greatest norm must be positive, not {limit}.")
        self.limit = limit

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Outputs×inputs to the same shape, each row at most ``limit`` long."""
        return weight.renorm(p=2, dim=0, maxnorm=self.limit)


def limit_norms(model: nn.Module, limit: float) -> None:
    """Put :class:`MaxNorm` on every linear layer of a model, in place.

    Args:
        model: Changed in place.
        limit: Greatest length of a unit's vector of incoming weights (Srivastava et al. 2014).
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", MaxNorm(limit))


def normalise_spectra(model: nn.Module) -> None:
    """Divide each layer's weight by its largest singular value, in place (Miyato et al. 2018).

    The map of every linear or convolutional layer, read as a matrix outputs×(all else), then
    stretches no vector; with activations that stretch none either, the net as a whole changes
    slowly. PyTorch follows the singular value by one step of the power iteration a training step.

    Args:
        model: Changed in place.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    for layer in layers:
        parametrizations.spectral_norm(layer)
