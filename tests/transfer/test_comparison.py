"""Common draws, a tidy table, and a record from which a stopped comparison goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from latent_transfer.data import ImageSet
from latent_transfer.errors import CheckpointError
from latent_transfer.transfer import Results, Score, Task, compare


@pytest.fixture
def images() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(60) % 3, ("a", "b", "c"))


def run(images: ImageSet, methods: dict, **options: object) -> Results:
    settings = {"budgets": (2, 5), "seeds": (0, 1, 2), "progress": False} | options
    return compare(methods, images, images, **settings)  # type: ignore[arg-type]


def total(task: Task) -> float:
    return float(task.few.images.double().sum())


def test_every_method_gets_the_same_draws(images: ImageSet) -> None:
    results = run(images, {"one": total, "two": total})
    for budget in (2, 5):
        assert torch.equal(results.scores("one", budget), results.scores("two", budget))
        assert len(results.scores("one", budget).unique()) == 3


def test_draws_grow_with_the_budget_and_labels_stay_hidden(images: ImageSet) -> None:
    tasks: list[Task] = []

    def keep(task: Task) -> float:
        tasks.append(task)
        return 0.0

    run(images, {"keep": keep}, seeds=(4,))
    small, large = (
        {tuple(image.flatten().tolist()) for image in task.few.images} for task in tasks
    )
    assert small < large
    assert list(tasks[0].few.counts().values()) == [2, 2, 2]
    assert tasks[0].seed == 4
    assert tasks[0].unlabelled.classes == ("unlabelled",)
    assert torch.equal(tasks[0].unlabelled.images, images.images)


def test_noise_inside_a_method_starts_from_the_seed(images: ImageSet) -> None:
    def noise(task: Task) -> float:
        return torch.rand(()).item()

    torch.manual_seed(9)
    state = torch.get_rng_state()
    results = run(images, {"one": noise, "two": noise})
    assert torch.equal(results.scores("one", 2), results.scores("two", 5))
    assert len(results.scores("one", 2).unique()) == 3
    assert torch.equal(torch.get_rng_state(), state)


def test_other_draws(images: ImageSet) -> None:
    results = run(
        images,
        {"count": lambda task: float(len(task.few))},
        draw=lambda train, count, generator: train.split(count, generator)[1],
    )
    assert results.scores("count", 5).tolist() == [5, 5, 5]


def test_the_table_and_its_differences() -> None:
    values = {"base": [10.0, 20.0, 30.0], "better": [9.0, 18.0, 27.0]}
    rows = [
        Score(method, budget, seed, value + budget)
        for method, numbers in values.items()
        for budget in (1, 10)
        for seed, value in reversed(list(enumerate(numbers)))
    ]
    results = Results(tuple(rows))
    assert results.methods == ["base", "better"]
    assert results.budgets == [1, 10]
    assert results.scores("base", 1).tolist() == [11, 21, 31]
    assert results.series()["better"].tolist() == [[10, 19, 28], [19, 28, 37]]
    difference = results.difference("better", "base", 10)
    assert difference.mean == -2
    assert difference.standard_error == pytest.approx(1 / 3**0.5)
    assert str(results).splitlines()[2].split() == [
        *("better", "19.00", "±", "5.20", "28.00", "±", "5.20"),
    ]
    with pytest.raises(ValueError, match=r"no score of 'worse' at budget 1; methods are \['base'"):
        results.scores("worse", 1)


def test_a_stopped_comparison_goes_on_where_it_was(images: ImageSet, tmp_path: Path) -> None:
    record, calls = tmp_path / "record.json", []

    def sometimes(task: Task) -> float:
        calls.append(task.seed)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return torch.rand(()).item() + len(task.few)

    with pytest.raises(KeyboardInterrupt):
        run(images, {"m": sometimes}, record=record)
    assert len(json.loads(record.read_text())["scores"]) == 3
    resumed = run(images, {"m": sometimes}, record=record)
    assert calls == [0, 0, 1, 1, 1, 2, 2]
    assert resumed == run(images, {"m": sometimes})


def test_a_record_of_something_else_is_refused(images: ImageSet, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    run(images, {"m": total}, record=record, settings={"steps": (1, 2)})
    run(images, {"m": total}, record=record, settings={"steps": (1, 2)})
    with pytest.raises(CheckpointError, match=r"record\.json belongs to a comparison with other"):
        run(images, {"m": total}, record=record, settings={"steps": (1, 3)})
    with pytest.raises(CheckpointError, match="other data"):
        run(images.subset(slice(0, 30)), {"m": total}, record=record, settings={"steps": (1, 2)})
    for damage in ("{", "[]", '{"scores": [{"method": 1}]}'):
        record.write_text(damage)
        with pytest.raises(CheckpointError, match=r"record\.json is damaged"):
            run(images, {"m": total}, record=record)


def test_an_empty_comparison_is_refused(images: ImageSet) -> None:
    for nothing in ({"budgets": ()}, {"seeds": ()}):
        with pytest.raises(ValueError, match="at least one method, one budget and one seed"):
            run(images, {"m": total}, **nothing)
