"""Methods × label budgets × seeds: the same draws for every method, and a tidy table of scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

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
    """

    few: ImageSet
    unlabelled: ImageSet
    test: ImageSet
    seed: int


Method = Callable[[Task], float]
Draw = Callable[[ImageSet, int, torch.Generator], ImageSet]


@dataclass(frozen=True)
class Score:
    """One row of the table."""

    method: str
    budget: int
    seed: int
    value: float


@dataclass(frozen=True)
class Results:
    """A tidy table of scores, one row for each method, budget and seed."""

    rows: tuple[Score, ...]

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in the order in which they were compared."""
        return list(dict.fromkeys(row.method for row in self.rows))

    @property
    def budgets(self) -> list[int]:
        """The budgets, ascending."""
        return sorted({row.budget for row in self.rows})

    def scores(self, method: str, budget: int) -> torch.Tensor:
        """The scores of one method at one budget, in the order of the seeds.

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
        """Method to T×R scores, one row a budget, one column a seed, for the figures."""
        return {
            method: torch.stack([self.scores(method, budget) for budget in self.budgets])
            for method in self.methods
        }

    def difference(self, method: str, baseline: str, budget: int) -> Estimate:
        """Score of ``method`` minus that of ``baseline``, pair by pair on the same draws.

        What a draw does to both cancels, so that few seeds tell more than two separate intervals.
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

    Args:
        methods: Name to a function of a :class:`Task` that trains and returns a score on
            ``task.test``.
        train: Target training images.
        test: Target test images.
        budgets: What ``draw`` is given; labelled images of each class unless told otherwise.
        seeds: One draw a seed, shared by all methods.
        draw: Takes the training images, a budget and a generator.
        record: JSON file in which every score is kept as soon as it is known; a call that was
            stopped goes on from there.
        settings: What the scores depend on besides the data; a record with others is refused.
        progress: Whether to show the progress bar.

    Raises:
        CheckpointError: If the record belongs to other data or settings, or is damaged.
        ValueError: If there is no method, budget or seed.
    """
    cells = list(product(seeds, budgets, methods))
    if not cells:
        raise ValueError("compare needs at least one method, one budget and one seed.")
    described = _described(settings or {}, train, test) if record else {}
    known = _read(record, described) if record else {}
    unlabelled = train.unlabelled()
    with tqdm(total=len(cells), disable=not progress, unit="run") as bar:
        for seed, budget, name in cells:
            bar.set_postfix_str(f"{name}, {budget:,}, seed {seed}")
            if (name, budget, seed) not in known:
                few = draw(train, budget, torch.Generator().manual_seed(seed))
                with seeded(seed, train.device):
                    value = float(methods[name](Task(few, unlabelled, test, seed)))
                known[name, budget, seed] = Score(name, budget, seed, value)
                if record:
                    _write(record, described, known.values())
            bar.update()
    return Results(tuple(known[name, budget, seed] for seed, budget, name in cells))


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
