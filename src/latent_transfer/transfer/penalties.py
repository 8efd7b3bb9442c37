"""Pulling a model back to where it started."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def l2_sp(
    model: nn.Module,
    start: Mapping[str, torch.Tensor],
    *,
    strength: float,
    rest_strength: float = 0.0,
) -> torch.Tensor:
    """α/2·‖w − w⁰‖² over what was carried over, and β/2·‖w‖² over the rest, to add to a loss.

    Up to a constant it is the negative log-density, in nats, of a Gaussian prior on the weights
    with its mean at the source's; the loss it is added to is a mean over images, so that α stands
    for the prior's precision divided by their number.

    Equation: eq-l2-sp (Li, Grandvalet & Davoine 2018).

    Args:
        model: The model in training.
        start: The source's weights by name, from :func:`snapshot`.
        strength: α ≥ 0; zero leaves plain fine-tuning.
        rest_strength: β ≥ 0, for the parameters that ``start`` does not name, a new head say.

    Raises:
        ValueError: If ``start`` names a parameter that the model lacks.
    """
    parameters = dict(model.named_parameters())
    strangers = [name for name in start if name not in parameters]
    if strangers:
        raise ValueError(f"The model has no parameter {strangers[0]!r} to pull to its start.")
    moved = [(parameters[name] - value).square().sum() for name, value in start.items()]
    rest = [value.square().sum() for name, value in parameters.items() if name not in start]
    zero = next(iter(parameters.values())).new_zeros(())
    return 0.5 * (strength * sum(moved, start=zero) + rest_strength * sum(rest, start=zero))
