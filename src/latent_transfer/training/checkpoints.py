"""Everything a training run needs to continue, in one safetensors file; nothing is ever unpickled.

One file, replaced in one step, cannot be half of a checkpoint: tensors are its body, and what is
not a tensor (history, settings, versions) is JSON in its header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from latent_transfer._files import write_atomically
from latent_transfer.errors import CheckpointError
from latent_transfer.nets import device_of

FORMAT = 1  # raised when the layout below changes
Tensors = dict[str, torch.Tensor]


class RunState(NamedTuple):
    """The parts of a run that change as it goes."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    generator: torch.Generator


def save_checkpoint(
    path: Path, run: RunState, history: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Write a run's state to ``path`` atomically: the old file stays until the new one is whole.

    Args:
        path: Where to; missing folders are made.
        run: Model, optimiser and generator; the state of PyTorch's own generators is added.
        history: JSON-ready record of the epochs so far.
        settings: JSON-ready settings that a resumed run must share.
    """
    header = {
        "format": FORMAT,
        "model": _signature(run.model),
        "settings": settings,
        "history": history,
        "versions": {"torch": torch.__version__},
    }
    content = save(_tensors(run), metadata={"latent_transfer": json.dumps(header)})
    write_atomically(path, content)


def load_checkpoint(path: Path, run: RunState, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Put the state saved at ``path`` into ``run`` and into PyTorch's own generators.

    Returns:
        The saved history.

    Raises:
        CheckpointError: If the file is damaged, or its format, model or settings are others.
    """
    header, tensors = _read(path)
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was written in checkpoint format {header.get('format')}, this version of the "
            f"package reads format {FORMAT}; delete the file to start afresh."
        )
    _check_model(path, header["model"], _signature(run.model))
    _check_settings(path, header["settings"], settings)
    _restore(run, tensors)
    history: dict[str, Any] = header["history"]
    return history


def _tensors(run: RunState) -> Tensors:
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    for index, state in run.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
    tensors["random.generator"] = run.generator.get_state()
    tensors["random.cpu"] = torch.get_rng_state()
    device = device_of(run.model)
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _restore(run: RunState, tensors: Tensors) -> None:
    parts: dict[str, Tensors] = {"model": {}, "optimiser": {}, "random": {}}
    for name, value in tensors.items():
        part, key = name.split(".", 1)
        parts[part][key] = value
    run.model.load_state_dict(parts["model"])
    optimiser = run.optimiser.state_dict()
    optimiser["state"] = {}
    for key, value in parts["optimiser"].items():
        index, name = key.split(".", 1)
        optimiser["state"].setdefault(int(index), {})[name] = value
    run.optimiser.load_state_dict(optimiser)
    run.generator.set_state(parts["random"]["generator"])
    torch.set_rng_state(parts["random"]["cpu"])
    if "cuda" in parts["random"]:
        torch.cuda.set_rng_state(parts["random"]["cuda"], device_of(run.model))


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("latent_transfer", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or no checkpoint ({error}); delete the file to start afresh."
        ) from error
    if not isinstance(header, dict):
        raise CheckpointError(
            f"{path} holds tensors but is no checkpoint of a training run; choose another file."
        )
    return header, tensors


def _signature(model: nn.Module) -> dict[str, Any]:
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    return {"class": type(model).__name__, "shapes": shapes}


def _check_model(path: Path, saved: dict[str, Any], present: dict[str, Any]) -> None:
    if saved == present:
        return
    if saved["class"] != present["class"]:
        difference = f"a model of class {saved['class']}, not {present['class']}"
    else:
        names = sorted(saved["shapes"].keys() | present["shapes"].keys())
        first = next(n for n in names if saved["shapes"].get(n) != present["shapes"].get(n))
        difference = (
            f"another {saved['class']}: {first} is {saved['shapes'].get(first, 'absent')} there "
            f"and {present['shapes'].get(first, 'absent')} here"
        )
    raise CheckpointError(f"{path} belongs to {difference}; choose another file or delete it.")


def _check_settings(path: Path, saved: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    for name, value in present.items():
        if saved.get(name) != value:
            raise CheckpointError(
                f"{path} belongs to a run with {name}={saved.get(name)!r}, not {value!r}; "
                "choose another file or delete it."
            )
