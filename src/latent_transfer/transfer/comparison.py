"""Methods × label budgets × seeds: the same draws for every method, and a tidy table of scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm.auto import tqdm

from latent_transfer._files import write_atomically
from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.errors import CheckpointError
from latent_transfer.evaluation import Estimate


class Task(NamedTuple):
    """What a method is given, the same for every method of one budget and seed.

    Attributes:
        few: The images that the budget allows, with their labels; those of a smaller budget with
            the same seed are among them.
        unlabelled: All training images of the target, without their labels.
        test: The target's test images, to be scored on once, at the end.
        seed: Decides everything else that is random; PyTorch's generators start from it.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits")
        >>> task = Task(digits.train.subset(slice(0, 20)), digits.train, digits.test, seed=0)
        >>> len(task.few), task.seed
        (20, 0)
    """

    few: ImageSet
    unlabelled: ImageSet
    test: ImageSet
    seed: int


Method = Callable[[Task], float]
Draw = Callable[[ImageSet, int, torch.Generator], ImageSet]


@dataclass(frozen=True)
class Together:
    """A method that scores the draws of all seeds at one budget in one call.

    :func:`compare` hands it every task of a budget that has no score yet, so that it can train the
    models of all of them with :func:`latent_transfer.training.fit_many`. A task's score must
    depend on that task alone, its seed included, not on the tasks beside it: a comparison that was
    stopped, or is given more seeds later, hands over fewer at once. PyTorch's generators start
    from the seed of the first task, so draw what is random from each task's own seed.

    Any other callable with a method ``many`` is treated alike.

    Attributes:
        many: From the tasks to their scores, in the same order.

    Example:
        >>> import latent_transfer as lt
        >>> method = Together(lambda tasks: [float(len(task.few)) for task in tasks])
        >>> digits = lt.data.load("digits")
        >>> method(Task(digits.test, digits.train, digits.test, seed=0)) == len(digits.test)
        True
    """

    many: Callable[[Sequence[Task]], Sequence[float]]

    def __call__(self, task: Task) -> float:
        """Return the score of a single task."""
        return self.many([task])[0]


@dataclass(frozen=True)
class Score:
    """One row of the table.

    Attributes:
        method: Name of the method.
        budget: What the draw was given.
        seed: Of the draw.
        value: What the method returned.

    Example:
        >>> Score("scratch", budget=10, seed=0, value=12.5).value
        12.5
    """

    method: str
    budget: int
    seed: int
    value: float


@dataclass(frozen=True)
class Results:
    """A tidy table of scores, one row for each method, budget and seed.

    As text it shows the mean over the seeds and its standard error.

    Attributes:
        rows: The scores, seed by seed, in each budget by budget and method by method.

    Example:
        >>> rows = [Score("a", 1, seed, 10.0 + seed) for seed in range(3)]
        >>> rows += [Score("b", 1, seed, 9.0 + seed) for seed in range(3)]
        >>> results = Results(tuple(rows))
        >>> print(results)
        mean ± standard error              1
        a                       11.00 ± 0.58
        b                       10.00 ± 0.58
        >>> print(results.difference("b", "a", budget=1))
        -1.00 ± 0.00
    """

    rows: tuple[Score, ...]

    @property
    def methods(self) -> list[str]:
        """The names of the methods, in the order in which they were compared."""
        return list(dict.fromkeys(row.method for row in self.rows))

    @property
    def budgets(self) -> list[int]:
        """The budgets, ascending."""
        return sorted({row.budget for row in self.rows})

    def scores(self, method: str, budget: int) -> torch.Tensor:
        """Return the scores of one method at one budget, R, in the order of the seeds.

        Args:
            method: Name of the method.
            budget: One of :attr:`budgets`.

        Raises:
            ValueError: If there are none.
        """
        found = [
            (row.seed, row.value)
            for row in self.rows
            if (row.method, row.budget) == (method, budget)
        ]
        if not found:
            raise ValueError(
                f"There is no score of {method!r} at budget {budget}; "
                f"methods are {self.methods}, budgets {self.budgets}."
            )
        return torch.tensor([value for _, value in sorted(found)], dtype=torch.float64)

    def series(self) -> dict[str, torch.Tensor]:
        """Return each method's scores T×R, one row per budget, one column per seed."""
        return {
            method: torch.stack([self.scores(method, budget) for budget in self.budgets])
            for method in self.methods
        }

    def difference(self, method: str, baseline: str, budget: int) -> Estimate:
        """Return the mean of ``method`` minus ``baseline``, pair by pair on the same draws.

        What a draw does to both cancels, so that few seeds tell more than two separate intervals.
        The standard error is that of the R differences, one per seed. Of errors a negative
        difference speaks for ``method``; an interval that contains zero speaks for neither.

        Args:
            method: Name of the method.
            baseline: Name of what it is compared with.
            budget: One of :attr:`budgets`.

        Raises:
            ValueError: If one of the two has no scores at this budget.
        """
        return Estimate.of(self.scores(method, budget) - self.scores(baseline, budget))

    def __str__(self) -> str:
        wide = max(len(method) for method in self.methods)
        head = " ".join(f"{budget:>14,}" for budget in self.budgets)
        lines = [f"{'mean ± standard error':<{wide}} {head}"]
        for method in self.methods:
            cells = (str(Estimate.of(self.scores(method, budget))) for budget in self.budgets)
            lines.append(f"{method:<{wide}} " + " ".join(f"{cell:>14}" for cell in cells))
        return "\n".join(lines)


