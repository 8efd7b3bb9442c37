"""Where a module lives and how precise it is, and the parts in it by name."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a module's first parameter, or buffer, or the CPU if it has neither.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.nets import device_of
        >>> device_of(nn.Linear(2, 2))
        device(type='cpu')
    """
    for tensor in chain(module.parameters(), module.buffers()):
        return tensor.device
    return torch.device("cpu")


def dtype_of(module: nn.Module) -> torch.dtype:
    """Return the precision of a module: that of its first floating-point parameter or buffer.

    Without any it is PyTorch's default.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.nets import dtype_of
        >>> dtype_of(nn.Linear(2, 2).double())
        torch.float64
    """
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.get_default_dtype()


def find_part(model: nn.Module, part: str) -> nn.Module:
    """Return the submodule of that name; the empty name is the model itself.

    Raises:
        ValueError: If there is none; the message names those there are.

    Example:
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.nets import find_part
        >>> find_part(mlp_vae((1, 8, 8), (16,), 2), "encoder.layers.0")
        Linear(in_features=64, out_features=16, bias=True)
    """
    try:
        return model.get_submodule(part)
    except AttributeError:
        accepted = ", ".join(name for name, _ in model.named_children())
        raise ValueError(
            f"{type(model).__name__} has no part {part!r}; its parts are {accepted} "
            "and what lies in them, such as those that transfer.layers(model) lists."
        ) from None
