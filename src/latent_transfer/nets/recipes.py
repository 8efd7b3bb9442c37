"""How a module was made, written down so that it can be made again.

Classes and functions of the package that are marked with :func:`remembers` note, on what they make,
their own name and their arguments as JSON. :func:`build` follows such a note. It looks names up in
two lists, of the marked ones and of the modules of ``torch.nn``, and in nothing else: a note that
comes from a file can call nothing that is not there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial, wraps
from numbers import Integral
from typing import Any, TypeVar

import torch
from torch import nn

T = TypeVar("T", bound=Callable[..., Any])

#: Marked classes and functions. Their names carry no module, so that moving one breaks no file.
_MARKED: dict[str, Callable[..., Any]] = {}

#: Arguments of torch.nn's modules that are no part of their structure.
_WHERE = {"device", "dtype"}


class UnknownPart(ValueError):
    """A recipe names something that is no part of the package or of ``torch.nn``.

    Example:
        >>> from latent_transfer.nets.recipes import build
        >>> build({"class": "os.system"})
        Traceback (most recent call last):
        latent_transfer.nets.recipes.UnknownPart: os.system is no part of ...
    """


def remembers(target: T) -> T:
    """Mark a module class, or a function that returns a module, so that its results can be rebuilt.

    Example:
        >>> from latent_transfer.nets import MLPEncoder
        >>> from latent_transfer.nets.recipes import recipe_of
        >>> recipe_of(MLPEncoder((1, 8, 8), (16,), 4))["call"]
        'latent_transfer.MLPEncoder'
    """
    _MARKED[_name(target)] = target
    if isinstance(target, type):
        _remember_class(target)
        return target

    @wraps(target)
    def make(*args: Any, **kwargs: Any) -> Any:
        note = _call(_name(target), args, kwargs)  # before: the call may change its arguments
        module = target(*args, **kwargs)
        module._recipe = note
        return module

    _MARKED[_name(target)] = make
    return make  # type: ignore[return-value]


def remembers_change(target: T) -> T:
    """Mark a function that changes a module in place, its first argument, beyond its weights.

    Example:
        >>> from latent_transfer.nets import MLPEncoder, limit_norms
        >>> from latent_transfer.nets.recipes import recipe_of
        >>> net = MLPEncoder((1, 8, 8), (16,), 4)
        >>> limit_norms(net, 2.0)
        >>> recipe_of(net)["then"][0]["call"]
        'latent_transfer.limit_norms'
    """

    @wraps(target)
    def change(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        before = recipe_of(module)
        result = target(module, *args, **kwargs)
        if "call" in before:
            step = _call(_name(target), args, kwargs)
            module.__dict__["_recipe"] = {**before, "then": [*before["then"], step]}
        return result

    _MARKED[_name(target)] = change
    return change  # type: ignore[return-value]


def recipe_of(value: Any) -> Any:
    """Describe an argument, or a module by what made it, as JSON.

    What comes from elsewhere is described as ``{"foreign": name}``, which cannot be built.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.nets.recipes import recipe_of
        >>> recipe_of(nn.ReLU), recipe_of((1, 28))
        ({'class': 'torch.nn.ReLU'}, {'tuple': [1, 28]})
        >>> recipe_of(lambda x: x)
        {'foreign': '<lambda>'}
    """
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, list):
        return [recipe_of(item) for item in value]
    if isinstance(value, tuple | range):
        return {"tuple": [recipe_of(item) for item in value]}
    if isinstance(value, torch.Tensor):
        return {"tensor": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, partial):
        return {"partial": recipe_of(value.func), **_arguments(value.args, value.keywords)}
    if isinstance(value, nn.Module):
        return value.__dict__.get("_recipe") or _recipe_of_torch(value)
    return _recipe_of_callable(value)


def build(recipe: Any) -> Any:
    """Make what a recipe describes. Tensors among the arguments are zeros of their shape.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.nets.recipes import build, recipe_of
        >>> build(recipe_of(nn.Linear(3, 2, bias=False)))
        Linear(in_features=3, out_features=2, bias=False)

    Raises:
        UnknownPart: If it names something that is no part of the package or of ``torch.nn``.
    """
    if isinstance(recipe, list):
        return [build(item) for item in recipe]
    if not isinstance(recipe, dict):
        return recipe
    if "tuple" in recipe:
        return tuple(build(item) for item in recipe["tuple"])
    if "tensor" in recipe:
        return torch.zeros(recipe["tensor"], dtype=_dtype(recipe["dtype"]))
    if "class" in recipe:
        return _look_up(recipe["class"])
    if "partial" in recipe:
        return partial(build(recipe["partial"]), *build(recipe["args"]), **_named(recipe))
    if "call" not in recipe:
        raise UnknownPart(_refusal(recipe.get("foreign")))
    made = _look_up(recipe["call"])(*build(recipe["args"]), **_named(recipe))
    for step in recipe["then"]:
        _look_up(step["call"])(made, *build(step["args"]), **_named(step))
    return made


def _remember_class(cls: type) -> None:
    original = cls.__init__  # type: ignore[misc]

    @wraps(original)
    def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        if type(self) is not cls:  # a subclass remembers its own arguments, or none
            original(self, *args, **kwargs)
            return
        note = _call(_name(cls), args, kwargs)
        original(self, *args, **kwargs)
        self.__dict__["_recipe"] = note

    cls.__init__ = init  # type: ignore[misc]


def _name(target: Callable[..., Any]) -> str:
    return f"latent_transfer.{target.__name__}"


def _call(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"call": name, **_arguments(args, kwargs), "then": []}


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "args": [recipe_of(value) for value in args],
        "kwargs": {name: recipe_of(value) for name, value in kwargs.items()},
    }


def _named(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {name: build(value) for name, value in recipe["kwargs"].items()}


def _recipe_of_callable(value: Any) -> Any:
    name = getattr(value, "__name__", type(value).__name__)
    if _MARKED.get(f"latent_transfer.{name}") is value:
        return {"class": f"latent_transfer.{name}"}
    return {"class": f"torch.nn.{name}"} if _is_torchs(value) else {"foreign": name}


def _recipe_of_torch(module: nn.Module) -> dict[str, Any]:
    """A module of torch.nn, read from its attributes, which are called as its arguments are."""
    kind = type(module)
    if not _is_torchs(kind):
        return {"foreign": kind.__name__}
    children = dict(module.named_children())
    if isinstance(module, nn.Sequential | nn.ModuleList):
        parts = [recipe_of(child) for child in children.values()]
        given = [parts] if isinstance(module, nn.ModuleList) else parts
        return {"call": f"torch.nn.{kind.__name__}", "args": given, "kwargs": {}, "then": []}
    arguments = {}
    for name in inspect.signature(kind).parameters:
        if name not in _WHERE and hasattr(module, name):
            value = getattr(module, name)
            # An argument that asks for a bias becomes the bias.
            is_bias = name == "bias" and not isinstance(value, bool)
            arguments[name] = value is not None if is_bias else recipe_of(value)
    return {"call": f"torch.nn.{kind.__name__}", "args": [], "kwargs": arguments, "then": []}


def _is_torchs(value: Any) -> bool:
    name = getattr(value, "__name__", "")
    is_module = isinstance(value, type) and issubclass(value, nn.Module)
    return is_module and getattr(nn, name, None) is value


def _look_up(name: Any) -> Callable[..., Any]:
    if isinstance(name, str):
        found = _MARKED.get(name) or getattr(nn, name.removeprefix("torch.nn."), None)
        if name in _MARKED or (name.startswith("torch.nn.") and _is_torchs(found)):
            assert found is not None
            return found
    raise UnknownPart(_refusal(name))


def _refusal(name: Any) -> str:
    return f"{name} is no part of latent_transfer or torch.nn"


def _dtype(name: Any) -> torch.dtype:
    found = getattr(torch, str(name), None)
    if not isinstance(found, torch.dtype):
        raise UnknownPart(_refusal(f"torch.{name}"))
    return found
