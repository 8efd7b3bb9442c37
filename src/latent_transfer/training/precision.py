"""In which numbers the layers compute; weights and sums stay float32 (or float64)."""

from __future__ import annotations

import functools
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

Precision = Literal["float32", "bfloat16", "float16"]

TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def usable_precision(precision: Precision, device: torch.device) -> Precision:
    """The precision that training on a device really uses.

    On a processor without instructions for bfloat16 a training in it takes ten times as long as in
    float32, so that float32 takes its place there, with a warning.

    Args:
        precision: As it was asked for.
        device: Where the model is.

    Raises:
        ValueError: For an unknown precision, or float16 elsewhere than on CUDA.

    Example:
        >>> import torch
        >>> usable_precision("float32", torch.device("cpu"))
        'float32'
    """
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be float32, bfloat16 or float16, not {precision!r}.")
    if precision == "float16" and device.type != "cuda":
        raise ValueError(f"float16 needs CUDA; on {device.type} use float32 or bfloat16.")
    if precision == "bfloat16" and device.type == "cpu" and not _quick_in_bfloat16():
        warnings.warn(
            "This processor has no instructions for bfloat16 and would be slower in it; "
            "training runs in float32.",
            stacklevel=3,
        )
        return "float32"
    return precision


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which the layers run; none for float32, where it would only take time."""
    wanted = TYPES.get(precision)
    return nullcontext() if wanted is None else torch.autocast(device.type, wanted)


@functools.cache
def _quick_in_bfloat16() -> bool:
    """Whether a matrix product takes at most twice as long as in float32, measured once."""
    matrix = torch.ones(256, 256)
    single, half = (_seconds(matrix.to(kind)) for kind in (torch.float32, torch.bfloat16))
    return half < 2 * single


def _seconds(matrix: torch.Tensor, tries: int = 7) -> float:
    best = float("inf")
    for _ in range(tries):  # the first ones warm up
        started = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - started)
    return best
