from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from latent_transfer.data import (
    Batch,
    Batches,
    Data,
    ImageSet,
    Loaded,
    Table,
    Tensors,
    as_batches,
)

IMAGES = torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(10) % 3


class Noisy(Dataset[tuple[torch.Tensor, int]]):
    """Draws from all three generators that transforms draw from."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        noise = float(torch.rand(())) + random.random() + np.random.rand()  # noqa: NPY002
        return torch.full((1, 2, 2), noise / 3), index


class Stream(IterableDataset[torch.Tensor]):
    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(IMAGES)


class Counted(Stream):
    def __len__(self) -> int:
        return len(IMAGES)


def joined(data: Batches, **options: Any) -> torch.Tensor:
    return torch.cat([batch.images for batch in data.batches(4, **options)])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- what is taken ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "labelled"),
    [
        (IMAGES, False),
        ((IMAGES,), False),
        ((IMAGES, LABELS), True),
        (Batch(IMAGES, LABELS), True),
        (TensorDataset(IMAGES), False),
        (TensorDataset(IMAGES, LABELS), True),
        (DataLoader(TensorDataset(IMAGES), batch_size=4), False),
        (DataLoader(TensorDataset(IMAGES, LABELS), batch_size=4), True),
        (DataLoader(Counted(), batch_size=4), False),
    ],
)
def test_whatever_holds_images_gives_the_same_batches(data: Any, labelled: bool) -> None:
    taken = as_batches(data)
    assert isinstance(taken, Batches)
    assert len(taken) == 10
    assert taken.steps(4) == 3
    torch.testing.assert_close(joined(taken), IMAGES, rtol=0, atol=0)
    batch = next(taken.batches(4))
    if labelled:
        assert batch.require_labels().tolist() == [0, 1, 2, 0]
    else:
        assert batch.labels is None


def test_sets_of_the_package_are_taken_as_they_are() -> None:
    images = ImageSet.from_pixels(IMAGES, LABELS, ("a", "b", "c"))
    table = Table.from_values(torch.rand(3, 2), torch.tensor([0, 1, 0]), ("a", "b"))
    for data in (images, table, Tensors(IMAGES)):
        assert as_batches(data) is data


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (np.zeros((3, 1, 4, 4)), "torch.from_numpy"),
        ([IMAGES, LABELS], "a list"),
        (Noisy(), "the dataset Noisy: wrap it in a torch.utils.data.DataLoader"),
        ("mnist", r"lt.data.load\('mnist'\).train"),
        ((IMAGES, LABELS, LABELS), "a tuple of 3"),
        ({"images": IMAGES}, "dict"),
        (ImageSet, "the class ImageSet"),
        (None, "NoneType"),
        (Path("x"), "Path"),
    ],
)
def test_anything_else_is_refused_by_name(data: Any, answer: str) -> None:
    with pytest.raises(TypeError, match=f"Data must be an ImageSet, .*DataLoader, not .*{answer}"):
        as_batches(data)


def test_both_parts_at_once_are_refused() -> None:
    images = ImageSet.from_pixels(IMAGES, LABELS, ("a", "b", "c"))
    data = Data("x", images, images, images.classes, "", "")
    with pytest.raises(TypeError, match=r"give data\.train"):
        as_batches(data)


def test_arrays_inside_a_pair_are_refused() -> None:
    with pytest.raises(TypeError, match=r"torch\.from_numpy"):
        as_batches((IMAGES, LABELS.numpy()))
    with pytest.raises(TypeError, match=r"torch\.from_numpy"):
        as_batches((IMAGES.numpy(), LABELS))


# -- tensors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_tensors_keep_type_and_values(kind: torch.dtype) -> None:
    values = (IMAGES * 8 - 4).to(kind)
    batch = next(Tensors(values).batches(10))
    assert batch.images.dtype == kind
    assert torch.equal(batch.images, values)


def test_bytes_become_floats() -> None:
    grey = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    batch = next(Tensors(grey).batches(1))
    torch.testing.assert_close(batch.images, torch.tensor([[[[0.0, 0.2, 1.0]]]]))


def test_tensors_shuffle_like_a_set_and_say_where_each_image_was() -> None:
    batches = list(Tensors(IMAGES, LABELS).batches(4, shuffle=True, generator=seeded(3)))
    where = torch.cat([batch.indices for batch in batches if batch.indices is not None])
    assert sorted(where.tolist()) == list(range(10)) != where.tolist()
    assert torch.equal(torch.cat([batch.images for batch in batches]), IMAGES[where])
    assert torch.equal(torch.cat([batch.require_labels() for batch in batches]), LABELS[where])
    as_set = ImageSet.from_pixels(IMAGES, LABELS, ("a", "b", "c"))
    same = next(as_set.batches(10, shuffle=True, generator=seeded(3))).indices
    assert same is not None
    assert torch.equal(same, where)


@pytest.mark.parametrize("data", [IMAGES, DataLoader(TensorDataset(IMAGES), batch_size=10)])
def test_bits_are_drawn_with_the_probability_that_a_pixel_states(data: Any) -> None:
    taken, generator = as_batches(data), seeded(1)
    draws = [joined(taken, binarize=True, generator=generator) for _ in range(2000)]
    mean = torch.stack(draws).mean(0)
    assert set(draws[0].unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(mean, IMAGES, rtol=0, atol=0.06)


@pytest.mark.parametrize("data", [IMAGES * 2, DataLoader(TensorDataset(IMAGES * 2), batch_size=4)])
def test_what_is_no_probability_is_not_drawn(data: Any) -> None:
    with pytest.raises(ValueError, match=r"pixels must lie in \[0, 1\], but they run from"):
        joined(as_batches(data), binarize=True, generator=seeded(0))


def test_fingerprints_tell_images_and_labels_apart() -> None:
    half = IMAGES.half()
    prints = {
        Tensors(images, labels).fingerprint()
        for images, labels in [(IMAGES, None), (IMAGES, LABELS), (half, None), (IMAGES, LABELS + 1)]
    }
    assert len(prints) == 4
    assert Tensors(IMAGES).fingerprint() == Tensors(IMAGES.clone()).fingerprint()


@pytest.mark.parametrize(
    ("images", "labels", "answer"),
    [
        (IMAGES[:, 0], None, r"images\[:, None\] adds the channel"),
        (IMAGES.flatten(1), None, r"Table\.from_values"),
        (IMAGES.long(), None, r"images\.float\(\)"),
        (IMAGES[:0], None, "each at least 1"),
        (IMAGES, LABELS.float(), "integer type, not torch.float32"),
        (IMAGES, LABELS[:9], "one for each of the 10 images"),
        (IMAGES, LABELS - 1, "from 0, but one is -1"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    images: torch.Tensor, labels: torch.Tensor | None, answer: str
) -> None:
    with pytest.raises(ValueError, match=answer):
        Tensors(images, labels)


def test_subset_and_drop_last() -> None:
    some = Tensors(IMAGES, LABELS).subset([4, 2, 7])
    assert torch.equal(some.images, IMAGES[[4, 2, 7]])
    assert some.labels is not None
    assert some.labels.tolist() == [1, 2, 1]
    for data in (Tensors(IMAGES), ImageSet.from_pixels(IMAGES, LABELS, ("a", "b", "c"))):
        sizes = [len(batch.images) for batch in data.batches(4, drop_last=True)]
        assert sizes == [4, 4]
        assert data.steps(4, drop_last=True) == 2


# -- loaders ----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_one_seed_decides_order_and_noise_of_a_loader(workers: int) -> None:
    def run(seed: int) -> torch.Tensor:
        loader = DataLoader(Noisy(), batch_size=4, shuffle=True, num_workers=workers)
        generator = seeded(seed)
        return torch.cat([joined(Loaded(loader), generator=generator) for _ in range(2)])

    torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
    first = run(5)
    torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
    assert torch.equal(run(5), first)
    assert not torch.equal(run(6), first)
    assert not torch.equal(first[:6], first[6:])  # the second pass is another draw


def test_a_generator_of_the_loader_follows_the_seed() -> None:
    loader = DataLoader(TensorDataset(IMAGES), batch_size=4, shuffle=True, generator=seeded(9))
    runs = [joined(Loaded(loader), generator=seeded(1)) for _ in range(2)]
    assert torch.equal(*runs)


def test_a_pass_leaves_the_global_generators_alone() -> None:
    loader = Loaded(DataLoader(Noisy(), batch_size=4, shuffle=True))
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index] # noqa: NPY002
    joined(loader, generator=seeded(0))
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index] # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_the_number_of_images_is_that_of_a_pass() -> None:
    dataset = TensorDataset(IMAGES)
    assert len(Loaded(DataLoader(dataset, batch_size=4, drop_last=True))) == 8
    assert Loaded(DataLoader(dataset, batch_size=4, drop_last=True)).steps(99) == 2
    few = torch.utils.data.SubsetRandomSampler([1, 5, 6])
    assert len(Loaded(DataLoader(dataset, batch_size=2, sampler=few))) == 3
    batches = torch.utils.data.BatchSampler(few, 2, drop_last=False)
    assert len(Loaded(DataLoader(dataset, batch_sampler=batches))) == 10


@pytest.mark.parametrize(
    ("loader", "answer"),
    [
        (DataLoader(Stream(), batch_size=4), "__len__"),
        (DataLoader(TensorDataset(IMAGES), batch_size=None), "batch_size or a batch_sampler"),
    ],
)
def test_a_loader_of_unknown_length_is_refused(loader: DataLoader[Any], answer: str) -> None:
    with pytest.raises(TypeError, match=answer):
        as_batches(loader)


def test_an_empty_loader_is_refused() -> None:
    with pytest.raises(ValueError, match="yields no batch"):
        as_batches(DataLoader(TensorDataset(IMAGES[:3]), batch_size=4, drop_last=True))


def test_a_loader_that_yields_something_else_is_told_what_is_wanted() -> None:
    def collate(items: list[Any]) -> dict[str, torch.Tensor]:
        return {"images": torch.stack([item[0] for item in items])}

    loader = DataLoader(TensorDataset(IMAGES), batch_size=4, collate_fn=collate)
    with pytest.raises(TypeError, match="collate_fn"):
        joined(as_batches(loader))
    floats = DataLoader(TensorDataset(IMAGES, LABELS / 2), batch_size=4)
    with pytest.raises(ValueError, match="labels must be class numbers"):
        joined(as_batches(floats))


def test_dropping_is_the_loaders() -> None:
    loader = Loaded(DataLoader(TensorDataset(IMAGES), batch_size=4))
    with pytest.raises(ValueError, match="drop_last=True"):
        loader.batches(drop_last=True)


def test_batches_come_to_the_device() -> None:
    loader = as_batches(DataLoader(TensorDataset(IMAGES, LABELS), batch_size=4)).to("meta")
    batch = next(loader.batches(4))
    assert batch.images.device.type == batch.require_labels().device.type == "meta"
