"""The table of few labels on MNIST, at the size of embedded digits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latent_transfer.data import ImageSet, load
from latent_transfer.papers.table import Place
from latent_transfer.papers.tables import kingma2014
from latent_transfer.papers.tables.kingma2014 import METHODS, TABLE

QUICK = TABLE.chosen(quick=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("kingma2014")
    place = Place(folder, folder)
    TABLE.prepare(TABLE.rows, QUICK, place)
    return place


@pytest.mark.parametrize("method", METHODS)
def test_every_method_measures_an_error_that_its_seed_decides(method: str, place: Place) -> None:
    row = TABLE.row(f"{method},labels=3000")
    settings = {name: QUICK[name] for name in row.uses or ()}

    def measure() -> float:
        torch.manual_seed(1)  # as the sweep does
        return kingma2014.measure(row, 1, settings, place)

    error = measure()
    assert 0 <= error <= 100
    assert error == measure()


def test_more_labels_make_fewer_errors(place: Place) -> None:
    few, many = (
        kingma2014.measure(TABLE.row(f"SVM,labels={labels}"), 0, QUICK, place)
        for labels in (100, 3000)
    )
    assert many < few - 5


def test_m1_is_trained_once_for_one_choice_of_settings(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, files = TABLE.row("M1+SVM,labels=100"), sorted(place.folder.iterdir())
    with monkeypatch.context() as frozen:
        frozen.setattr(torch.optim.Adam, "step", None)  # any step would fail
        kingma2014.measure(row, 0, QUICK | {"SVM": {"C": 1}, "labels_used": 0.2}, place)
    assert sorted(place.folder.iterdir()) == files

    train = kingma2014._data(QUICK, place)[0]
    other = QUICK | {"M1": QUICK["M1"] | {"warm_up": 0.9}}
    old, new = (kingma2014._m1(chosen, train, place).state_dict() for chosen in (QUICK, other))
    assert not all(torch.equal(old[name], new[name]) for name in old)
    assert len(list(place.folder.iterdir())) == len(files) + 1


def test_no_m1_is_trained_for_rows_without_it(tmp_path: Path) -> None:
    TABLE.prepare(TABLE.select(["MLP", "SVM", "M2"]), QUICK, Place(tmp_path, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_images_put_aside_for_validation_are_not_trained_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ImageSet] = []

    def spy(task: kingma2014._Task) -> float:
        seen.extend([task.few, task.unlabelled])
        return 0.0

    monkeypatch.setitem(METHODS, "MLP", spy)
    kingma2014.measure(TABLE.row("MLP,labels=100"), 0, QUICK, place)
    few, unlabelled = seen
    _, aside = load("digits").train.split(100, torch.Generator().manual_seed(0))
    known = {image.numpy().tobytes() for image in unlabelled.images}
    assert len(few) == 30
    assert {image.numpy().tobytes() for image in few.images} <= known
    assert not known & {image.numpy().tobytes() for image in aside.images}
    assert unlabelled.classes == ("unlabelled",)


def test_the_paper_s_figures_stand_beside_its_methods() -> None:
    assert TABLE.row("M1+M2,labels=100").paper == {"mean": 3.33, "std": 0.14}
    assert TABLE.row("M2,labels=3000").paper == {"mean": 3.92, "std": None}
    assert TABLE.row("SVM,labels=100").paper is None
