"""Replicas of one model on their common way: stacked weights, one batch each, one optimiser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain, groupby
from math import ceil, isfinite, nan
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from latent_transfer.data import Batch
from latent_transfer.data.memory import InMemory
from latent_transfer.errors import TrainingDiverged
from latent_transfer.nets import device_of
from latent_transfer.training.checks import Means
from latent_transfer.training.forms import History, Loss, ParameterGroup, Schedule, Transform
from latent_transfer.training.noise import Replay, refusal

Tensors = dict[str, torch.Tensor]

AT_TIMES = "The loss reads the progress of its batch only at times"


class Replica:
    """One model, its images, and how far it has come in the order in which ``fit`` visits them.

    Args:
        model: Trained in place at the end.
        images: Its training images.
        groups: Its parameters with their learning rates.
        seed: Decides the order, the binary pixels and the noise.
        epochs: Passes over the images.
        batch_size: Images per step.
        binarize: Whether binary pixels will be drawn from its generator.

    Raises:
        ValueError: If its images cannot be visited so.
    """

    def __init__(
        self,
        model: nn.Module,
        images: InMemory,
        groups: Sequence[ParameterGroup],
        seed: int,
        epochs: int,
        batch_size: int,
        binarize: bool,
    ) -> None:
        self.model, self.images, self.groups, self.seed = model, images, groups, seed
        self.generator = torch.Generator().manual_seed(seed)
        # Starts no pass, but checks what a pass needs.
        images.batches(batch_size, shuffle=True, generator=self.generator, binarize=binarize)
        self.steps_per_epoch = ceil(len(images) / batch_size)
        self.steps = epochs * self.steps_per_epoch
        self.done = 0
        self.history, self._means = History(), Means()
        self._passes = self._visit(epochs, batch_size)
        self.chosen = next(self._passes)  # positions of the next batch; none at the end

    def _visit(self, epochs: int, batch_size: int) -> Iterator[torch.Tensor | None]:
        for _ in range(epochs):
            order = torch.randperm(len(self.images), generator=self.generator)
            yield from order.split(batch_size)
        yield None

    @property
    def epoch(self) -> int:
        """Finished passes."""
        return self.done // self.steps_per_epoch

    @property
    def progress(self) -> float:
        """Fraction of the steps that are done."""
        return self.done / self.steps

    def plan(self) -> list[tuple[dict[str, Any], list[str]]]:
        """Return each group's options, and the names of the parameters that it trains."""
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        return [
            (
                {key: value for key, value in group.items() if key != "params"},
                [names[id(p)] for p in group["params"] if p.requires_grad],
            )
            for group in self.groups
        ]

    def advance(self, terms: Mapping[str, float]) -> None:
        """Record the terms of the loss on the chosen images, and choose the next.

        Raises:
            TrainingDiverged: If one of them is not finite.
        """
        assert self.chosen is not None
        for name, value in terms.items():
            if not isfinite(value):
                batch = self.done % self.steps_per_epoch
                raise TrainingDiverged(self.epoch + 1, batch + 1, name, value)
        self._means.add(terms, len(self.chosen))
        self.done += 1
        if self.done % self.steps_per_epoch == 0:
            self.history.add(self._means.values(), {})
            self._means = Means()
        self.chosen = next(self._passes)


