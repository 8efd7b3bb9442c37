"""The comparison itself: what each way is given, what is refused, and how a run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from latent_transfer import data
from latent_transfer.comparison import FourWays, Outcome, compare_four_ways, four_ways
from latent_transfer.comparison.four_ways import choose_budgets
from latent_transfer.comparison.verdict import FROZEN, OWN, SCRATCH, TUNED
from latent_transfer.comparison.wording import file_stem, listed, printable, shown_name
from latent_transfer.data import Data, ImageSet
from latent_transfer.errors import CheckpointError, DataError
from latent_transfer.transfer import Recipe


def run(settings: FourWays, out: Path) -> Outcome:
    return compare_four_ways(settings, out, progress=False)


def classes(*counts: int) -> ImageSet:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    images = torch.zeros(len(labels), 1, 4, 4, dtype=torch.uint8)
    return ImageSet(images, labels, tuple("abcdef"[: len(counts)]))


def test_mixed_colour_images_are_compared(outcome: Outcome) -> None:
    assert outcome.results.methods == [SCRATCH, FROZEN, TUNED, OWN]
    assert len(outcome.results.rows) == 4 * 2 * len(outcome.budgets)
    assert outcome.recipe.shape == outcome.target.train.shape == outcome.source.train.shape
    assert outcome.recipe.shape == (3, 9, 9)
    assert list(outcome.target.train.counts().values()) == [18, 7, 5]
    assert outcome.target.classes == ("""<b>&"ü'""", "cat", "dog")
    assert (outcome.budgets, outcome.dropped) == ([5], [20, 100])
    assert not outcome.same_images


def test_every_way_starts_where_it_says(
    settings: FourWays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[ImageSet, int]] = []
    scores = {(None, False): 10.0, (1, True): 20.0, (1, False): 30.0, (2, False): 40.0}

    def pretrain(recipe: Recipe, images: ImageSet, *, seed: int, **_: object) -> int:
        seen.append((images, seed))
        return len(seen)

    monkeypatch.setattr(Recipe, "pretrain", pretrain)
    monkeypatch.setattr(
        Recipe, "error", lambda self, task, start=None, frozen=False: scores[start, frozen]
    )
    outcome = run(settings, tmp_path)
    means = {m: outcome.results.scores(m, 5).mean().item() for m in outcome.results.methods}
    assert means == {SCRATCH: 10, FROZEN: 20, TUNED: 30, OWN: 40}
    assert [len(images) for images, _ in seen] == [1_437, 30]
    assert [images.classes for images, _ in seen] == [("unlabelled",)] * 2
    assert [seed for _, seed in seen] == [0, 0]


def test_settings_reach_the_recipe() -> None:
    asked = FourWays("a", "b", size=16, steps=7, pretraining_steps=9, augment=False)
    recipe = asked.recipe(1)
    assert (recipe.shape, recipe.steps, recipe.pretraining_steps) == ((1, 16, 16), 7, 9)
    assert not recipe.augment


def test_digits_are_a_target_too_and_the_same_images_are_noticed(tmp_path: Path) -> None:
    tiny = FourWays("digits", "digits", (1,), seeds=2, size=9, steps=1, pretraining_steps=1)
    outcome = run(tiny, tmp_path)
    assert outcome.recipe.shape == (1, 9, 9)
    assert outcome.same_images
    assert torch.equal(outcome.results.scores(TUNED, 1), outcome.results.scores(OWN, 1))


# -- resuming ---------------------------------------------------------------------------------


def test_more_seeds_and_budgets_go_on_from_what_is_there(
    settings: FourWays, outcome: Outcome, tmp_path: Path
) -> None:
    first = run(settings, tmp_path)
    assert first.results == outcome.results
    record = tmp_path / "checkpoints" / "scores.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    content["scores"][0]["value"] = 12.5  # only a run that goes on can know it
    record.write_text(json.dumps(content), encoding="utf-8")
    more = run(replace(settings, labels=(2, 5), seeds=3), tmp_path).results
    assert more.scores(SCRATCH, 5)[0] == 12.5
    assert torch.equal(more.scores(OWN, 5)[:2], first.results.scores(OWN, 5))
    assert len(more.rows) == 4 * 2 * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 3}, "steps is 2 there and 3 here"),
        ({"source": "photos"}, "source is digits there and photos here"),
    ],
)
def test_a_folder_of_another_comparison_is_refused(
    settings: FourWays, outcome: Outcome, place: Path, change: dict[str, object], message: str
) -> None:
    before = (place / "checkpoints" / "settings.json").read_bytes()
    with pytest.raises(CheckpointError, match=f"--out .*other settings: {message}.*delete"):
        run(replace(settings, **change), place)
    assert (place / "checkpoints" / "settings.json").read_bytes() == before


@pytest.mark.parametrize(
    ("which", "part"), [("source", "train"), ("target", "train"), ("target", "test")]
)
def test_other_images_of_the_same_name_are_refused(
    settings: FourWays,
    outcome: Outcome,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    which: str,
    part: str,
) -> None:
    load = data.load

    def other(name: str, *options: Any, **more: Any) -> Data:
        loaded = load(name, *options, **more)
        if name != getattr(settings, which):
            return loaded
        images = getattr(loaded, part)
        return replace(loaded, **{part: replace(images, images=255 - images.images)})

    monkeypatch.setattr(data, "load", other)
    with pytest.raises(CheckpointError, match=f"other settings: {which} images is .* there and"):
        run(settings, place)


