"""Limits that weights keep while they are trained."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations

from latent_transfer.nets.recipes import remembers_change


@remembers_change
def limit_norms(model: nn.Module, limit: float) -> None:
    """Keep each unit's vector of incoming weights at most ``limit`` long (Srivastava et al. 2014).

    Every linear layer shortens, before it is used, the vectors that the last step has made too
    long. That is a projection, as the paper's: gradients know nothing of it.

    Args:
        model: Changed in place.
        limit: Greatest length.

    Raises:
        ValueError: If the limit is not positive.

    Example:
        >>> import torch
        >>> from latent_transfer.nets import fully_connected, limit_norms
        >>> net = fully_connected([4, 8, 2])
        >>> limit_norms(net, 0.1)
        >>> bool((net[0].weight.norm(dim=1) <= 0.1001).all())
        True
    """
    if not limit > 0:
        raise ValueError(f"A greatest norm must be positive, not {limit}.")

    def shorten(layer: nn.Linear, _: object = None) -> None:
        with torch.no_grad():
            layer.weight.renorm_(p=2, dim=0, maxnorm=limit)

    for layer in (layer for layer in model.modules() if isinstance(layer, nn.Linear)):
        shorten(layer)
        layer.register_forward_pre_hook(shorten)


@remembers_change
def normalise_spectra(model: nn.Module) -> None:
    """Divide each layer's weight by its largest singular value, in place (Miyato et al. 2018).

    The map of every linear or convolutional layer, read as a matrix outputs×(all else), then
    stretches no vector; with activations that stretch none either, the net as a whole changes
    slowly. PyTorch follows the singular value by one step of the power iteration a training step.

    Args:
        model: Changed in place.

    Example:
        >>> import torch
        >>> from latent_transfer.nets import fully_connected, normalise_spectra
        >>> net = fully_connected([4, 8, 2])
        >>> normalise_spectra(net)
        >>> round(torch.linalg.svdvals(net.eval()[0].weight)[0].item(), 1)
        1.0
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    for layer in layers:
        parametrizations.spectral_norm(layer)