class Cohort:
    """Replicas whose steps can be one call each of ``torch.vmap``.

    Replicas of equal sets and learning rates are neighbours in the stacks, so that the optimiser
    moves them as one tensor.

    Args:
        replicas: Of one shape, each part of the models in the same mode.
        loss: As for ``fit``.
        schedule: As for ``fit``.
        binarize: As for ``fit``.
        transform: As for ``fit``.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        loss: Loss[Any],
        *,
        schedule: Schedule | None,
        binarize: bool,
        transform: Transform | None,
    ) -> None:
        self.replicas = sorted(replicas, key=lambda r: (-len(r.images), repr(r.plan())))
        self.schedule, self.binarize, self.transform = schedule, binarize, transform
        models = [replica.model for replica in self.replicas]
        self.device = device_of(models[0])
        if binarize and self.device.type != "cpu":
            raise refusal("Binary pixels are drawn for several replicas on the CPU alone")
        self.replay = Replay([replica.seed for replica in self.replicas], self.device)
        self.images, self.labels, self.starts = _pool([r.images for r in self.replicas])
        self.images = self.images.to(self.device)
        self.labels = None if self.labels is None else self.labels.to(self.device)
        self.objective = _Objective(deepcopy(models[0]), loss)
        self.stacks = {name: _stack(rows) for name, rows in _tensors(models).items()}
        self.trained = {
            name for replica in self.replicas for _, ns in replica.plan() for name in ns
        }
        self._views: dict[range, Tensors] = {}
        self.blocks: list[tuple[range, list[str]]] = []  # rows and names of an optimiser's group
        self.optimiser = torch.optim.Adam(self._groups(), fused=True)
        self.rates = [group["lr"] for group in self.optimiser.param_groups]

    def _groups(self) -> list[ParameterGroup]:
        groups = []
        for rows in _runs(self.replicas, key=lambda r: (len(r.images), repr(r.plan()))):
            leaves = self._leaves(rows)
            for options, names in self.replicas[rows.start].plan():
                if names:
                    self.blocks.append((rows, names))
                    parameters = [_turned(leaves[name]).detach().requires_grad_() for name in names]
                    groups.append({"params": parameters, **options})
        return groups

    def _leaves(self, rows: range) -> Tensors:
        """Return views of the stacks, of trained parameters as leaves of the graph."""
        if rows not in self._views:
            self._views[rows] = {
                name: stack[rows.start : rows.stop].detach().requires_grad_(name in self.trained)
                for name, stack in self.stacks.items()
            }
        return self._views[rows]

    def next_rows(self) -> list[range]:
        """Return who steps next, the largest group with batches of one size in the first epoch.

        The first epoch is that of the replicas which are least advanced.

        Returns:
            Ranges of neighbours; empty when all are done.
        """
        waiting = [replica for replica in self.replicas if replica.chosen is not None]
        if not waiting:
            return []
        epoch = min(replica.epoch for replica in waiting)
        kinds = [self._kind(replica, epoch) for replica in self.replicas]
        most, _ = Counter(kind for kind in kinds if kind).most_common(1)[0]
        return [rows for rows in _runs(kinds) if kinds[rows.start] == most]

    def _kind(self, replica: Replica, epoch: int) -> tuple[int, float] | None:
        if replica.chosen is None or replica.epoch > epoch:
            return None
        # A number that is read in Python must be the same for all who step together.
        return len(replica.chosen), replica.progress if self.objective.asks else 0.0

    def step(self, rows: range) -> None:
        """Let some neighbours take one step.

        Args:
            rows: One of :meth:`next_rows`.

        Raises:
            TrainingDiverged: If a term of the loss or a weight is not finite.
            ValueError: For a loss that cannot run for several replicas at once.
        """
        members = self.replicas[rows.start : rows.stop]
        leaves = self._leaves(rows)
        images, labels, indices = self._batches(rows)
        apart = len({replica.progress for replica in members}) > 1
        with self.replay.at(rows), self._in_plain_words(apart):
            terms = torch.vmap(
                self._terms,
                (0, 0, None if labels is None else 0, 0, 0, None),
                randomness="same",
            )(
                leaves,
                images,
                labels,
                indices,
                torch.arange(len(rows), device=self.device),
                nan if apart else members[0].progress,
            )
        if apart and self.objective.asks:
            raise refusal(AT_TIMES)
        values = torch.stack([term.detach() for term in terms.values()], 1).tolist()  # R×terms
        self._set_rates(rows)
        for replica, row in zip(members, values, strict=True):
            replica.advance(dict(zip(terms, row, strict=True)))
        if terms["loss"].requires_grad:
            terms["loss"].sum().backward()
        self._move(rows, leaves)
        if any(replica.done % replica.steps_per_epoch == 0 for replica in members):
            self._check_weights(rows)

    @contextmanager
    def _in_plain_words(self, apart: bool) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            # Where the replicas are not equally far, the loss was given no progress that is one.
            raise refusal(AT_TIMES) if apart and self.objective.asks else error from None
        except RuntimeError as error:
            reason = str(error).splitlines()[0].split(". ")[0]
            raise refusal(
                f"This loss or model cannot run for several replicas at once ({reason})"
            ) from error

    def _terms(
        self,
        tensors: Tensors,
        images: torch.Tensor,
        labels: torch.Tensor | None,
        indices: torch.Tensor,
        replica: torch.Tensor,
        progress: float,
    ) -> Tensors:
        self.replay.bind(replica)
        named = {f"model.{name}": tensor for name, tensor in tensors.items()}
        batch = _Watched(images, labels, progress, indices)
        batch.watcher = self.objective
        return functional_call(self.objective, named, (batch,))

    def _batches(self, rows: range) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Gather the chosen images R×B×C×H×W at once, their labels R×B and their positions R×B."""
        members = self.replicas[rows.start : rows.stop]
        chosen = torch.stack([r.chosen for r in members if r.chosen is not None])  # R×B
        places = (chosen + self.starts[rows.start : rows.stop, None]).flatten().to(self.device)
        stored = self.images.index_select(0, places).unflatten(0, chosen.shape)
        labels = self.labels
        if labels is not None:
            labels = labels.index_select(0, places).view(chosen.shape)
        if self.binarize:
            shape = stored.shape[1:]
            uniform = torch.stack([torch.rand(shape, generator=r.generator) for r in members])
            levels = stored * 255 if stored.is_floating_point() else stored
            images = (uniform.mul_(255) < levels).float()
        else:
            images = stored if stored.is_floating_point() else stored.float().div_(255)
        if self.transform is not None:
            images = torch.stack([*map(self._transformed, rows, images)])
        precision = next(iter(self.stacks.values())).dtype
        return images.to(precision), labels, chosen.to(self.device)

    def _transformed(self, row: int, images: torch.Tensor) -> torch.Tensor:
        transform = self.transform
        assert transform is not None
        return self.replay.draw(row, lambda: transform(images))

    def _set_rates(self, rows: range) -> None:
        if self.schedule is None:
            return
        groups = zip(self.optimiser.param_groups, self.rates, self.blocks, strict=True)
        for group, rate, (block, _) in groups:
            if block.start in rows:
                group["lr"] = rate * self.schedule(self.replicas[block.start].progress)

    def _move(self, rows: range, leaves: Tensors) -> None:
        """Step the optimiser on these rows; the others have no gradient and rest."""
        if all(leaf.grad is None for leaf in leaves.values()):
            raise ValueError("The loss does not depend on the model it is given.")
        for group, (block, names) in zip(self.optimiser.param_groups, self.blocks, strict=True):
            if block.start in rows:
                part = slice(block.start - rows.start, block.stop - rows.start)
                for parameter, name in zip(group["params"], names, strict=True):
                    gradient = leaves[name].grad
                    parameter.grad = None if gradient is None else _turned(gradient[part])
        self.optimiser.step()
        self.optimiser.zero_grad()
        for leaf in leaves.values():
            leaf.grad = None

    def _check_weights(self, rows: range) -> None:
        for name in self.trained:
            values = self.stacks[name][rows.start : rows.stop].reshape(len(rows), -1)
            finite = values.isfinite().all(1)
            if not finite.all():
                worst = self.replicas[rows[int(finite.int().argmin())]]
                raise TrainingDiverged(worst.epoch, worst.steps_per_epoch, "weights", nan)

    @torch.no_grad()
    def write_back(self) -> None:
        """Put the trained weights and statistics into the models, in evaluation mode."""
        for row, replica in enumerate(self.replicas):
            for name, tensor in _state(replica.model):
                tensor.copy_(self.stacks[name][row])
            replica.model.eval()


