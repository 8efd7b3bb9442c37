"""Learning tasks one after another, with or without a memory of those before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.inference import predict_logits
from latent_transfer.models import M2
from latent_transfer.training.distillation import draw_transfer_set

#: Given the model as it is and the number of classes it has seen, images to learn once more.
Memory = Callable[[nn.Module, int], ImageSet | None]
#: Trains a model in place on images of the first classes, as many as the number says.
Learn = Callable[[nn.Module, ImageSet, int], object]


def class_tasks(images: ImageSet, per_task: int) -> list[ImageSet]:
    """Cut a set into tasks of some classes each, in the order of their numbers.

    Labels and names of the classes stay what they were, so that one classifier serves all tasks.

    Args:
        images: Images of every class.
        per_task: Classes per task; their number must be a multiple of it.

    Raises:
        ValueError: If the classes cannot be shared out evenly.

    Example:
        >>> import latent_transfer as lt
        >>> tasks = lt.training.class_tasks(lt.data.load("digits", size=8).train, 2)
        >>> len(tasks), tasks[1].labels.unique().tolist()
        (5, [2, 3])
    """
    count = len(images.classes)
    if per_task < 1 or count % per_task:
        raise ValueError(f"{count} classes cannot be cut into tasks of {per_task}.")
    return [
        images.subset((images.labels >= first) & (images.labels < first + per_task))
        for first in range(0, count, per_task)
    ]


def join(*sets: ImageSet) -> ImageSet:
    """One set of the images of several, which must have the same classes and size.

    Args:
        *sets: At least one.

    Raises:
        ValueError: If they have not.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8).train
        >>> len(lt.training.join(*lt.training.class_tasks(digits, 5))) == len(digits)
        True
    """
    first = sets[0]
    if any((one.classes, one.shape) != (first.classes, first.shape) for one in sets):
        raise ValueError("Only sets with the same classes and the same image size can be joined.")
    return replace(
        first,
        images=torch.cat([one.images for one in sets]),
        labels=torch.cat([one.labels for one in sets]),
    )


def learn_in_turn(
    model: nn.Module,
    tasks: Sequence[ImageSet],
    tests: Sequence[ImageSet],
    learn: Learn,
    memory: Memory | None = None,
) -> torch.Tensor:
    """Learn tasks one after another, and test on every task after each.

    Before a task, the memory is asked what to learn once more beside it; a generative memory
    answers with images that the model draws. The model is told no task when it is tested: it
    chooses between all classes that it has met.

    Args:
        model: B×C×H×W to logits B×K, trained in place.
        tasks: T sets, of classes that are numbered in the order in which they come.
        tests: T sets of the same classes, of images of their own.
        learn: See :data:`Learn`; it is given the task's images together with the remembered ones.
        memory: See :data:`Memory`; asked before every task but the first. None forgets all.

    Returns:
        T×T, test accuracy in per cent after task (row) on task (column), NaN for tasks to come.

    Raises:
        ValueError: If there is not one test set for each task, or the classes are not numbered in
            the order in which they come.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8)
        >>> tasks, tests = (
        ...     lt.training.class_tasks(part, 5) for part in (digits.train, digits.test)
        ... )
        >>> model = lt.models.mlp_classifier(digits.train.shape, 10, (16,))
        >>> learn = lambda model, task, seen: None
        >>> tuple(lt.training.learn_in_turn(model, tasks, tests, learn).shape)
        (2, 2)
    """
    if len(tasks) != len(tests):
        raise ValueError(f"There are {len(tasks)} tasks, but {len(tests)} test sets.")
    accuracies = torch.full((len(tasks), len(tasks)), torch.nan, dtype=torch.float64)
    seen = 0
    for number, task in enumerate(tasks):
        if int(task.labels.min()) < seen:
            raise ValueError("Number the classes in the order in which the tasks bring them.")
        remembered = memory(model, seen) if memory is not None and number else None
        seen = int(task.labels.max()) + 1
        learn(model, task if remembered is None else join(task, remembered), seen)
        for past, test in enumerate(tests[: number + 1]):
            accuracies[number, past] = _accuracy(model, test, seen)
    return accuracies


def replay(
    model: M2,
    seen: int,
    per_class: int,
    classes: Sequence[str],
    generator: torch.Generator,
    *,
    binarize: bool = True,
) -> ImageSet:
    """What a model remembers: its own images of the classes seen, named by its own classifier.

    A generator sometimes draws another class than it was asked for; the classifier's answer,
    among the classes seen, is then the better label (Shin et al. 2017).

    Args:
        model: As it is before the next task.
        seen: Number of classes seen, the first ones.
        per_class: Images asked for of each of them.
        classes: Names of all K classes.
        generator: Decides the images.
        binarize: As for :func:`latent_transfer.training.draw_transfer_set`.

    Example:
        >>> import latent_transfer as lt
        >>> import torch
        >>> model = lt.models.mlp_m2((1, 8, 8), 3, (16,), 2)
        >>> remembered = lt.training.replay(model, 2, 4, ("a", "b", "c"), torch.Generator())
        >>> len(remembered), int(remembered.labels.max()) < 2
        (8, True)
    """
    asked = torch.arange(seen).repeat(per_class)
    drawn = draw_transfer_set(model, asked, classes, generator, binarize=binarize)
    return replace(drawn, labels=predict_logits(model, drawn)[:, :seen].argmax(-1))


def forgetting(accuracies: torch.Tensor) -> float:
    """Best accuracy that a past task ever had minus its last one, averaged over the past tasks.

    Equation: eq-forgetting (Chaudhry et al. 2018).

    Args:
        accuracies: T×T as :func:`learn_in_turn` gives them, at least two tasks.

    Returns:
        Points of accuracy; negative if later tasks made earlier ones easier.

    Raises:
        ValueError: If there are fewer than two tasks.

    Example:
        >>> import torch
        >>> nan = torch.nan
        >>> forgetting(torch.tensor([[90.0, nan], [60.0, 95.0]]))
        30.0
    """
    if len(accuracies) < 2:
        raise ValueError("Nothing can be forgotten before a second task.")
    before = accuracies[:-1, :-1].nan_to_num(-torch.inf).amax(0)  # T−1
    return (before - accuracies[-1, :-1]).mean().item()


def _accuracy(model: nn.Module, test: ImageSet, seen: int) -> float:
    answers = predict_logits(model, test)[:, :seen].argmax(-1)
    return 100 * (answers == test.labels.to(answers.device)).double().mean().item()
