"""One plain training loop: progress, history, schedule, exact resume, divergence detection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from latent_transfer._random import seeded
from latent_transfer.data import Batch, ImageSet
from latent_transfer.errors import TrainingDiverged
from latent_transfer.nets import device_of
from latent_transfer.training.checkpoints import RunState, load_checkpoint, save_checkpoint

#: The kind of model that is trained.
M = TypeVar("M", bound=nn.Module)

#: What ``fit`` minimises, given the model and a batch.
Loss = Callable[[M, Batch], Mapping[str, torch.Tensor]]
Transform = Callable[[torch.Tensor], torch.Tensor]
Schedule = Callable[[float], float]
ParameterGroup = dict[str, Any]  # "params": parameters; "lr": their learning rate
BeforeEpoch = Callable[[nn.Module, float], None]
AfterStep = Callable[[nn.Module], None]
Precision = Literal["float32", "bfloat16"]


@dataclass
class History:
    """Means of the loss terms, one value an epoch.

    Attributes:
        training: Term name to its mean over each epoch's images, taken while the weights moved.
        validation: The same on the validation set after each epoch; empty without one.
    """

    training: dict[str, list[float]] = field(default_factory=dict)
    validation: dict[str, list[float]] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.training.get("loss", []))


def fit(
    model: M,
    train: ImageSet,
    loss: Loss[M],
    *,
    epochs: int,
    batch_size: int = 100,
    learning_rate: float = 1e-3,
    groups: Sequence[ParameterGroup] | None = None,
    schedule: Schedule | None = None,
    before_epoch: BeforeEpoch | None = None,
    after_step: AfterStep | None = None,
    seed: int = 0,
    binarize: bool = False,
    transform: Transform | None = None,
    validation: ImageSet | None = None,
    checkpoint: str | Path | None = None,
    precision: Precision = "float32",
    progress: bool = True,
) -> History:
    """Train ``model`` in place with Adam and leave it in evaluation mode.

    The seed alone decides shuffling, binarisation and noise; the state of PyTorch's own generators
    neither matters nor changes. With a ``checkpoint`` the run saves itself after every epoch, and
    the same call continues from there: a run killed at any moment and started again ends with the
    same bits as one that was not.

    Parameters that need no gradient stay as they are, and every part whose parameters all need
    none runs in evaluation mode: its batch norm keeps its statistics, its dropout lets all pass.

    On a CPU, numbers below 1e-38 count as zero while it runs, since they cost much time.

    Args:
        model: Trained on the device where its parameters are.
        train: The training images.
        loss: Given the model and a :class:`Batch`, returns scalar batch means by name; the one
            called ``"loss"`` is minimised, all are shown and recorded.
        epochs: Passes over ``train``.
        batch_size: Images a step; the last batch of a pass may be smaller.
        learning_rate: Adam's step size.
        groups: Parameters with learning rates of their own, as ``transfer.parameter_groups`` makes
            them, instead of one rate for all.
        schedule: Maps training progress in [0, 1) to a factor on the learning rates.
        before_epoch: Given the model and the progress before every epoch, to freeze or unfreeze
            parts; progress alone should decide what it does, so that a run can be resumed.
        after_step: Given the model after every step of the optimiser.
        seed: See above.
        binarize: Draw binary pixels from grey ones, anew at every step.
        transform: Augmentation of whole batches, B×C×H×W in and out.
        validation: Evaluated with ``loss`` after each epoch, without gradients, on the same noise.
        checkpoint: File to save to and to continue from.
        precision: ``"bfloat16"`` runs the layers under autocast; weights and sums stay float32.
        progress: Whether to show the progress bar.

    Returns:
        The history of every loss term.

    Raises:
        TrainingDiverged: If a term or a weight stops being finite; the checkpoint of the last good
            epoch stays.
        CheckpointError: If the checkpoint belongs to another model, run or version.
        ValueError: For a setting that makes no sense, a loss that does not return scalars, or a
            model whose parameters are all frozen.
    """
    groups = groups or [{"params": list(model.parameters()), "lr": learning_rate}]
    settings = _Settings(
        epochs, batch_size, _rates(groups), seed, binarize, precision, images=len(train)
    )
    device = device_of(model)
    train = train.to(device)
    validation = validation.to(device) if validation is not None else None
    optimiser = torch.optim.Adam(groups, fused=True)
    path = Path(checkpoint) if checkpoint else None
    with (
        seeded(seed, device) as generator,
        _no_denormals(),
        _progress_bar(settings, progress) as bar,
    ):
        run = RunState(model, optimiser, generator)
        described = asdict(settings) | {"data": train.fingerprint()} if path else {}
        history = _resume(path, run, described)
        bar.update(history.epochs * settings.steps_per_epoch)
        for epoch in range(history.epochs, epochs):
            if before_epoch is not None:
                before_epoch(model, epoch / epochs)
            batches = train.batches(
                batch_size,
                shuffle=True,
                generator=generator,
                binarize=binarize,
                transform=transform,
            )
            means = _train_epoch(run, loss, batches, epoch, settings, schedule, after_step, bar)
            _append(history.training, means)
            if validation is not None:
                _append(history.validation, _evaluate(model, loss, validation, settings))
            if path:
                save_checkpoint(path, run, asdict(history), described)
    model.eval()
    return history


@dataclass(frozen=True)
class _Settings:
    """What decides a run's bits, besides the model, the data, the loss and the schedule."""

    epochs: int
    batch_size: int
    rates: list[list[float]]  # of each group: trained numbers, learning rate
    seed: int
    binarize: bool
    precision: Precision
    images: int

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}.")
        for _, rate in self.rates:
            if not rate > 0:
                raise ValueError(f"learning_rate must be positive, not {rate}.")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be float32 or bfloat16, not {self.precision!r}.")

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.images / self.batch_size)

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch


def _train_epoch(
    run: RunState,
    loss: Loss[Any],
    batches: Iterator[Batch],
    epoch: int,
    settings: _Settings,
    schedule: Schedule | None,
    after_step: AfterStep | None,
    bar: tqdm[NoReturn],
) -> dict[str, float]:
    means = _Means()
    _training_mode(run.model)
    for number, batch in enumerate(batches, start=1):
        progress = (epoch * settings.steps_per_epoch + number - 1) / settings.steps
        if schedule is not None:
            for group, (_, rate) in zip(run.optimiser.param_groups, settings.rates, strict=True):
                group["lr"] = rate * schedule(progress)
        with _autocast(batch.images.device, settings.precision):
            terms = loss(run.model, batch._replace(progress=progress))
        means.add(_finite(terms, epoch + 1, number), len(batch.images))
        run.optimiser.zero_grad()
        terms["loss"].backward()
        run.optimiser.step()
        if after_step is not None:
            after_step(run.model)
        bar.set_postfix(means.shown(epoch + 1, settings.epochs), refresh=False)
        bar.update()
    _check_weights(run.model, epoch + 1, number)
    return means.values()


@contextmanager
def _no_denormals() -> Iterator[None]:
    """Round numbers below 1e-38 to zero inside the block.

    Adam's mean of a gradient that has become zero, at a pixel that is hardly ever drawn or a ReLU
    that rests, decays through numbers that a processor needs many times longer for.
    """
    # PyTorch sets the mode of the processor but does not tell it.
    before = (torch.tensor(1e-39) * 1).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _training_mode(model: nn.Module) -> None:
    model.train()
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("All parameters of the model are frozen; unfreeze a part to train it.")
    for part in model.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def _evaluate(
    model: nn.Module, loss: Loss[Any], validation: ImageSet, settings: _Settings
) -> dict[str, float]:
    device = device_of(model)
    means = _Means()
    model.eval()
    # The same noise after every epoch, so that the curve shows the model and not the dice.
    with torch.no_grad(), seeded(settings.seed, device) as generator:
        for batch in validation.batches(
            settings.batch_size, generator=generator, binarize=settings.binarize
        ):
            terms = loss(model, batch._replace(progress=1.0))
            means.add({name: term.item() for name, term in terms.items()}, len(batch.images))
    return means.values()


class _Means:
    """Running means of the loss terms, each batch weighted by its number of images."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, terms: Mapping[str, float], count: int) -> None:
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * count
        self._count += count

    def values(self) -> dict[str, float]:
        return {name: total / self._count for name, total in self._sums.items()}

    def shown(self, epoch: int, epochs: int) -> dict[str, str]:
        values = {name: f"{value:.1f}" for name, value in self.values().items()}
        return {"epoch": f"{epoch}/{epochs}", **values}


def _finite(terms: Mapping[str, torch.Tensor], epoch: int, batch: int) -> dict[str, float]:
    if "loss" not in terms or any(term.dim() for term in terms.values()):
        raise ValueError(
            "A loss must return scalars by name, one of them called 'loss'; average over the "
            "batch with .mean()."
        )
    # One transfer from the device for all terms.
    values = torch.stack([term.detach() for term in terms.values()]).tolist()
    for name, value in zip(terms, values, strict=True):
        if not math.isfinite(value):
            raise TrainingDiverged(epoch, batch, name, value)
    return dict(zip(terms, values, strict=True))


def _check_weights(model: nn.Module, epoch: int, batch: int) -> None:
    # A step may spoil the weights after its own loss was finite; such weights are not saved.
    for parameter in model.parameters():
        if not torch.isfinite(parameter).all():
            raise TrainingDiverged(epoch, batch, "weights", math.nan)


def _rates(groups: Sequence[ParameterGroup]) -> list[list[float]]:
    return [
        [sum(p.numel() for p in group["params"] if p.requires_grad), group["lr"]]
        for group in groups
    ]


def _resume(path: Path | None, run: RunState, settings: Mapping[str, object]) -> History:
    if path is None or not path.exists():
        return History()
    return History(**load_checkpoint(path, run, settings))


def _append(record: dict[str, list[float]], means: Mapping[str, float]) -> None:
    for name, value in means.items():
        record.setdefault(name, []).append(value)


def _autocast(device: torch.device, precision: Precision) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _progress_bar(settings: _Settings, shown: bool) -> tqdm[NoReturn]:
    return tqdm(total=settings.steps, disable=not shown, unit="batch", mininterval=0.25)
