"""Whether models and sets are of one shape, so that they can be stacked."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from latent_transfer.data.memory import InMemory


def check_alike(models: Sequence[nn.Module], sets: Sequence[InMemory]) -> None:
    """Refuse replicas that differ in more than weights and images.

    Args:
        models: R models.
        sets: The images of each.

    Raises:
        ValueError: Naming the first difference.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits").train
        >>> models = [lt.models.mlp_vae(digits.shape, (width,)) for width in (8, 9)]
        >>> check_alike(models, [digits, digits])
        Traceback (most recent call last):
        ValueError: Replicas differ in ... number 1 differs from number 0 in encoder.layers.0: ...
    """
    for number, (model, images) in enumerate(zip(models, sets, strict=True)):
        difference = _difference(models[0], model) or _difference_of_sets(sets[0], images)
        if difference:
            raise ValueError(
                f"Replicas differ in weights, images and seeds alone, but number {number} differs "
                f"from number 0 in {difference}."
            )


def _difference_of_sets(first: InMemory, other: InMemory) -> str:
    ours, theirs = (f"{type(images).__name__} of {images.shape}" for images in (first, other))
    return "" if ours == theirs else f"its images: {theirs} instead of {ours}"


def _difference(first: nn.Module, other: nn.Module) -> str:
    """The first part in which two models are not of one shape, in words; empty if there is none."""
    ours, theirs = _shape(first), _shape(other)
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            return f"{name}: {theirs.get(name, 'absent')} instead of {ours.get(name, 'absent')}"
    return ""


def _shape(model: nn.Module) -> dict[str, str]:
    """What two replicas have in common: classes, plain settings, sizes and types of tensors."""
    shape = {}
    for name, part in model.named_modules():
        # Of the settings that are no tensors those are compared that compare by value.
        plain = {
            key: value
            for key, value in vars(part).items()
            if key != "training" and isinstance(value, int | float | str | tuple)
        }
        shape[name or "the model"] = f"{type(part).__name__}{plain or ''}"
    for name, tensor in model.state_dict(keep_vars=True).items():
        shape[name] = f"{tuple(tensor.shape)} of {tensor.dtype} on {tensor.device}"
    return shape
