"""What decides a run's bits, in a form that two calls can be compared by."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterable, Mapping, Set
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import nn

#: Values that say everything about themselves.
PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, PurePath)


def describe(value: object) -> dict[str, str]:
    """Digests of a loss, schedule or transform: of its code, and of each value that it holds.

    A function is described by its code, its default arguments and the variables of the functions
    around it; a ``partial`` by its arguments; an object by its attributes; a net by its weights.
    The global variables that a function reads are not looked at.

    Args:
        value: Usually a function.

    Returns:
        One digest for each part, so that a part that changes while the run goes on (a counter, a
        list of records, the model itself) can be told from one that decides it.

    Example:
        >>> from functools import partial
        >>> from latent_transfer.objectives import negative_elbo
        >>> first, again, other = (
        ...     describe(partial(negative_elbo, beta=beta)) for beta in (1.0, 1.0, 0.0)
        ... )
        >>> first == again, first == other
        (True, False)
    """
    if not isinstance(value, types.FunctionType):
        return {"value": digest(value)}
    parts: dict[str, object] = {"code": value.__code__, "defaults": _defaults(value)}
    parts |= dict(zip(value.__code__.co_freevars, _enclosed(value), strict=True))
    return {name: digest(part) for name, part in parts.items()}


def digest(value: object) -> str:
    """A checksum of a value and of all that it holds; it guards against accidents, not malice."""
    walk = _Walk()
    walk.visit(value)
    return walk.sum.hexdigest()[:16]


class _Walk:
    """Feeds a value and everything in it to a checksum, each object once."""

    def __init__(self) -> None:
        self.sum = hashlib.sha256()
        self._seen: dict[int, object] = {}  # the objects too, or another could have the same id

    def visit(self, value: object) -> None:
        self._say(type(value).__qualname__)
        if isinstance(value, PLAIN):
            self._say(repr(value))
        elif id(value) not in self._seen:
            self._seen[id(value)] = value
            for part in self._parts(value):
                self.visit(part)

    def _parts(self, value: Any) -> Iterable[object]:
        if isinstance(value, torch.Tensor):
            return (value.dtype, tuple(value.shape), _bytes(value))
        if isinstance(value, np.ndarray):
            return (str(value.dtype), value.shape, value.tobytes())
        if isinstance(value, nn.Module):
            return value.state_dict().items()
        if isinstance(value, types.FunctionType):
            return (value.__module__, value.__code__, _defaults(value), *_enclosed(value))
        if isinstance(value, types.CodeType):
            return (value.co_code, value.co_names, *value.co_consts)
        if isinstance(value, partial):
            return (value.func, value.args, sorted(value.keywords.items()))
        if isinstance(value, types.MethodType):
            return (value.__func__, value.__self__)
        if isinstance(value, Mapping):
            return value.items()
        if isinstance(value, Set):
            return sorted(map(repr, value))
        if isinstance(value, list | tuple):
            return value
        if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType):
            return (getattr(value, "__module__", None), value.__name__)
        if callable(getattr(value, "fingerprint", None)):
            return (value.fingerprint(),)
        return sorted(getattr(value, "__dict__", {}).items())

    def _say(self, text: str) -> None:
        self.sum.update(text.encode() + b"\0")


def _bytes(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _defaults(function: types.FunctionType) -> tuple[object, ...]:
    return (function.__defaults__, function.__kwdefaults__)


def _enclosed(function: types.FunctionType) -> list[object]:
    """The values of the variables that a function takes from those around it."""
    values: list[object] = []
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # not given a value yet
            values.append(None)
    return values
