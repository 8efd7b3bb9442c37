"""Pull a model back to where it started."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import torch
from torch import nn

from latent_transfer.nets.shapes import spell


def l2_sp(
    model: nn.Module,
    start: Mapping[str, torch.Tensor],
    *,
    strength: float,
    rest_strength: float = 0.0,
) -> torch.Tensor:
    """Return α/2·‖w − w⁰‖² over what was carried over plus β/2·‖w‖² over the rest: a scalar.

    Add it to a loss. Up to a constant it is the negative log-density, in nats, of a Gaussian prior
    on the weights, centred on the source's. The loss is a mean over images, so α is the prior's
    precision divided by their number.

    Equation: eq-l2-sp (Li, Grandvalet & Davoine 2018).

    Args:
        model: The model in training.
        start: The source's weights by name, from :func:`snapshot`.
        strength: α ≥ 0; zero leaves plain fine-tuning.
        rest_strength: β ≥ 0, for the parameters that ``start`` does not name, such as a new head.

    Raises:
        ValueError: If a strength is negative, ``start`` is empty, or it names a parameter that the
            model lacks or has in another shape.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from latent_transfer.transfer import l2_sp, snapshot
        >>> model = nn.Linear(2, 1)
        >>> start = snapshot(model)
        >>> _ = torch.nn.init.constant_(model.bias, start["bias"].item() + 2)
        >>> round(l2_sp(model, start, strength=0.5).item(), 3)
        1.0
    """
    if not (0 <= strength < inf and 0 <= rest_strength < inf):
        raise ValueError(
            f"The strengths must be finite and at least 0, not {strength} and {rest_strength}."
        )
    if not start:
        raise ValueError("l2_sp needs the weights to pull to; take them with snapshot(model).")
    parameters = dict(model.named_parameters())
    for name, value in start.items():
        if name not in parameters:
            raise ValueError(f"The model has no parameter {name!r} to pull to its start.")
        if parameters[name].shape != value.shape:
            raise ValueError(
                f"{name} is {spell(tuple(parameters[name].shape))} in the model, but "
                f"{spell(tuple(value.shape))} at its start."
            )
    moved = [(parameters[name] - value).square().sum() for name, value in start.items()]
    rest = [value.square().sum() for name, value in parameters.items() if name not in start]
    zero = next(iter(parameters.values())).new_zeros(())
    return 0.5 * (strength * sum(moved, start=zero) + rest_strength * sum(rest, start=zero))
