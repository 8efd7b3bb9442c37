"""The distillation table, at the size of embedded digits."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import data
from latent_transfer.papers.table import Place
from latent_transfer.papers.tables import hinton2015
from latent_transfer.papers.tables.hinton2015 import ONLY_THREES, TABLE

QUICK = TABLE.chosen(quick=True)
ROWS = (
    "teacher,units=1200",
    "alone,units=30",
    "distilled,units=30,temperature=4",
    "distilled without 3s,biases=corrected",
    f"{ONLY_THREES},biases=as trained",
    "distilled on 7s and 8s,biases=corrected",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("hinton2015")
    return Place(folder, folder)


def _measure(label: str, place: Place, seed: int = 0) -> float:
    row = TABLE.row(label)
    torch.manual_seed(seed)  # as the sweep does
    return hinton2015.measure(row, seed, row.used(QUICK), place)


@pytest.mark.parametrize("label", ROWS)
def test_every_method_measures_what_its_seed_decides(label: str, place: Place) -> None:
    value = _measure(label, place)
    assert 0 <= value <= 1000
    assert value == _measure(label, place)


def test_the_teacher_is_trained_once_for_all_rows_of_a_seed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = _measure("teacher,units=1200", place)
    _measure("distilled,units=30,temperature=4", place)
    monkeypatch.setattr(torch.optim.Adam, "step", None)  # any step would fail
    assert _measure("teacher,units=1200", place) == errors
    _measure("distilled,units=30,temperature=4", place)
    with pytest.raises(TypeError):
        _measure("teacher,units=1200", place, seed=1)


def test_a_student_that_saw_no_3_never_says_3_until_its_bias_is_corrected(place: Place) -> None:
    before, after = (
        _measure(f"{ONLY_THREES},biases={biases}", place) for biases in ("as trained", "corrected")
    )
    assert before < after
    errors = [
        _measure(f"distilled without 3s,biases={biases}", place)
        for biases in ("as trained", "corrected")
    ]
    assert errors[1] < errors[0]


def test_a_student_of_two_classes_is_better_once_it_says_them_less(place: Place) -> None:
    before, after = (
        _measure(f"distilled on 7s and 8s,biases={biases}", place)
        for biases in ("as trained", "corrected")
    )
    assert after < before


def test_the_transfer_set_lacks_what_its_name_says(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def spy(student, teacher, transfer_set, **settings):
        seen.append(transfer_set)

    monkeypatch.setattr(hinton2015, "distil", spy)
    _measure("distilled without 3s,biases=as trained", place)
    _measure("distilled on 7s and 8s,biases=as trained", place)
    _measure("distilled,units=30,temperature=8", place)
    present = [set(images.labels.tolist()) for images in seen]
    assert present == [set(range(10)) - {3}, {7, 8}, set(range(10))]


def test_no_test_image_chooses_a_bias(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, asked = data.load("digits"), []

    def spy(logits, classes, share):
        asked.append((len(logits), classes, share))
        return 0.0

    monkeypatch.setattr(hinton2015, "bias_for_share", spy)
    _measure("distilled without 3s,biases=corrected", place)
    _measure("distilled on 7s and 8s,biases=corrected", place)
    assert asked == [(len(loaded.train), (3,), 0.1), (len(loaded.train), (7, 8), 0.2)]