def compare(
    methods: Mapping[str, Method],
    train: ImageSet,
    test: ImageSet,
    *,
    budgets: Sequence[int],
    seeds: Sequence[int],
    draw: Draw = ImageSet.few,
    record: Path | None = None,
    settings: Mapping[str, object] | None = None,
    progress: bool = True,
) -> Results:
    """Score every method on the same draws of target images.

    A method that is a :class:`Together`, or has a method ``many`` of its own, is given the tasks
    of all seeds of a budget at once; the draws, the record and the table stay the same.

    Args:
        methods: Name to a function of a :class:`Task` that trains and returns a score on
            ``task.test``; or to a :class:`Together`.
        train: Target training images.
        test: Target test images.
        budgets: What ``draw`` is given; labelled images of each class unless told otherwise.
        seeds: One draw per seed, shared by all methods.
        draw: Takes the training images, a budget and a generator.
        record: JSON file in which every score is kept as soon as it is known; after a call that
            was stopped the same call resumes from there.
        settings: What the scores depend on besides the data; a record with others is refused.
        progress: Whether to show the progress bar.

    Returns:
        The table, in the order of the seeds.

    Raises:
        CheckpointError: If the record belongs to other data or settings, or is damaged.
        ValueError: If there is no method, budget or seed, or ``many`` returns another number of
            scores than it was given tasks.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits")
        >>> probe = lambda task: 100 * float((task.test.labels == 0).float().mean())
        >>> results = compare(
        ...     {"zeros": probe},
        ...     digits.train,
        ...     digits.test,
        ...     budgets=[1],
        ...     seeds=range(2),
        ...     progress=False,
        ... )
        >>> results.methods, len(results.rows)
        (['zeros'], 2)
    """
    cells = list(product(seeds, budgets, methods))
    if not cells:
        raise ValueError("compare needs at least one method, one budget and one seed.")
    described = _described(settings or {}, train, test) if record else {}
    known = _read(record, described) if record else {}
    unlabelled = train.unlabelled()
    with tqdm(total=len(cells), disable=not progress, unit="run") as bar:
        bar.update(sum((name, budget, seed) in known for seed, budget, name in cells))
        for seed, budget, name in cells:
            if (name, budget, seed) in known:
                continue
            method = methods[name]
            missing = [s for s in dict.fromkeys(seeds) if (name, budget, s) not in known]
            together = missing if hasattr(method, "many") else [seed]
            bar.set_postfix_str(f"{name}, {budget:,}, seed {', '.join(map(str, together))}")
            tasks = [_task(train, unlabelled, test, budget, s, draw) for s in together]
            for task, value in zip(tasks, _scores(method, tasks), strict=True):
                known[name, budget, task.seed] = Score(name, budget, task.seed, value)
            if record:
                _write(record, described, known.values())
            bar.update(len(tasks))
    return Results(tuple(known[name, budget, seed] for seed, budget, name in cells))


def _task(
    train: ImageSet, unlabelled: ImageSet, test: ImageSet, budget: int, seed: int, draw: Draw
) -> Task:
    few = draw(train, budget, torch.Generator().manual_seed(seed))
    return Task(few, unlabelled, test, seed)


def _scores(method: Method, tasks: Sequence[Task]) -> list[float]:
    with seeded(tasks[0].seed, tasks[0].unlabelled.device):
        if not hasattr(method, "many"):
            return [float(method(task)) for task in tasks]
        values = [float(value) for value in method.many(tasks)]
    if len(values) != len(tasks):
        raise ValueError(f"many returned {len(values)} scores for {len(tasks)} tasks.")
    return values


def _described(
    settings: Mapping[str, object], train: ImageSet, test: ImageSet
) -> dict[str, object]:
    return {"settings": dict(settings), "data": [train.fingerprint(), test.fingerprint()]}


def _write(record: Path, described: Mapping[str, object], rows: Iterable[Score]) -> None:
    content = {**described, "scores": [asdict(row) for row in rows]}
    write_atomically(record, json.dumps(content, indent=1, ensure_ascii=False).encode())


def _read(record: Path, described: Mapping[str, object]) -> dict[tuple[str, int, int], Score]:
    if not record.exists():
        return {}
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        rows = [Score(**row) for row in content.pop("scores")]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{record} is damaged or no record of a comparison ({error}); "
            "delete it to start afresh."
        ) from None
    if content != json.loads(json.dumps(described)):
        raise CheckpointError(
            f"{record} belongs to a comparison with other data or settings; "
            "choose another place or delete it."
        )
    return {(row.method, row.budget, row.seed): row for row in rows}
