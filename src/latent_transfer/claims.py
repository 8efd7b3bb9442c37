"""Executable claims: a sentence, the measurement behind it, and a failure if it is false."""

from __future__ import annotations

from numbers import Real

import torch

from latent_transfer.errors import ClaimFailed


def claim(
    statement: str, holds: bool | torch.Tensor, **figures: Real | float | torch.Tensor
) -> None:
    """State what the book says, print the numbers behind it, and fail if it does not hold.

    Args:
        statement: The claim in words, as a reader would repeat it.
        holds: The outcome of the comparison; a bool, or a tensor or array holding one bool.
        figures: The measured numbers, printed after the statement under their names.

    Raises:
        ClaimFailed: If ``holds`` is false; the message carries the numbers.
        TypeError: If ``holds`` is not a truth value, so that a claim cannot pass by accident.

    Example:
        >>> import latent_transfer as lt
        >>> bound, evidence = -95.2, -92.81
        >>> lt.claim("the bound is below the evidence", bound < evidence, bound=bound)
        ✓ the bound is below the evidence [bound -95.2]
    """
    measured = ", ".join(f"{name.replace('_', ' ')} {_format(v)}" for name, v in figures.items())
    sentence = f"{statement} [{measured}]" if measured else statement
    if not _truth(holds):
        raise ClaimFailed(f"This claim does not hold here: {sentence}")
    print(f"✓ {sentence}")


def _truth(holds: object) -> bool:
    value = holds.item() if hasattr(holds, "item") else holds  # numpy and torch scalars
    if not isinstance(value, bool):
        raise TypeError(f"A claim needs one truth value, not {type(holds).__name__}.")
    return value


def _format(value: Real | float | torch.Tensor) -> str:
    number = value.item() if isinstance(value, torch.Tensor) else value
    return str(number) if isinstance(number, int) else f"{float(number):.4g}"
