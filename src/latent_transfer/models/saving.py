"""A model in one file: its tensors in safetensors, how it was made as JSON in the header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn

from latent_transfer._files import write_atomically
from latent_transfer._random import seeded
from latent_transfer.errors import CheckpointError
from latent_transfer.nets.recipes import UnknownPart, build, recipe_of

M = TypeVar("M", bound=nn.Module)
Tensors = dict[str, torch.Tensor]

FORMAT = 1  # raised when the layout below changes
KEY = "latent_transfer_model"
KEY_OF_CHECKPOINTS = "latent_transfer"


def save(model: nn.Module, path: str | Path) -> None:
    """Write a model to a file, in one step: the old file stays until the new one is whole.

    The file holds every parameter and buffer in its own precision, which of them are frozen, and
    how the model was made. Nothing is pickled. Optimiser and history are no part of it; for a
    training run that is to be resumed there is ``fit(..., checkpoint=...)``.

    Args:
        model: Any module. One that is made of the package's and PyTorch's parts can be loaded by
            itself; any other is loaded ``into`` a model that you build.
        path: Where to; missing folders are made, and ``~`` is your home folder.

    Raises:
        TypeError: If the model is no module.
        CheckpointError: If the place cannot be written.

    Example:
        >>> import tempfile, latent_transfer.models as models
        >>> path = tempfile.mkdtemp() + "/vae.safetensors"
        >>> models.save(models.mlp_vae((1, 8, 8), (16,), 2), path)
        >>> models.load(path).latent_size
        2
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"save takes a model and then a path, not a {type(model).__name__} as the model."
        )
    model = _bare(model)
    place = Path(path).expanduser()
    header = {
        "format": FORMAT,
        "class": type(model).__name__,
        "recipe": _recipe(model),
        "frozen": [name for name, value in _parameters(model).items() if not value.requires_grad],
        "versions": {"torch": torch.__version__},
    }
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    values = {name: value.detach().cpu().clone() for name, value in _tensors(model).items()}
    try:
        write_atomically(place, to_bytes(_contiguous(values), {KEY: json.dumps(header)}))
    except OSError as error:
        raise CheckpointError(
            f"{place} cannot be written ({error.strerror or error}); choose another file."
        ) from None


@overload
def load(path: str | Path) -> nn.Module: ...
@overload
def load(path: str | Path, *, into: M) -> M: ...
def load(path: str | Path, *, into: nn.Module | None = None) -> nn.Module:
    """Read a model that :func:`save` wrote; it comes back in evaluation mode, on the CPU.

    Only classes and functions of this package and modules of ``torch.nn`` are ever called; nothing
    is unpickled.

    Args:
        path: The file.
        into: A model of the same class and shapes that you built; it is filled in place, takes the
            precision of the file, and stays on its device. Needed for models with parts from
            elsewhere.

    Returns:
        The model.

    Raises:
        CheckpointError: If the file is missing, damaged, no saved model, one of another class or
            shape than ``into``, or one with parts that only you can build.

    Example:
        >>> import tempfile, torch, latent_transfer.models as models
        >>> path = tempfile.mkdtemp() + "/vae.safetensors"
        >>> vae = models.mlp_vae((1, 8, 8), (16,), 2).eval()
        >>> models.save(vae, path)
        >>> images = torch.rand(3, 1, 8, 8)
        >>> torch.equal(models.load(path)(images), vae(images))
        True
    """
    place = Path(path).expanduser()
    header, values = _read(place)
    model = _rebuilt(place, header) if into is None else _bare(into)
    _check(place, header["class"], values, model)
    _fill(model, values, set(header["frozen"]))
    return model.eval() if into is None else into.eval()


def _recipe(model: nn.Module) -> Any:
    """How to make the model; ``{"changed": ...}`` if that would not give the model as it is.

    The note was made when the model was. Parts may have been exchanged since, layers added,
    constraints put on: so what the note makes is compared with the model.
    """
    recipe = recipe_of(model)
    try:
        same = _structure(_built(recipe)) == _structure(model)
    except UnknownPart:
        return recipe  # names the part that only the user can build
    except Exception:
        same = False  # its arguments cannot be read off it
    return recipe if same else {"changed": type(model).__name__}


def _built(recipe: Any) -> nn.Module:
    with seeded(0):  # the caller's generator stays where it is
        model = build(recipe)
    if not isinstance(model, nn.Module):
        raise UnknownPart("this recipe makes no model")
    return model


