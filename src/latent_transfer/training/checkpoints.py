"""Everything a training run needs to continue, in one safetensors file; nothing is ever unpickled.

One file, replaced in one step, cannot be half of a checkpoint: tensors are its body, and what is
not a tensor (history, what decides the run, versions) is JSON in its header.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from torch.amp import GradScaler

from latent_transfer._files import write_atomically
from latent_transfer._random import device_state, set_device_state
from latent_transfer.errors import CheckpointError
from latent_transfer.nets import device_of
from latent_transfer.training.description import describe, digest
from latent_transfer.training.forms import BeforeEpoch, History

FORMAT = 2  # raised when the layout below changes
Tensors = dict[str, torch.Tensor]

#: The starting weights of the run that a model is in, so that the run can be resumed with the same
#: model after an interruption, whose weights have moved by then.
_STARTS: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


class RunState(NamedTuple):
    """The parts of a run that change as it goes."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    scaler: GradScaler


class RunFile:
    """The file of a run, or none: resuming from it and saving to it.

    Args:
        path: The file; without one nothing is read or written.
        run: What is saved and restored.
        settings: What decides the run, in values that JSON takes or that have a ``fingerprint``.
        decides: Functions that decide it, as ``description.describe`` looks at them.
        before_epoch: See :func:`latent_transfer.fit`.

    Attributes:
        best: The best weights so far, from the file.
        ended: Whether the run in the file ended before its last epoch.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        run: RunState,
        settings: Mapping[str, Any],
        decides: Mapping[str, object],
        before_epoch: BeforeEpoch | None = None,
    ) -> None:
        self.path = Path(path).expanduser() if path is not None else None
        self.run, self.decides, self.before_epoch = run, decides, before_epoch
        self.trained: list[str] = []  # for each epoch a digest of the parts that could move
        self.best: Tensors | None = None
        self.ended = False
        if self.path is not None:
            self.settings = {name: _plain(value) for name, value in settings.items()}
            self.settings |= _optimiser_settings(run.optimiser)
            self.start = digest(plain(run.model).state_dict())
            self.described = self._describe()

    def resume(self, empty: History) -> History:
        """Put the state of the file into the run, or begin the file.

        Args:
            empty: A history to fill.

        Raises:
            CheckpointError: If the file is damaged, or of another format, model or run.
        """
        if self.path is None:
            return empty
        if self.path.exists():
            header, tensors = _read(self.path)
            history = type(empty)(**header["history"])
            if history.epochs:  # before the first epoch there is nothing to lose or to compare
                self._check(header)
                _restore(self.run, tensors)
                self.best = _part(tensors, "best") or None
                self.ended, self.start, empty = header["ended"], header["start"], history
                self.trained = header["trained"]
                self._freeze_again()
        _STARTS[self.run.model] = self.start
        if not empty.epochs:
            self.save(empty, None)  # a place that cannot be written is found out now
        return empty

    def save(self, history: History, best: Tensors | None, *, ended: bool = False) -> None:
        """Write the run's state atomically: the old file stays until the new one is whole."""
        if self.path is None:
            return
        if len(self.trained) < history.epochs:
            self.trained.append(_trainable(self.run.model))
        now = self._describe()
        # What has changed since the run began is its state, such as a counter in the loss.
        self.described = {
            name: {key: value for key, value in parts.items() if now[name].get(key) == value}
            for name, parts in self.described.items()
        }
        header = {
            "format": FORMAT,
            "model": _signature(self.run.model),
            "start": self.start,
            "settings": self.settings,
            "decides": self.described,
            "trained": self.trained,
            "history": asdict(history),
            "ended": ended,
            "versions": {"torch": torch.__version__, "python": _python()},
        }
        content = save(_tensors(self.run, best), metadata={"latent_transfer": json.dumps(header)})
        write_atomically(self.path, content)

    def _describe(self) -> dict[str, dict[str, str]]:
        return {name: describe(value) for name, value in self.decides.items()}

    def _check(self, header: Mapping[str, Any]) -> None:
        _check_model(self.path, header["model"], _signature(self.run.model))
        for name, value in self.settings.items():
            if header["settings"].get(name) != value:
                self._refuse(f"a run with {name}={header['settings'].get(name)!r}, not {value!r}")
        if header["start"] not in (self.start, _STARTS.get(self.run.model)):
            self._refuse("a run from other starting weights")
        same_python = header["versions"].get("python") == _python()
        for name, parts in header["decides"].items():
            for key, value in parts.items():
                if self.described[name].get(key) != value and (same_python or key != "code"):
                    what = "" if key in ("code", "value") else f" (its {key} differs)"
                    self._refuse(f"a run with another {name}{what}")

    def _freeze_again(self) -> None:
        for epoch, names in enumerate(self.trained):
            if self.before_epoch is not None:
                self.before_epoch(self.run.model, epoch / self.settings["epochs"])
            if _trainable(self.run.model) != names:
                self._refuse(f"a run with other frozen parts in epoch {epoch + 1}")

    def _refuse(self, what: str) -> None:
        raise CheckpointError(f"{self.path} belongs to {what}; choose another file or delete it.")


