"""Start a target model from the weights of a source model, and report what was carried over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from latent_transfer.nets.shapes import spell

GREY, COLOUR = 1, 3


@dataclass(frozen=True)
class Transfer:
    """What :func:`initialise_from` did, tensor by tensor; print it.

    Attributes:
        copied: Names of parameters and buffers that now equal the source's.
        adapted: Names of weights that were fitted to another number of channels, and how.
        skipped: Names in the target that keep their own start, and why.
        unused: Names in the source, within the parts, that the target lacks.

    Example:
        >>> from latent_transfer.transfer import Transfer
        >>> print(Transfer(copied=["encoder.weight"], skipped={"head.weight": "5×8 here"}))
        copied   encoder.weight
        skipped  head.weight: 5×8 here
    """

    copied: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"copied   {name}" for name in self.copied]
        lines += [f"adapted  {name}: {how}" for name, how in self.adapted.items()]
        lines += [f"skipped  {name}: {why}" for name, why in self.skipped.items()]
        lines += [f"unused   {name} (in the source only)" for name in self.unused]
        return "\n".join(lines)


def initialise_from(
    source: nn.Module,
    target: nn.Module,
    parts: Sequence[str] | None = None,
    *,
    adapt_channels: bool = False,
) -> Transfer:
    """Copy parameters and buffers of a source model into a target model, by name and shape.

    The two models share nothing afterwards: training the target does not change the source.

    With ``adapt_channels``, convolutions that see or make images fit another number of channels,
    so that grey images are treated as before. Input weights go from one channel to three as three
    copies of a third, and from three to one as their sum. Outputs go from one channel to three as
    three copies, and from three to one as their mean.

    Args:
        source: Where the weights come from; not changed.
        target: Changed in place.
        parts: Names such as ``("encoder",)``; all parts if left out.
        adapt_channels: Whether to fit the image channels of convolutions; otherwise such weights
            are skipped like all others of another shape.

    Returns:
        What was copied, adapted, skipped and unused; print it.

    Raises:
        TypeError: If ``parts`` is a single string, or a model is not a module.
        ValueError: If a part is missing from one of the models, nothing fits at all, a weight of
            the source is not finite, or the two models already share a parameter.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.transfer import initialise_from
        >>> source, target = nn.Linear(3, 2), nn.Linear(4, 2)
        >>> print(initialise_from(source, target))
        copied   bias
        skipped  weight: 2×3 in the source, 2×4 here
    """
    if isinstance(parts, str):
        raise TypeError(f"parts must be a sequence of names such as ({parts!r},), not a string.")
    for model in (source, target):
        if not isinstance(model, nn.Module):
            raise TypeError(f"Source and target must be modules, not {type(model).__name__}.")
    _refuse_shared(source, target)
    there, here = (_select(model, parts) for model in (source, target))
    for part in parts or ():
        if not _select(source, [part]) or not _select(target, [part]):
            raise ValueError(f"Both models need a part {part!r} to carry it over.")
    _refuse_infinite(source, there)
    report = Transfer(unused=[name for name in there if name not in here])
    for name, place in here.items():
        _carry(name, there.get(name), place, target, adapt_channels, report)
    if not report.copied and not report.adapted:
        raise ValueError(
            f"No tensor of {type(source).__name__} fits one of {type(target).__name__} by name "
            "and shape; build the target like the source, at least in the parts to carry over."
        )
    return report


def _select(model: nn.Module, parts: Sequence[str] | None) -> dict[str, torch.Tensor]:
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if parts is None or any(f"{name}.".startswith(f"{part}.") for part in parts)
    }


def _refuse_shared(source: nn.Module, target: nn.Module) -> None:
    owned = {parameter.data_ptr() for parameter in source.parameters()}
    for name, parameter in target.named_parameters():
        if parameter.data_ptr() in owned:
            raise ValueError(
                f"Source and target share the parameter {name}: training one would change the "
                "other; build the target with parts of its own."
            )


def _refuse_infinite(source: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(
                f"{name} of the source {type(source).__name__} is not finite; "
                "its training may have diverged."
            )


@torch.no_grad()
def _carry(
    name: str,
    value: torch.Tensor | None,
    place: torch.Tensor,
    target: nn.Module,
    adapt_channels: bool,
    report: Transfer,
) -> None:
    if value is None:
        report.skipped[name] = "the source has none"
    elif value.shape == place.shape:
        place.copy_(value)
        report.copied.append(name)
    elif adapt_channels and (adapted := _adapt(name, value, place, target)) is not None:
        place.copy_(adapted[0])
        report.adapted[name] = adapted[1]
    else:
        there, here = spell(tuple(value.shape)), spell(tuple(place.shape))
        report.skipped[name] = f"{there} in the source, {here} here"


def _adapt(
    name: str, value: torch.Tensor, place: torch.Tensor, target: nn.Module
) -> tuple[torch.Tensor, str] | None:
    """Fit the axis of image channels; return the tensor and how, or ``None`` if it cannot be."""
    layer = target.get_submodule(name.rpartition(".")[0])
    if value.dim() != place.dim() or not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return None
    differing = [axis for axis in range(value.dim()) if value.shape[axis] != place.shape[axis]]
    if len(differing) != 1:
        return None
    (axis,) = differing
    # Weights are out×in×k×k, those of transposed convolutions in×out×k×k; biases have outputs only.
    sees_images = value.dim() > 1 and axis == (1 if isinstance(layer, nn.Conv2d) else 0)
    sizes = (value.shape[axis], place.shape[axis])
    if sizes == (GREY, COLOUR):
        wide = value.repeat_interleave(COLOUR, axis)
        if sees_images:
            return wide / COLOUR, "a third for each channel"
        return wide, "the same for each channel"
    if sizes == (COLOUR, GREY):
        if sees_images:
            return value.sum(axis, keepdim=True), "the sum of the channels"
        return value.mean(axis, keepdim=True), "the mean of the channels"
    return None