def _structure(model: nn.Module) -> tuple[Any, ...]:
    """What two models have in common if one can be filled with the tensors of the other."""
    tensors = _tensors(model)
    first = dict[int, str]()
    tied = {name: first.setdefault(id(value), name) for name, value in tensors.items()}
    shapes = {name: tuple(value.shape) for name, value in _persistent(model).items()}
    hooks = [
        (len(module._forward_hooks), len(module._forward_pre_hooks)) for module in model.modules()
    ]
    settings = [
        {name: value for name, value in vars(module).items() if _is_setting(name, value)}
        for module in model.modules()
    ]
    return repr(model), tied, shapes, hooks, settings


def _is_setting(name: str, value: Any) -> bool:
    plain = value is None or isinstance(value, bool | int | float | str | tuple)
    return plain and name != "training" and not name.startswith("_")


def _rebuilt(place: Path, header: dict[str, Any]) -> nn.Module:
    recipe, kind = header["recipe"], header["class"]
    what = f"{place} holds a model of class {kind}"
    advice = "build the model and call load(path, into=model)"
    if isinstance(recipe, dict) and "changed" in recipe:
        how = "was changed, or made in a way that cannot be read off it"
        raise CheckpointError(f"{what} that {how}; {advice}.")
    try:
        return _built(recipe)
    except UnknownPart as error:
        raise CheckpointError(f"{what}, but {error}; {advice}.") from None
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{what} that cannot be made ({reason}).") from error


def _check(place: Path, kind: str, values: Tensors, model: nn.Module) -> None:
    if type(model).__name__ != kind:
        raise CheckpointError(f"{place} holds a model of class {kind}, not {type(model).__name__}.")
    wanted, loose = _tensors(model), _tensors(model).keys() - _persistent(model).keys()
    for name in sorted(values.keys() | wanted.keys()):
        there, here = (
            list(tensors[name].shape) if name in tensors else "absent"
            for tensors in (values, wanted)
        )
        # A buffer that is not part of the state may have grown, as a fitted prior has.
        if there != here and name not in loose:
            raise CheckpointError(
                f"{place} holds another {kind}: {name} is {there} there and {here} here."
            )


def _fill(model: nn.Module, values: Tensors, frozen: set[str]) -> None:
    parameters = _parameters(model)
    for name, tensor in _tensors(model).items():
        if name in values:
            tensor.data = values[name].to(tensor.device)
        if name in parameters:
            tensor.grad = None  # of other weights
            tensor.requires_grad_(name not in frozen and tensor.is_floating_point())


def _read(place: Path) -> tuple[dict[str, Any], Tensors]:
    if not place.is_file():
        what = "is a folder" if place.is_dir() else "does not exist"
        raise CheckpointError(f"{place} {what}; name a file that save has written.")
    try:
        with safe_open(place, framework="pt") as file:
            metadata = file.metadata() or {}
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(metadata.get(KEY, "null"))
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(f"{place} is damaged or no saved model ({error}).") from None
    if not isinstance(header, dict):
        raise CheckpointError(_what_else(place, metadata))
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{place} was written in model format {header.get('format')}, and this version of the "
            f"package reads format {FORMAT}."
        )
    frozen = header.get("frozen")
    names = [header.get("class"), *(frozen if isinstance(frozen, list) else [None])]
    if "recipe" not in header or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{place} is damaged: its header lacks what save writes.")
    return header, values


def _what_else(place: Path, metadata: dict[str, str]) -> str:
    if KEY_OF_CHECKPOINTS in metadata:
        return (
            f"{place} is the checkpoint of a training run, no saved model; "
            "give it to fit(..., checkpoint=...), and save the trained model with save."
        )
    return f"{place} holds tensors but no saved model; name a file that save has written."


def _bare(model: nn.Module) -> nn.Module:
    """The model inside the wrappers of torch.compile and of data parallelism."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif "_orig_mod" in model._modules:
            model = model.get_submodule("_orig_mod")
        else:
            return model


def _parameters(model: nn.Module) -> Tensors:
    return dict(model.named_parameters(remove_duplicate=False))


def _tensors(model: nn.Module) -> Tensors:
    """All parameters and buffers by name, those too that a state dict leaves out."""
    return {**_parameters(model), **dict(model.named_buffers(remove_duplicate=False))}


def _persistent(model: nn.Module) -> Tensors:
    tensors = _tensors(model)
    return {name: tensors[name] for name in model.state_dict() if name in tensors}


def _contiguous(values: Tensors) -> Tensors:
    return {name: value.contiguous() for name, value in values.items()}
