"""The table of moved generators, at the size of embedded digits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latent_transfer.data import Data, ImageSet, load
from latent_transfer.papers.table import Place
from latent_transfer.papers.tables import generative_transfer
from latent_transfer.papers.tables.generative_transfer import METHODS, SOURCES, TABLE, _Domains

QUICK = TABLE.chosen(quick=True)
FROM = {
    f"{method},source={source}": method
    for source in SOURCES
    for method in METHODS
    if source != "none" or method in ("GAN", "VAE")
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("generative_transfer")
    place = Place(folder, folder)
    generative_transfer.prepare(TABLE.rows, QUICK, place)
    return place


def _measure(label: str, place: Place, seed: int = 1) -> float:
    row = TABLE.row(label)
    torch.manual_seed(seed)  # as the sweep does
    return generative_transfer.measure(row, seed, row.used(QUICK), place)


@pytest.mark.parametrize("start", FROM)
def test_every_method_measures_a_distance_that_its_seed_decides(start: str, place: Place) -> None:
    distance = _measure(f"{start},images=20,steps=300", place)
    assert distance == _measure(f"{start},images=20,steps=300", place)
    assert distance != _measure(f"{start},images=20,steps=300", place, seed=2)


def test_a_vae_of_other_digits_is_ahead_of_scratch(place: Place) -> None:
    moved, scratch = (
        _measure(f"VAE,source={source},images=all,steps=2000", place)
        for source in ("other classes", "none")
    )
    assert moved < scratch - 1


def test_sources_and_features_are_trained_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {path.name: path.stat().st_mtime_ns for path in place.folder.iterdir()}
    # What is before the checksum.
    assert {name.rpartition("-")[0] for name in made} == {
        "features",
        *(
            f"{kind}-{source.replace(' ', '_')}"
            for kind in ("GAN", "VAE")
            for source in SOURCES
            if source != "none"
        ),
    }
    images = _Domains(QUICK, place)
    monkeypatch.setattr(torch.optim.Adam, "step", None)  # any step would fail
    images.space()
    images.taught_on("GAN", "photographs")
    images.taught_on("VAE", "other classes")
    assert made == {path.name: path.stat().st_mtime_ns for path in place.folder.iterdir()}


def test_photographs_are_read_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    generative_transfer._photographs.cache_clear()
    read: list[str] = []

    def reading(name: str, root: Path) -> Data:
        read.append(name)
        return load(name, root)

    monkeypatch.setattr(generative_transfer.data, "load", reading)
    for _ in range(2):
        _measure("VAE,source=photographs,images=20,steps=300", place)
    assert read.count(QUICK["unrelated"]) == 1


def test_no_source_is_trained_for_rows_from_scratch(tmp_path: Path) -> None:
    scratch = TABLE.select(["VAE,source=none"])
    generative_transfer.prepare(scratch, QUICK, Place(tmp_path, tmp_path))
    assert [path.name.rpartition("-")[0] for path in tmp_path.iterdir()] == ["features"]


def test_a_source_taught_with_other_settings_is_another(tmp_path: Path) -> None:
    here = Place(tmp_path, tmp_path)
    chosen = QUICK["GAN"]["training"]
    other = QUICK | {"GAN": QUICK["GAN"] | {"training": chosen | {"penalty": 50.0}}}
    old, new = (
        _Domains(settings, here).taught_on("GAN", "other classes").state_dict()
        for settings in (QUICK, other)
    )
    assert not all(torch.equal(old[name], new[name]) for name in old)


def test_more_images_contain_fewer_and_none_that_was_put_aside(place: Place) -> None:
    images = _Domains(QUICK, place)

    def known(chosen: ImageSet) -> set[bytes]:
        return {image.numpy().tobytes() for image in chosen.images}

    ten, fifty, everything = (known(images.few(count, 3)) for count in (10, 50, "all"))
    assert len(ten) == 10
    assert ten < fifty < everything
    digits = load("digits").train.resize(QUICK["size"])
    _, aside = digits.split(QUICK["validation_images"], torch.Generator().manual_seed(0))
    assert not everything & known(aside)
    assert everything <= known(digits.only(range(5, 10)))
    assert images.few(10, 3).classes == ("unlabelled",)


def test_every_number_of_images_makes_equally_many_steps(place: Place) -> None:
    few = _Domains(QUICK, place).few(10, 0)
    seen = generative_transfer._repeated(few, 95)
    counts = torch.unique(seen.images.flatten(1), dim=0, return_counts=True)[1]
    assert len(seen) == 95
    assert sorted(counts.tolist()) == [9] * 5 + [10] * 5


@pytest.mark.parametrize(
    ("label", "still"),
    [
        (
            "GAN with frozen layers,source=other classes,images=20,steps=300",
            "discriminator.layers.0",
        ),
        ("GAN scale and shift,source=other classes,images=20,steps=300", "generator.0"),
    ],
)
def test_what_is_held_stays_as_the_source_left_it(label: str, still: str, place: Place) -> None:
    row = TABLE.row(label)
    images = _Domains(row.used(QUICK), place)
    source = images.taught_on("GAN", "other classes").state_dict()
    tuned = METHODS[row.method](images, images.few(20, 0), "other classes", 9, 0).state_dict()
    same = {name for name, value in tuned.items() if torch.equal(value, source[name])}
    weights = {n for n in tuned if n.startswith(still) and n.endswith("weight")}
    assert weights
    assert weights <= same
    assert any(name.startswith("generator") and name not in same for name in tuned)


def test_photographs_are_cut_not_shrunk(place: Place) -> None:
    source = _Domains(QUICK, place)._source("photographs")
    photographs = load("photos").train.grey()
    assert torch.equal(source.images, photographs.images[:, :, 10:22, 10:22])