class _Objective(nn.Module):
    """The loss as a module, so that the model's weights in it can be replaced from outside."""

    def __init__(self, model: nn.Module, loss: Loss[Any]) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self.asks = False  # whether the loss reads how far the training is

    def forward(self, batch: Batch) -> Tensors:
        """Return the terms of the loss by name."""
        terms = self.loss(self.model, batch)
        named = dict(terms) if isinstance(terms, Mapping) else {"loss": terms}
        scalars = [isinstance(term, torch.Tensor) and term.dim() == 0 for term in named.values()]
        if "loss" not in named or not all(scalars):
            raise ValueError(
                "A loss must return a scalar, or scalars by name, one of them called 'loss'; "
                "average over the batch with .mean()."
            )
        return named


class _Watched(Batch):
    """A batch that tells when the loss reads its progress, by name or as a member of the tuple."""

    watcher: _Objective | None = None  # a changed copy has none, but to copy is to read all

    @property
    def progress(self) -> float:
        self._tell()
        progress: float = tuple.__getitem__(self, 2)  # type: ignore[assignment]
        return progress

    def __iter__(self) -> Iterator[Any]:
        self._tell()
        return super().__iter__()

    def _tell(self) -> None:
        if self.watcher is not None:
            self.watcher.asks = True


def _state(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    return chain(model.named_parameters(), model.named_buffers())


def _tensors(models: Sequence[nn.Module]) -> dict[str, list[torch.Tensor]]:
    states = [dict(_state(model)) for model in models]
    return {name: [state[name] for state in states] for name in states[0]}


def _stack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    # A linear layer multiplies by the transpose of its weight. Where that is how the matrices lie
    # in memory, neither they nor their gradients are copied at every step.
    return _turned(torch.stack([_turned(tensor.detach(), 2) for tensor in tensors]))  # R×…


def _turned(stack: torch.Tensor, matrix: int = 3) -> torch.Tensor:
    """Stacked matrices as they lie in memory, and back."""
    return stack.mT if stack.dim() == matrix else stack


def _pool(
    sets: Sequence[InMemory],
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """All images and labels, each set once, and where the set of each replica starts, R."""
    distinct = {id(images): images for images in sets}
    starts, total = {}, 0
    for key, images in distinct.items():
        starts[key], total = total, total + len(images)
    several = list(distinct.values())
    one = several[0] if len(several) == 1 else None
    return (
        one.images if one else torch.cat([images.images for images in several]),
        one.labels if one else _labels(several),
        torch.tensor([starts[id(images)] for images in sets]),
    )


def _labels(sets: Sequence[InMemory]) -> torch.Tensor | None:
    known = [images.labels for images in sets if images.labels is not None]
    return torch.cat(known) if len(known) == len(sets) else None


def _runs(
    items: Sequence[Any], key: Callable[[Any], Hashable] = lambda item: item
) -> Iterator[range]:
    """Ranges of neighbours with equal keys."""
    start = 0
    for _, run in groupby(items, key):
        stop = start + sum(1 for _ in run)
        yield range(start, stop)
        start = stop
