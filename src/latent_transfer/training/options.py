"""The options that trainers pass on to ``fit``, typed, so that editors and checkers know them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TypedDict

from typing_extensions import Required

from latent_transfer.data import Source
from latent_transfer.training.forms import (
    AfterEpoch,
    AfterStep,
    BeforeEpoch,
    MakeOptimizer,
    ParameterGroup,
    Schedule,
    Transform,
)
from latent_transfer.training.precision import Precision


class StepOptions(TypedDict, total=False):
    """How a step is made, and what is shown of it; see :func:`latent_transfer.fit`."""

    batch_size: int
    schedule: Schedule | None
    clip: float | None
    before_epoch: BeforeEpoch | None
    after_epoch: AfterEpoch | None
    binarize: bool
    transform: Transform | None
    drop_last: bool
    about: Mapping[str, object] | None
    precision: Precision
    progress: bool


class RateOptions(TypedDict, total=False):
    """The optimiser and its rates."""

    learning_rate: float | None
    optimizer: MakeOptimizer | None


class RunOptions(TypedDict, total=False):
    """How long a run is, and where it is kept."""

    epochs: Required[int]
    seed: int
    checkpoint: str | os.PathLike[str] | None


class TrainerOptions(StepOptions, RateOptions, RunOptions, total=False):
    """What :func:`latent_transfer.fit` takes, but for a validation set."""

    groups: Iterable[ParameterGroup] | None
    after_step: AfterStep | None


class FitOptions(TrainerOptions, total=False):
    """All that :func:`latent_transfer.fit` takes beside model, data and loss.

    Example:
        >>> from latent_transfer.training import FitOptions
        >>> usual: FitOptions = {"epochs": 3, "batch_size": 50, "progress": False}
        >>> sorted(usual)
        ['batch_size', 'epochs', 'progress']
    """

    validation: Source | None
    patience: int | None


class GanOptions(StepOptions, RunOptions, total=False):
    """What a trainer passes on that has its own optimiser."""


class StageOptions(StepOptions, RateOptions, total=False):
    """What a trainer passes on to several runs, whose length it is told apart."""


def refuse_validation(trainer: str, options: Mapping[str, object], why: str) -> None:
    """Refuse a validation set where it would be judged by something else than the training set.

    Raises:
        ValueError: If ``options`` hold one.
    """
    if options.get("validation") is not None or options.get("patience") is not None:
        raise ValueError(f"{trainer} takes no validation set: {why}.")
