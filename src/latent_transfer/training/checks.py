"""What ``fit`` refuses, in one sentence each, and what it counts."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from latent_transfer.errors import TrainingDiverged
from latent_transfer.nets import device_of
from latent_transfer.training.precision import Precision

LOSS_FORM = (
    "A loss is called with the model and a batch and must return scalars by name, one of them "
    "called 'loss', or one scalar tensor"
)


@dataclass(frozen=True)
class Settings:
    """The numbers that decide a run's bits."""

    epochs: int
    batch_size: int
    seed: int
    binarize: bool
    drop_last: bool
    clip: float | None
    patience: int | None
    precision: Precision
    steps_per_epoch: int

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "clip", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, not {value}.")
        for name in ("epochs", "batch_size", "seed"):
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number, not {getattr(self, name)!r}.")
        if not self.steps_per_epoch:
            raise ValueError(
                "drop_last leaves no batch: there are fewer images than the batch_size of "
                f"{self.batch_size}."
            )

    @property
    def steps(self) -> int:
        """Batches of the whole run."""
        return self.epochs * self.steps_per_epoch


def check_model(model: object) -> tuple[torch.device, torch.dtype]:
    """Refuse what is no module with parameters; device and type of those of one that is.

    Raises:
        TypeError: For something else than a module.
        ValueError: For a module without parameters.
    """
    if not isinstance(model, nn.Module):
        what = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be an instance of nn.Module, not {what}.")
    first = next(model.parameters(), None)
    if first is None:
        raise ValueError(f"{type(model).__name__} has no parameters to train.")
    return first.device, first.dtype


def check_loss(loss: object) -> None:
    """Refuse what cannot be called with a model and a batch.

    Raises:
        TypeError: With the form of a loss.
    """
    module = getattr(loss, "__module__", None) or ""
    criterion = isinstance(loss, nn.Module) or module.startswith("torch.nn.functional")
    if criterion or not callable(loss) or not _takes_two(loss):
        raise TypeError(
            f"{LOSS_FORM}, such as lambda model, batch: criterion(model(batch.images), "
            f"batch.labels); {getattr(loss, '__name__', type(loss).__name__)} is no such function."
        )


def _takes_two(loss: Any) -> bool:
    try:
        inspect.signature(loss).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a built-in without a signature
        return True
    return True


def make_optimiser(
    model: nn.Module,
    make: Any,
    groups: Iterable[dict[str, Any]] | None,
    learning_rate: float | None,
) -> torch.optim.Optimizer:
    """The optimiser of a run.

    Args:
        model: All of its parameters are optimised, unless there are ``groups``.
        make: See ``optimizer`` of :func:`latent_transfer.fit`.
        groups: Likewise.
        learning_rate: Of the groups that have none of their own; the optimiser's if left out.

    Raises:
        TypeError: For an optimiser that is there already, or is none.
        ValueError: For a rate that is not positive, or two of them.
    """
    if isinstance(make, torch.optim.Optimizer) or (make is not None and not callable(make)):
        raise TypeError(
            "optimizer must be a class or function that makes one, such as torch.optim.SGD or "
            f"functools.partial(torch.optim.SGD, momentum=0.9), not {_kind(make)}."
        )
    if isinstance(make, partial) and "lr" in make.keywords and learning_rate is not None:
        raise ValueError("The optimizer has an lr of its own; leave out learning_rate.")
    fused = device_of(model).type in ("cpu", "cuda")
    make = make or partial(torch.optim.Adam, fused=fused)
    default = {} if learning_rate is None else {"lr": learning_rate}
    whole = groups if groups is not None else [{"params": model.parameters()}]
    optimiser = make([{**default, **_checked(group)} for group in whole])
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise TypeError(f"optimizer must make a torch.optim.Optimizer, not {_kind(optimiser)}.")
    if isinstance(optimiser, torch.optim.LBFGS):
        raise TypeError("LBFGS evaluates the loss several times per step, which fit does not.")
    for rate in (group["lr"] for group in optimiser.param_groups):
        if not rate > 0:
            raise ValueError(f"learning_rate must be positive, not {rate}.")
    return optimiser


def _kind(value: object) -> str:
    return repr(value) if isinstance(value, str) else f"an instance of {type(value).__name__}"


