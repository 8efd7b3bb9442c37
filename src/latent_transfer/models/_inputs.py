"""What models refuse of the numbers of classes that they are given."""

from __future__ import annotations

import torch


def check_classes(what: str, numbers: object, count: int) -> None:
    """Refuse what is not one whole number from 0 to ``count`` − 1 per image.

    Raises:
        TypeError: If it is no list of whole numbers, such as a number of images.
        ValueError: If a number is beyond the classes.

    Example:
        >>> import torch
        >>> from latent_transfer.models._inputs import check_classes
        >>> check_classes("label", 5, count=10)
        Traceback (most recent call last):
        TypeError: One label per image is needed, a tensor of B whole numbers, not int.
    """
    if not isinstance(numbers, torch.Tensor) or numbers.dim() != 1 or not _is_whole(numbers):
        found = type(numbers).__name__
        if isinstance(numbers, torch.Tensor):
            found = f"{numbers.dtype} of shape {tuple(numbers.shape)}"
        raise TypeError(
            f"One {what} per image is needed, a tensor of B whole numbers, not {found}."
        )
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
        raise ValueError(
            f"A {what} lies in 0 to {count - 1}, but these run from {int(numbers.min())} "
            f"to {int(numbers.max())}."
        )


def _is_whole(numbers: torch.Tensor) -> bool:
    return numbers.dtype in (torch.int64, torch.int32)
