"""The forms of what ``fit`` is given and gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from latent_transfer.data import Batch

#: The kind of model that is trained.
M = TypeVar("M", bound=nn.Module)

#: What ``fit`` minimises: given the model and a batch, one scalar, or scalars by name.
Loss = Callable[[M, Batch], torch.Tensor | Mapping[str, torch.Tensor]]
Transform = Callable[[torch.Tensor], torch.Tensor]
Schedule = Callable[[float], float]
ParameterGroup = dict[str, Any]  # "params": parameters; "lr": their learning rate
#: Makes an optimiser of parameter groups, such as ``torch.optim.SGD``.
MakeOptimizer = Callable[..., torch.optim.Optimizer]
BeforeEpoch = Callable[[nn.Module, float], None]
AfterStep = Callable[[nn.Module], None]


@dataclass
class History:
    """Means of the loss terms, one value per epoch.

    Attributes:
        training: Term name to its mean over each epoch's images, taken while the weights moved.
        validation: The same on the validation set after each epoch; empty without one.

    Example:
        >>> history = History({"loss": [3.0, 2.0]}, {"loss": [3.5, 3.6]})
        >>> history.epochs, history.best_epoch
        (2, 1)
    """

    training: dict[str, list[float]] = field(default_factory=dict)
    validation: dict[str, list[float]] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.training.get("loss", []))

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, with the smallest validation loss; 0 without validation."""
        losses = self.validation.get("loss", [])
        return losses.index(min(losses)) + 1 if losses else 0

    def add(self, training: Mapping[str, float], validation: Mapping[str, float]) -> None:
        """Append the means of one epoch."""
        for record, means in ((self.training, training), (self.validation, validation)):
            for name, value in means.items():
                record.setdefault(name, []).append(value)


AfterEpoch = Callable[[nn.Module, History], bool | None]
