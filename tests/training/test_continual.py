"""Tasks in turn, and what is remembered of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.models import mlp_m2
from latent_transfer.training import class_tasks, forgetting, join, learn_in_turn, replay

NAMES = ("a", "b", "c", "d")


def _images(count: int = 16, seed: int = 0) -> ImageSet:
    """Images of class k have their k-th pixel lit and no other."""
    labels = torch.arange(count) % 4
    pixels = nn.functional.one_hot(labels, 4).float().view(count, 1, 2, 2)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return ImageSet.from_pixels(pixels[order], labels[order], NAMES)


class _LastTask(nn.Module):
    """Knows every class whose images it was trained on last, and answers class 0 otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.known = nn.Parameter(torch.zeros(4), requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) * self.known + torch.tensor([0.5, 0.0, 0.0, 0.0])


def _learn(model: nn.Module, images: ImageSet, seen: int) -> None:
    assert isinstance(model, _LastTask)
    model.known.zero_()
    model.known[images.labels.unique()] = 1.0


def test_tasks_hold_their_classes_under_their_old_numbers() -> None:
    images = _images()
    first, second = class_tasks(images, 2)
    assert first.classes == second.classes == NAMES
    assert set(first.labels.tolist()) == {0, 1}
    assert set(second.labels.tolist()) == {2, 3}
    assert len(first) + len(second) == len(images)


@pytest.mark.parametrize("per_task", [0, 3])
def test_classes_that_cannot_be_shared_out_are_refused(per_task: int) -> None:
    with pytest.raises(ValueError, match=f"4 classes cannot be cut into tasks of {per_task}"):
        class_tasks(_images(), per_task)


def test_joined_sets_hold_all_images() -> None:
    first, second = class_tasks(_images(), 2)
    joined = join(first, second)
    assert joined.counts() == _images().counts()
    assert torch.equal(joined.images[: len(first)], first.images)


def test_sets_of_other_classes_or_sizes_are_not_joined() -> None:
    images = _images()
    with pytest.raises(ValueError, match="same classes and the same image size"):
        join(images, images.resize(4))
    with pytest.raises(ValueError, match="same classes and the same image size"):
        join(images, images.unlabelled())


def test_without_memory_only_the_last_task_is_known() -> None:
    tasks = class_tasks(_images(), 2)
    table = learn_in_turn(_LastTask(), tasks, tasks, _learn)
    assert table.diagonal().tolist() == [100, 100]
    assert table[1, 0] == 50  # class 0 by default, class 1 lost
    assert table[0, 1].isnan()


def test_memory_is_asked_before_every_task_but_the_first_and_joined_to_it() -> None:
    images, asked = _images(), []

    def memory(model: nn.Module, seen: int) -> ImageSet:
        assert isinstance(model, _LastTask)
        asked.append((seen, model.known.tolist()))
        return images.subset(images.labels < seen)

    tasks = class_tasks(images, 1)
    table = learn_in_turn(_LastTask(), tasks, tasks, _learn, memory)
    assert [seen for seen, _ in asked] == [1, 2, 3]
    assert asked[0][1] == [1, 0, 0, 0]  # the model as it was before the second task
    assert table[-1].tolist() == 4 * [100]


def test_only_classes_seen_so_far_are_answered() -> None:
    class Biased(_LastTask):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) + torch.tensor([0.0, 0.0, 0.0, 9.0])

    tasks = class_tasks(_images(), 2)
    table = learn_in_turn(Biased(), tasks, tasks, _learn)
    assert table[0, 0] == 100


def test_tasks_out_of_order_or_without_tests_are_refused() -> None:
    tasks = class_tasks(_images(), 2)
    with pytest.raises(ValueError, match="Number the classes in the order"):
        learn_in_turn(_LastTask(), tasks[::-1], tasks[::-1], _learn)
    with pytest.raises(ValueError, match="2 tasks, but 1 test sets"):
        learn_in_turn(_LastTask(), tasks, tasks[:1], _learn)


def test_replay_draws_classes_seen_and_names_them_by_the_classifier() -> None:
    torch.manual_seed(0)
    model = mlp_m2((1, 2, 2), classes=4, hidden=(8,), latent_size=2)
    drawn = replay(model, 2, 50, NAMES, torch.Generator().manual_seed(0))
    with torch.no_grad():
        answers = model(drawn.pixels())[:, :2].argmax(-1)
    assert len(drawn) == 100
    assert drawn.classes == NAMES
    assert torch.equal(drawn.labels, answers)
    assert set(drawn.images.unique().tolist()) == {0, 255}  # binary unless told otherwise
    again = replay(model, 2, 50, NAMES, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.images, again.images)
    grey = replay(model, 2, 50, NAMES, torch.Generator().manual_seed(0), binarize=False)
    assert len(grey.images.unique()) > 2


def test_nothing_is_forgotten_before_a_second_task() -> None:
    with pytest.raises(ValueError, match="before a second task"):
        forgetting(torch.full((1, 1), 90.0))
