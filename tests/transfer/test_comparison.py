"""Common draws, a tidy table, and a record from which a stopped comparison goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from latent_transfer.data import ImageSet
from latent_transfer.errors import CheckpointError
from latent_transfer.transfer import Results, Score, Task, Together, compare


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


def test_training_and_test_images_are_told_apart(images: ImageSet) -> None:
    tasks: list[Task] = []
    train, test = images.subset(slice(0, 30)), images.subset(slice(30, 60))

    def keep(task: Task) -> float:
        tasks.append(task)
        return 0.0

    compare({"keep": keep}, train, test, budgets=(2,), seeds=(0,), progress=False)
    assert torch.equal(tasks[0].unlabelled.images, train.images)
    assert torch.equal(tasks[0].test.images, test.images)
    few = {tuple(image.flatten().tolist()) for image in tasks[0].few.images}
    assert few < {tuple(image.flatten().tolist()) for image in train.images}


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
        for budget in (10, 1)
        for seed, value in reversed(list(enumerate(numbers)))
    ]
    results = Results(tuple(rows))
    assert results.methods == ["base", "better"]
    assert results.budgets == [1, 10]
    assert results.scores("base", 1).tolist() == [11, 21, 31]
    assert results.scores("base", 1).dtype == torch.float64
    assert results.series()["better"].tolist() == [[10, 19, 28], [19, 28, 37]]
    difference = results.difference("better", "base", 10)
    assert difference.mean == -2
    assert difference.standard_error == pytest.approx(1 / 3**0.5)
    assert str(results).splitlines()[2].split() == [
        *("better", "19.00", "±", "5.20", "28.00", "±", "5.20"),
    ]
    base, better = str(results).splitlines()[1:]
    assert [base.index(sign) for sign in "±"] == [better.index(sign) for sign in "±"]
    with pytest.raises(ValueError, match=r"no score of 'worse' at budget 1; methods are \['base'"):
        results.scores("worse", 1)


def test_the_table_has_room_for_long_names_and_large_budgets() -> None:
    rows = [
        Score(method, 1000, seed, float(seed))
        for method in ("a", "a method with a name of many letters")
        for seed in (0, 1)
    ]
    head, short, long = str(Results(tuple(rows))).splitlines()
    assert head.endswith(" 1,000")
    assert len(head) == len(short) == len(long)


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
    part, settings = images.subset(slice(0, 30)), {"steps": (1, 2)}
    for train, test in ((part, images), (images, part)):
        with pytest.raises(CheckpointError, match="other data"):
            compare(
                *({"m": total}, train, test),
                budgets=(2, 5),
                seeds=(0, 1, 2),
                record=record,
                settings=settings,
            )
    for damage in ("{", "[]", '{"scores": [{"method": 1}]}'):
        record.write_text(damage)
        with pytest.raises(CheckpointError, match=r"record\.json is damaged"):
            run(images, {"m": total}, record=record)


def test_an_empty_comparison_is_refused(images: ImageSet) -> None:
    for nothing in ({"budgets": ()}, {"seeds": ()}):
        with pytest.raises(ValueError, match="at least one method, one budget and one seed"):
            run(images, {"m": total}, **nothing)


class Many:
    """A method with a ``many`` of its own that counts how many tasks it is given at once."""

    def __init__(self, calls: list[list[int]], stop_at: int = 99) -> None:
        self.calls, self.stop_at = calls, stop_at

    def __call__(self, task: Task) -> float:
        raise AssertionError("many is there to be called")

    def many(self, tasks: list[Task]) -> list[float]:
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append([task.seed for task in tasks])
        return [total(task) + task.seed for task in tasks]


def alone(task: Task) -> float:
    return total(task) + task.seed


def test_a_method_may_score_all_seeds_of_a_budget_at_once(images: ImageSet) -> None:
    calls: list[list[int]] = []
    results = run(images, {"many": Many(calls), "alone": alone}, seeds=(4, 0, 2))
    assert calls == [[4, 0, 2], [4, 0, 2]]
    assert results == run(images, {"many": alone, "alone": alone}, seeds=(4, 0, 2))
    assert [(row.seed, row.budget, row.method) for row in results.rows[:5]] == [
        (4, 2, "many"),
        (4, 2, "alone"),
        (4, 5, "many"),
        (4, 5, "alone"),
        (0, 2, "many"),
    ]


def test_a_budget_that_was_scored_at_once_is_kept(images: ImageSet, tmp_path: Path) -> None:
    record, calls = tmp_path / "record.json", []
    with pytest.raises(KeyboardInterrupt):
        run(images, {"many": Many(calls, stop_at=1)}, record=record)
    assert [row["seed"] for row in json.loads(record.read_text())["scores"]] == [0, 1, 2]
    resumed = run(images, {"many": Many(calls)}, record=record, seeds=(0, 3, 1, 2, 3))
    assert calls == [[0, 1, 2], [0, 3, 1, 2], [3]]
    assert resumed == run(images, {"many": alone}, seeds=(0, 3, 1, 2, 3))


def test_together_is_such_a_method(images: ImageSet) -> None:
    method = Together(Many([]).many)
    assert run(images, {"m": method}) == run(images, {"m": alone})
    task = Task(images, images, images, 3)
    assert method(task) == alone(task)


def test_noise_inside_many_starts_from_the_first_seed(images: ImageSet) -> None:
    state = torch.get_rng_state()
    noise = Together(lambda tasks: [torch.rand(()).item() for _ in tasks])
    results = run(images, {"m": noise}, seeds=(7, 8))
    torch_seeded = torch.rand((), generator=torch.Generator().manual_seed(7)).item()
    assert results.scores("m", 2)[0].item() == torch_seeded
    assert torch.equal(torch.get_rng_state(), state)


def test_many_must_score_every_task(images: ImageSet) -> None:
    with pytest.raises(ValueError, match="many returned 2 scores for 3 tasks"):
        run(images, {"m": Together(lambda tasks: [1.0, 2.0])})


def test_the_bar_counts_what_is_known(
    images: ImageSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.json"
    run(images, {"m": total}, record=record, seeds=(0, 1))
    assert capsys.readouterr().err == ""
    run(images, {"m": total, "n": Many([])}, record=record, progress=True)
    shown = capsys.readouterr().err
    assert "12/12" in shown
    assert "n, 5, seed 0, 1, 2" in shown
