"""Parts of a model by name: list them, freeze them, and set how fast each of them learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import TypeVar

import torch
from torch import nn

from latent_transfer.nets import find_part
from latent_transfer.training import BeforeEpoch, ParameterGroup

M = TypeVar("M", bound=nn.Module)

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)


def layers(model: nn.Module, part: str = "") -> list[str]:
    """List the layers that own parameters by name, from the input of the model to its output.

    Args:
        model: Any module whose layers were made in the order in which data pass through them.
        part: Only the layers of this part, such as ``"encoder"``.

    Raises:
        ValueError: If there is no such part.

    Example:
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.transfer import layers
        >>> layers(mlp_vae((1, 4, 4), (8,), 2), "encoder")
        ['encoder.layers.0', 'encoder.layers.2']
    """
    inside = find_part(model, part)
    names = dict.fromkeys(_layer_of(name) for name, _ in inside.named_parameters())
    return [".".join(filter(None, (part, name))) for name in names]


def freeze(model: M, *parts: str) -> M:
    """Keep some parts as they are during training.

    :func:`latent_transfer.fit` also keeps frozen parts in evaluation mode: a frozen batch norm must
    not follow the statistics of new data, and a frozen dropout must not drop.

    Args:
        model: Changed in place.
        parts: Names such as ``"encoder"`` or ``"encoder.layers.0"``; the whole model if left out.

    Returns:
        The same model.

    Raises:
        ValueError: If there is no such part.

    Example:
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.transfer import freeze
        >>> model = freeze(mlp_vae((1, 4, 4), (8,), 2), "encoder")
        >>> {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
        {'decoder'}
    """
    return _require_gradients(model, parts, needed=False)


def unfreeze(model: M, *parts: str) -> M:
    """Let training change some parts again: the reverse of :func:`freeze`.

    Args:
        model: Changed in place.
        parts: Names such as ``"encoder"``; the whole model if left out.

    Returns:
        The same model.

    Raises:
        ValueError: If there is no such part.

    Example:
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.transfer import freeze, unfreeze
        >>> model = unfreeze(freeze(mlp_vae((1, 4, 4), (8,), 2)), "decoder")
        >>> {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
        {'decoder'}
    """
    return _require_gradients(model, parts, needed=True)


def scale_and_shift(model: M, part: str = "") -> M:
    """Freeze all of a part except the scales and shifts of its normalisation layers.

    They are a handful of numbers per channel, so few images cannot over-fit much
    (Noguchi & Harada 2019). Running statistics still follow the data.

    Args:
        model: Changed in place.
        part: Such as ``"generator"``; the empty name is the whole model.

    Returns:
        The same model.

    Raises:
        ValueError: If there is no such part, or it has no normalisation with parameters.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.transfer import scale_and_shift
        >>> model = scale_and_shift(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)))
        >>> [name for name, p in model.named_parameters() if p.requires_grad]
        ['1.weight', '1.bias']
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
    """Unfreeze parts one after another, at even intervals (Howard & Ruder 2018).

    Pass it to :func:`latent_transfer.fit` as ``before_epoch``. The first part trains from the
    start; of P parts, part k (from 0) joins when the progress reaches k/P · ``until``.

    Args:
        parts: In the order in which they may learn, usually from the output to the input. Parts
            of the model that are not named stay as they are.
        until: The progress, at most 1, at which the schedule ends.

    Raises:
        ValueError: If no part is named or ``until`` lies outside (0, 1].

    Example:
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.transfer import unfreeze_schedule
        >>> model = mlp_vae((1, 4, 4), (8,), 2)
        >>> unfreeze_schedule("decoder", "encoder")(model, 0.2)  # what fit does before an epoch
        >>> {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
        {'decoder'}
    """
    if not parts or not 0 < until <= 1:
        raise ValueError(
            "unfreeze_schedule needs at least one part, and until above 0 and at most 1; "
            f"not {list(parts)} and {until}."
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
    """Group parameters for ``fit``, with learning rates that fall from the output to the input.

    The last layer learns with ``learning_rate``, and each layer ``decay`` times as fast as the one
    above it: what lies near the pixels is the most general and moves the least. Frozen layers have
    groups too, so that they train once they thaw; until then they get no gradient and stay.

    Equation: eq-layer-wise-decay (Howard & Ruder 2018).

    Args:
        model: Its layers are taken in the order of :func:`layers`.
        learning_rate: Of the last layer, above 0.
        decay: Factor from one layer to the one below it, above 0 and at most 1.

    Raises:
        ValueError: If ``learning_rate`` is not positive, or ``decay`` lies outside (0, 1].

    Example:
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.transfer import parameter_groups
        >>> groups = parameter_groups(mlp_vae((1, 4, 4), (8,), 2), 0.1, decay=0.5)
        >>> [group["lr"] for group in groups]
        [0.1, 0.05, 0.025, 0.0125]
    """
    if not 0 < learning_rate < inf:
        raise ValueError(f"learning_rate must be positive and finite, not {learning_rate}.")
    if not 0 < decay <= 1:
        raise ValueError(f"decay must be above 0 and at most 1, not {decay}.")
    parameters: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        parameters.setdefault(_layer_of(name), []).append(parameter)
    return [
        {"params": group, "lr": learning_rate * decay**depth}
        for depth, group in enumerate(reversed(parameters.values()))
    ]


def snapshot(model: nn.Module, *parts: str) -> dict[str, torch.Tensor]:
    """Copy the parameters by name, to compare with them later or to pull back to them.

    Args:
        model: Any module.
        parts: Only the parameters of these parts; all if left out.

    Raises:
        ValueError: If there is no such part.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.transfer import snapshot
        >>> {name: tuple(value.shape) for name, value in snapshot(nn.Linear(3, 2)).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    return {name: value.detach().clone() for name, value in named_parameters(model, parts)}


def named_parameters(
    model: nn.Module, parts: Sequence[str] = ()
) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield names and parameters of some parts, or of the whole model.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.transfer.parts import named_parameters
        >>> model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
        >>> [name for name, _ in named_parameters(model, ["head"])]
        ['head.weight', 'head.bias']
    """
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