def test_another_version_is_refused(
    settings: FourWays, outcome: Outcome, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(four_ways, "version", lambda _: "0.1.2")
    with pytest.raises(
        CheckpointError, match=r"other settings: torch is .* there and 0\.1\.2 here"
    ):
        run(settings, place)


@pytest.mark.parametrize("damage", ["{", "null", "\xff"])
def test_damaged_settings_are_named(settings: FourWays, tmp_path: Path, damage: str) -> None:
    place = tmp_path / "checkpoints" / "settings.json"
    place.parent.mkdir()
    place.write_bytes(damage.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"settings\.json is damaged; delete .*checkpoints"):
        run(settings, tmp_path)


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("--labels", {"labels": ()}),
        ("--labels", {"labels": (5, 0)}),
        ("--seeds", {"seeds": 1}),
        ("--size", {"size": 8}),
        ("--steps", {"steps": 0}),
        ("--pretraining-steps", {"pretraining_steps": -1}),
    ],
)
def test_settings_without_sense_name_the_option(option: str, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"^{option} .*at least \d"):
        FourWays("a", "b", **wrong)  # type: ignore[arg-type]


def test_budgets_fit_the_smallest_class() -> None:
    assert choose_budgets(None, classes(200, 100), "x") == ([5, 20, 100], [])
    assert choose_budgets(None, classes(200, 99), "x") == ([5, 20], [100])
    assert choose_budgets((7, 3, 7), classes(9, 7), "x") == ([3, 7], [])


@pytest.mark.parametrize(
    ("labels", "counts", "message"),
    [
        ((2, 8), (9, 7), "--labels 8 is too many: class 'b' of x has 7 training images"),
        (None, (9, 4), "Class 'b' of x has 4 training .* 5, 20, 100; name smaller .* --labels"),
        (None, (9,), "x has only the class 'a'; two are needed"),
    ],
)
def test_budgets_that_do_not_fit_are_refused(
    labels: tuple[int, ...] | None, counts: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        choose_budgets(labels, classes(*counts), "x")


def test_sets_that_cannot_be_loaded_name_the_option(settings: FourWays, tmp_path: Path) -> None:
    missing = f"folder:{tmp_path / 'none'}"
    with pytest.raises(ValueError, match=r"^--source: Unknown data set 'nope': known are"):
        run(replace(settings, source="nope"), tmp_path)
    with pytest.raises(DataError, match=r"^--target: There is no image folder .*none\."):
        run(replace(settings, target=missing), tmp_path)


def test_a_folder_that_may_not_be_read_names_the_option(
    settings: FourWays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/locked/cat")

    monkeypatch.setattr(data, "load", locked)
    with pytest.raises(DataError, match=r"^--target: .*Permission denied: '/locked/cat'"):
        run(settings, tmp_path)


def test_a_broken_image_is_named_before_anything_is_written(
    settings: FourWays, pets: Path, tmp_path: Path
) -> None:
    for name in ("good", "bad"):
        (tmp_path / "broken" / name).mkdir(parents=True)
    whole = (pets / "cat" / "0.jpg").read_bytes()
    for number in range(8):
        (tmp_path / "broken" / "good" / f"{number}.jpg").write_bytes(whole)
        (tmp_path / "broken" / "bad" / f"{number}.jpg").write_bytes(whole)
    (tmp_path / "broken" / "bad" / "5.jpg").write_bytes(whole[: len(whole) // 2])
    for option in ("target", "source"):
        broken = replace(settings, **{option: f"folder:{tmp_path / 'broken'}"})
        with pytest.raises(DataError, match=rf"^--{option}: .*bad/5\.jpg .* give --skip-damaged"):
            run(broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    skipped = run(replace(broken, skip_damaged=True), tmp_path / "out")
    assert "bad/5.jpg" in skipped.source.notes
    assert sum(part.counts()["bad"] for part in (skipped.source.train, skipped.source.test)) == 7


def test_places_that_cannot_be_written_are_named(settings: FourWays, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(DataError, match=r"^--out: .*checkpoints cannot be written \("):
        run(settings, tmp_path)
    with pytest.raises(DataError, match=r"^--out .*checkpoints is a file; name a folder\.$"):
        run(settings, tmp_path / "checkpoints")


def test_a_place_that_cannot_be_written_is_found_out_before_the_work(
    settings: FourWays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("images were read first")

    (tmp_path / "file").touch()
    monkeypatch.setattr(data, "load", load)
    with pytest.raises(DataError, match=r"^--out: .* cannot be written \("):
        run(settings, tmp_path / "file" / "folder")


# -- names ------------------------------------------------------------------------------------


def test_names_show_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_name("folder:/home/someone/pets/") == "folder:pets"
    assert shown_name("folder:.") == f"folder:{tmp_path.name}"
    assert shown_name("folder:/") == "folder:images"
    assert shown_name("digits") == "digits"
    assert FourWays("digits", "folder:a/b").slug == "digits-b"


def test_long_names_make_legal_file_names(tmp_path: Path) -> None:
    long, other = (f"folder:/x/{'ü' * 200}{end}" for end in "ab")
    slug = FourWays(long, other).slug
    (tmp_path / f"compare-{slug}").mkdir()  # file systems take 255 bytes
    assert file_stem(long) != file_stem(other)
    assert file_stem(long).startswith("üüü")
    assert file_stem(f"folder:/x/{'y' * 80}") == "y" * 80


def test_numbers_are_joined_as_in_a_sentence() -> None:
    assert [listed(values) for values in ([5], [5, 20], [5, 20, 1_000])] == [
        "5",
        "5 and 20",
        "5, 20 and 1,000",
    ]


def test_odd_characters_are_spelt() -> None:
    assert printable("a\nb\udcff\x1b[1m é") == "a\\nb\\udcff\\x1b[1m é"