def _checked(group: Any) -> Mapping[str, Any]:
    if not isinstance(group, Mapping) or "params" not in group:
        raise ValueError(
            "groups must be a list of dictionaries with 'params' and, if it is not "
            f"learning_rate, 'lr'; one of them is {type(group).__name__}."
        )
    return group


def training_mode(model: nn.Module, groups: Iterable[Mapping[str, Any]]) -> None:
    """Training mode for what learns, evaluation mode for frozen parts.

    Raises:
        ValueError: If all parameters are frozen, or one that is not is in no group.
    """
    model.train()
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("All parameters of the model are frozen; unfreeze a part to train it.")
    optimised = {id(p) for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in optimised:
            raise ValueError(
                f"{name} can be trained but is in no group of parameters, so that it would never "
                "move; freeze it, or put it into a group (also if it thaws later)."
            )
    for part in model.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def named(result: Any) -> dict[str, torch.Tensor]:
    """The scalars of a loss by name; numbers beside the tensors become tensors.

    Raises:
        ValueError: If the loss has another form, or depends on no trainable parameter.
    """
    terms = {"loss": result} if isinstance(result, torch.Tensor) else result
    if not isinstance(terms, Mapping) or not isinstance(terms.get("loss"), torch.Tensor):
        raise ValueError(f"{LOSS_FORM}; this one returned {_form(result)}.")
    loss = terms["loss"]
    scalars = {name: torch.as_tensor(term, device=loss.device) for name, term in terms.items()}
    if wrong := [name for name, term in scalars.items() if term.dim()]:
        raise ValueError(
            f"{LOSS_FORM}; {wrong[0]!r} has shape {tuple(scalars[wrong[0]].shape)}: average over "
            "the batch with .mean()."
        )
    if torch.is_grad_enabled() and not loss.requires_grad:
        raise ValueError("The loss depends on no trainable parameter; was it detached?")
    return scalars


def _form(result: Any) -> str:
    if isinstance(result, Mapping):
        return f"a dictionary with {', '.join(map(repr, result)) or 'nothing in it'}"
    return f"{type(result).__name__}"


def finite(
    terms: Mapping[str, torch.Tensor], epoch: int, batch: int, of: str = ""
) -> dict[str, float]:
    """The terms as numbers, with one transfer from the device for all of them.

    Raises:
        TrainingDiverged: If one is not finite.
    """
    dtype = terms["loss"].dtype
    values = torch.stack([term.detach().to(dtype) for term in terms.values()]).tolist()
    for name, value in zip(terms, values, strict=True):
        if not math.isfinite(value):
            raise TrainingDiverged(epoch, batch, of + name, value)
    return dict(zip(terms, values, strict=True))


def check_state(model: nn.Module, epoch: int, batch: int) -> None:
    """A step may spoil the weights after its own loss was finite; such weights are not saved.

    Raises:
        TrainingDiverged: If a weight or a running statistic is not finite.
    """
    kinds = {"weights": model.named_parameters(), "running statistics": model.named_buffers()}
    for kind, tensors in kinds.items():
        for _, tensor in tensors:
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise TrainingDiverged(epoch, batch, kind, math.nan)


class Means:
    """Running means of the loss terms, each batch weighted by its number of images."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, terms: Mapping[str, float], count: int) -> None:
        """Take in the terms of a batch of so many images."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * count
        self._count += count

    def values(self) -> dict[str, float]:
        """The means so far."""
        return {name: total / self._count for name, total in self._sums.items()}

    def shown(self, epoch: int, epochs: int) -> dict[str, str]:
        """What the progress bar shows."""
        values = {name: f"{value:.1f}" for name, value in self.values().items()}
        return {"epoch": f"{epoch}/{epochs}", **values}


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Say what to do about a batch of one image under batch norm; PyTorch names a shape."""
    try:
        yield
    except ValueError as error:
        if "Expected more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            "Batch norm cannot normalise the one image of the last batch; "
            "choose another batch_size, or drop_last=True."
        ) from None


@contextmanager
def no_denormals() -> Iterator[None]:
    """Flush numbers below 1e-38 to zero on a CPU inside the block.

    Adam's mean of a gradient that has become zero, at a pixel that is hardly ever drawn or a ReLU
    that rests, decays through numbers that a processor needs many times longer for.
    """
    # PyTorch can set this mode but has no getter for it.
    before = (torch.tensor(1e-39) * 1).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
