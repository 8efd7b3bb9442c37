"""Parts of a model by name: which they are, freezing them, and how fast each of them learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import nn

from latent_transfer.nets import find_part
from latent_transfer.training import BeforeEpoch, ParameterGroup

M = TypeVar("M", bound=nn.Module)

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)


def layers(model: nn.Module, part: str = "") -> list[str]:
    """The names of the layers that own parameters, from the input of the model to its output.

    Args:
        model: Any module whose layers were made in the order in which data pass them.
        part: Only the layers of this part, such as ``"encoder"``.

    Raises:
        ValueError: If there is no such part.
    """
    inside = find_part(model, part)
    names = dict.fromkeys(_layer_of(name) for name, _ in inside.named_parameters())
    return [".".join(filter(None, (part, name))) for name in names]


def freeze(model: M, *parts: str) -> M:
    """Let training leave some parts as they are.

    :func:`latent_transfer.fit` also keeps frozen parts in evaluation mode: a batch norm that is
    frozen must not take up the statistics of new data, and a frozen dropout must not drop.

    Args:
        model: Changed in place.
        parts: Names such as ``"encoder"`` or ``"encoder.layers.0"``; none: everything.

    Returns:
        The same model.

    Raises:
        ValueError: If there is no such part.
    """
    return _require_gradients(model, parts, needed=False)


def unfreeze(model: M, *parts: str) -> M:
    """Let training change some parts again; see :func:`freeze`."""
    return _require_gradients(model, parts, needed=True)


def scale_and_shift(model: M, part: str = "") -> M:
    """Let training change nothing of a part but the factors and offsets of its normalisations.

    They are a handful of numbers for each channel: with few images there is little to over-fit
    (Noguchi & Harada 2019). Running statistics still follow the data.

    Args:
        model: Changed in place.
        part: Such as ``"generator"``; the empty name is the whole model.

    Returns:
        The same model.

    Raises:
        ValueError: If there is no such part, or it has no normalisation with parameters.
    """
    inside = find_part(model, part)
    norms = [one for one in inside.modules() if isinstance(one, _NORMS) and one.affine]
    if not norms:
        raise ValueError(f"{part or type(model).__name__} has no normalisation to tune.")
    inside.requires_grad_(False)
    for norm in norms:
        norm.requires_grad_(True)
    return model


def unfreeze_schedule(*parts: str, until: float = 1.0) -> BeforeEpoch:
    """Unfreeze parts one after the other, at even distances (Howard & Ruder 2018).

    Pass it to :func:`latent_transfer.fit` as ``before_epoch``. The first part trains from the
    start; of P parts, part k (from 0) joins when the progress reaches k/P · ``until``.

    Args:
        parts: In the order in which they may learn, usually from the output to the input. Parts
            of the model that are not named stay as they are.
        until: The progress, at most 1, by which the schedule is over.

    Raises:
        ValueError: If no part is named or ``until`` lies outside (0, 1].
    """
    if not parts or not 0 < until <= 1:
        raise ValueError(
            "unfreeze_schedule needs at least one part, and until above 0 and at most 1; "
            f"got {list(parts)} and {until}."
        )

    def before_epoch(model: nn.Module, progress: float) -> None:
        for number, part in enumerate(parts):
            # Compared without a division: 1/3·3 need not be 1 in floating point.
            joined = number * until <= progress * len(parts) + 1e-9
            find_part(model, part).requires_grad_(joined)

    return before_epoch


def parameter_groups(
    model: nn.Module, learning_rate: float, *, decay: float = 1.0
) -> list[ParameterGroup]:
    """Groups of parameters for ``fit``, whose learning rates fall from the output to the input.

    The last layer learns with ``learning_rate``, each layer below it ``decay`` times as fast as
    the one above: what lies near the pixels is the most general and moves the least.

    Equation: eq-layer-wise-decay (Howard & Ruder 2018).

    Args:
        model: Its layers are taken in the order of :func:`layers`; frozen ones are left out.
        learning_rate: Of the last layer.
        decay: Factor from one layer to the one below it, above 0 and at most 1.

    Raises:
        ValueError: If ``decay`` lies outside (0, 1].
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay must lie above 0 and at most at 1, not at {decay}.")
    parameters: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        parameters.setdefault(_layer_of(name), []).append(parameter)
    trained = [group for group in parameters.values() if group[0].requires_grad]
    return [
        {"params": group, "lr": learning_rate * decay**depth}
        for depth, group in enumerate(reversed(trained))
    ]


def snapshot(model: nn.Module, *parts: str) -> dict[str, torch.Tensor]:
    """Copies of the parameters by name, to compare with later or to be pulled back to.

    Args:
        model: Any module.
        parts: Only the parameters of these parts; none: all.
    """
    return {name: value.detach().clone() for name, value in named_parameters(model, parts)}


def named_parameters(
    model: nn.Module, parts: Sequence[str] = ()
) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and parameters of some parts, or of the whole model."""
    for part in parts or ("",):
        for name, parameter in find_part(model, part).named_parameters():
            yield ".".join(filter(None, (part, name))), parameter


def _require_gradients(model: M, parts: Sequence[str], *, needed: bool) -> M:
    for _, parameter in named_parameters(model, parts):
        parameter.requires_grad_(needed)
    return model


def _layer_of(parameter: str) -> str:
    # A parametrised weight hides below its layer as layer.parametrizations.weight.original.
    layer = parameter.split(".parametrizations.")[0]
    return layer if layer != parameter else parameter.rpartition(".")[0]