class Best:
    """The weights of the epoch with the smallest validation loss.

    Args:
        model: Whose weights they are.
        history: Of its run, longer after every epoch.
        weights: Those of an earlier part of the run.
    """

    def __init__(self, model: nn.Module, history: History, weights: Tensors | None) -> None:
        self.model, self.history, self.weights = model, history, weights

    def keep(self, patience: int | None) -> bool:
        """Keep the weights if they are the best; whether ``patience`` is exhausted."""
        if patience is None:
            return False
        if self.history.best_epoch == self.history.epochs:
            state = plain(self.model).state_dict()
            self.weights = {name: value.detach().clone() for name, value in state.items()}
        return self.history.epochs - self.history.best_epoch >= patience

    def restore(self) -> None:
        """Put the best weights back into the model, if any were kept."""
        if self.weights is not None:
            plain(self.model).load_state_dict(self.weights)


def plain(model: nn.Module) -> nn.Module:
    """The model that ``torch.compile`` wrapped, whose names have no prefix; or the model itself."""
    inner = getattr(model, "_orig_mod", model)
    assert isinstance(inner, nn.Module)
    return inner


def _plain(value: Any) -> Any:
    fingerprint = getattr(value, "fingerprint", None)
    return fingerprint() if callable(fingerprint) else json.loads(json.dumps(value))


def _optimiser_settings(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Class, sizes, rates and other options of the groups."""
    groups = [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimiser.param_groups
    ]
    sizes = [sum(p.numel() for p in group["params"]) for group in optimiser.param_groups]
    return {
        "optimizer": type(optimiser).__name__,
        "rates": [[size, group["lr"]] for size, group in zip(sizes, groups, strict=True)],
        "options": digest(groups),
    }


def _trainable(model: nn.Module) -> str:
    return digest([name for name, p in plain(model).named_parameters() if p.requires_grad])


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _tensors(run: RunState, best: Tensors | None) -> Tensors:
    tensors = {f"model.{name}": value for name, value in plain(run.model).state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in (best or {}).items()}
    for index, state in run.optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"optimiser.{index}.{name}"] = torch.as_tensor(value)
    tensors["random.generator"] = run.generator.get_state()
    tensors["random.cpu"] = torch.get_rng_state()
    if (on_device := device_state(device_of(run.model))) is not None:
        tensors["random.device"] = on_device
    for name, value in run.scaler.state_dict().items():
        tensors[f"scaler.{name}"] = torch.as_tensor(value)
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _part(tensors: Tensors, part: str) -> Tensors:
    prefix = f"{part}."
    return {n.removeprefix(prefix): value for n, value in tensors.items() if n.startswith(prefix)}


def _restore(run: RunState, tensors: Tensors) -> None:
    plain(run.model).load_state_dict(_part(tensors, "model"))
    optimiser = run.optimiser.state_dict()
    optimiser["state"] = {}
    for key, value in _part(tensors, "optimiser").items():
        index, name = key.split(".", 1)
        optimiser["state"].setdefault(int(index), {})[name] = value
    run.optimiser.load_state_dict(optimiser)
    if scaler := _part(tensors, "scaler"):
        run.scaler.load_state_dict({name: value.item() for name, value in scaler.items()})
    random = _part(tensors, "random")
    run.generator.set_state(random["generator"])
    torch.set_rng_state(random["cpu"])
    set_device_state(device_of(run.model), random.get("device"))


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("latent_transfer", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or no checkpoint ({error}); delete the file to start afresh."
        ) from error
    if not isinstance(header, dict) or "history" not in header:
        raise CheckpointError(
            f"{path} holds tensors but is no checkpoint of a training run; choose another file."
        )
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was written in checkpoint format {header.get('format')}, this version of the "
            f"package reads format {FORMAT}; delete the file to start afresh."
        )
    return header, tensors


def _signature(model: nn.Module) -> dict[str, Any]:
    model = plain(model)
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    return {"class": type(model).__name__, "shapes": shapes}


def _check_model(path: Path | None, saved: dict[str, Any], present: dict[str, Any]) -> None:
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
