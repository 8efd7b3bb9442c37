"""What the measures refuse, in one sentence each: NaN and infinity, and what does not fit."""

from __future__ import annotations

from numbers import Integral

import torch


def check_finite(name: str, values: torch.Tensor) -> None:
    """Refuse NaN and infinity, and booleans where numbers are meant.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation._checks import check_finite
        >>> check_finite("Scores", torch.tensor([1.0, float("nan")]))
        Traceback (most recent call last):
        ValueError: Scores must be finite, but 1 of 2 values are NaN or infinite.
    """
    if values.dtype == torch.bool:
        raise ValueError(f"{name} must be numbers, not booleans.")
    count = int((~values.isfinite()).sum())
    if count:
        raise ValueError(
            f"{name} must be finite, but {count} of {values.numel()} values are NaN or infinite."
        )


def check_count(name: str, value: int, least: int = 1) -> None:
    """Refuse what is no whole number from ``least`` on.

    Example:
        >>> from latent_transfer.evaluation._checks import check_count
        >>> check_count("samples", 0)
        Traceback (most recent call last):
        ValueError: samples must be a whole number from 1 on, not 0.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} on, not {value!r}.")


def check_features(name: str, *sets: torch.Tensor, least: int = 1) -> None:
    """Refuse what is not N×D features, of one size D, at least ``least`` points in each set.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation._checks import check_features
        >>> check_features("Features", torch.zeros(9, 2), torch.zeros(9, 3))
        Traceback (most recent call last):
        ValueError: Features must be N×D, of the same D everywhere, not (9, 2) and (9, 3).
    """
    if any(part.dim() != 2 for part in sets) or len({part.shape[1:] for part in sets}) > 1:
        shapes = " and ".join(str(tuple(part.shape)) for part in sets)
        raise ValueError(f"{name} must be N×D, of the same D everywhere, not {shapes}.")
    if min(len(part) for part in sets) < least or not sets[0].shape[1]:
        sizes = " and ".join(str(len(part)) for part in sets)
        raise ValueError(f"{name} of at least {least} points on each side are needed, not {sizes}.")
    for part in sets:
        check_finite(name, part)


def check_logits(name: str, logits: torch.Tensor) -> None:
    """Refuse what is not N×K, with at least one image, two classes, and finite numbers.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation._checks import check_logits
        >>> check_logits("Logits", torch.zeros(5, 1))
        Traceback (most recent call last):
        ValueError: Logits must be N×K, of at least one image and two classes, not of shape (5, 1).
    """
    if logits.dim() != 2 or not len(logits) or logits.shape[1] < 2:
        raise ValueError(
            f"{name} must be N×K, of at least one image and two classes, "
            f"not of shape {tuple(logits.shape)}."
        )
    check_finite(name, logits)


def check_labels(
    name: str, labels: torch.Tensor, count: int | None = None, classes: int | None = None
) -> None:
    """Refuse labels that are no whole numbers from 0 on, not ``count``, or beyond the classes.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation._checks import check_labels
        >>> check_labels("Labels", torch.tensor([0, 3]), count=2, classes=3)
        Traceback (most recent call last):
        ValueError: Labels must lie in 0 to 2 for 3 classes, but one is 3.
    """
    if labels.dtype == torch.bool or labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"{name} must be whole numbers, not {labels.dtype}.")
    if labels.dim() != 1 or not len(labels) or (count is not None and len(labels) != count):
        wanted = "at least one" if count is None else f"as many as there are images, {count}"
        raise ValueError(
            f"{name} must be one list, {wanted}, not a tensor of shape {tuple(labels.shape)}."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise ValueError(f"{name} are counted from 0; a negative number, {low}, is none.")
    if classes is not None and high >= classes:
        raise ValueError(
            f"{name} must lie in 0 to {classes - 1} for {classes} classes, but one is {high}."
        )
