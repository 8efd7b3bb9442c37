"""Where a module lives, and the parts in it by name."""

from __future__ import annotations

import torch
from torch import nn


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first parameter, or the CPU for one without parameters."""
    for tensor in module.parameters():
        return tensor.device
    return torch.device("cpu")


def find_part(model: nn.Module, part: str) -> nn.Module:
    """The submodule of that name; the empty name is the model itself.

    Raises:
        ValueError: If there is none; the message names those there are.
    """
    try:
        return model.get_submodule(part)
    except AttributeError:
        accepted = ", ".join(name for name, _ in model.named_children())
        raise ValueError(
            f"{type(model).__name__} has no part {part!r}; its parts are {accepted} "
            "and what lies in them, such as those that transfer.layers(model) lists."
        ) from None
