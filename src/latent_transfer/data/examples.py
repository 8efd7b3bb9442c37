"""Labelled examples in memory, and the ways to select from them by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from latent_transfer.data.memory import InMemory

#: The kind of set that a method was called on, which is the kind that it returns.
Kind = TypeVar("Kind", bound="Examples")


@dataclass(frozen=True, eq=False, repr=False)
class Examples(InMemory, Dataset[tuple[Tensor, int]]):
    """Images or rows of numbers with the number of each one's class.

    It is also a map-style dataset, so that ``torch.utils.data.DataLoader`` accepts it, but
    :meth:`batches` is several times faster: it indexes the whole set by a permutation and converts
    one batch at a time.

    Attributes:
        images: N×C×H×W.
        labels: Class numbers as int64, N, each in ``range(len(classes))``.
        classes: Names of the classes, each once.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits").train
        >>> isinstance(digits, lt.data.Examples), digits.only(["3", "8"]).classes
        (True, ('3', '8'))
    """

    labels: Tensor  # N, int64
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "classes", class_names(self.classes))
        if not self.labels.is_meta and int(self.labels.max()) >= len(self.classes):
            low, high = int(self.labels.min()), int(self.labels.max())
            raise ValueError(
                f"labels must lie in 0 to {len(self.classes) - 1} for {len(self.classes)} classes, "
                f"but they run from {low} to {high}."
            )

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return one image, C×H×W as in a batch, and its label."""
        return self._floats(self.images[index]), int(self.labels[index])

    def counts(self) -> dict[str, int]:
        """Return how many images each class has, in the order of the classes.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.only(["0", "7"]).counts()
            {'0': 36, '7': 36}
        """
        numbers = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
        return dict(zip(self.classes, numbers, strict=True))

    def only(self: Kind, classes: Sequence[str | int]) -> Kind:
        """Return the images of some classes, relabelled 0, 1, ... in the order given.

        Args:
            classes: Names or numbers of classes, each once; one class is enough.

        Returns:
            The images in their old order; ``classes`` holds the chosen names.

        Raises:
            ValueError: If the selection is empty, names a class twice or an unknown class, or
                no image belongs to it.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.only(["3", "8"])
            ImageSet(72 images 1×28×28, 2 classes)
        """
        numbers = [self._class_number(name) for name in _as_list(classes)]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError(f"only needs one or more different classes, not {list(classes)}.")
        renumbered = torch.full((len(self.classes),), -1, device=self.device)
        renumbered[numbers] = torch.arange(len(numbers), device=self.device)
        labels = renumbered[self.labels]  # N, -1 for images that are left out
        kept = (labels >= 0).nonzero().squeeze(1)
        if not len(kept):
            raise ValueError(f"no image of this set belongs to the classes {list(classes)}.")
        names = tuple(self.classes[number] for number in numbers)
        images = self.images.index_select(0, kept)
        return replace(self, images=images, labels=labels.index_select(0, kept), classes=names)

    def few(self: Kind, per_class: int, generator: torch.Generator) -> Kind:
        """Draw the same number of images of each class, without replacement.

        Args:
            per_class: How many images of each class, at least 1.
            generator: Source of the draw, on the CPU.

        Returns:
            The ``per_class * len(classes)`` images in their old order.

        Raises:
            ValueError: If a class has fewer images.

        Example:
            >>> import torch
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").train.few(5, torch.Generator().manual_seed(0))
            ImageSet(50 images 1×28×28, 10 classes)
        """
        if per_class < 1:
            raise ValueError(f"per_class must be at least 1, not {per_class}.")
        labels = self.labels.cpu()
        drawn = []
        for number, (name, count) in enumerate(self.counts().items()):
            if count < per_class:
                raise ValueError(
                    f"{per_class} images of each class were asked for, "
                    f"but class {name!r} has only {count}."
                )
            members = (labels == number).nonzero().squeeze(1)
            drawn.append(members[torch.randperm(count, generator=generator)[:per_class]])
        return self.subset(torch.cat(drawn).sort().values)

    def unlabelled(self: Kind) -> Kind:
        """Return the images without their labels: one class, to which all belong.

        What must not be used is better not there.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.unlabelled().counts()
            {'unlabelled': 360}
        """
        return replace(self, labels=torch.zeros_like(self.labels), classes=("unlabelled",))

    def require_classes(self, purpose: str) -> None:
        """Check that the images belong to at least two classes.

        Args:
            purpose: What needs them, the subject of the error's sentence.

        Raises:
            ValueError: If all images belong to one class.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.unlabelled().require_classes("A classifier")
            Traceback (most recent call last):
            ...
            ValueError: A classifier needs images of at least two classes, but this set has only
            class 'unlabelled'.
        """
        present = [name for name, count in self.counts().items() if count]
        if len(present) < 2:
            raise ValueError(
                f"{purpose} needs images of at least two classes, "
                f"but this set has only class {present[0]!r}."
            )

    def _class_number(self, name: str | int) -> int:
        if isinstance(name, str) and name in self.classes:
            return self.classes.index(name)
        if isinstance(name, int) and 0 <= name < len(self.classes):
            return name
        raise ValueError(f"unknown class {name!r}: the classes are {', '.join(self.classes)}.")


def _as_list(classes: Any) -> list[str | int]:
    """Read one name as a list of one, not as its letters."""
    return [classes] if isinstance(classes, str | int) else list(classes)


def class_names(classes: Any) -> tuple[str, ...]:
    """Return the names of classes as a tuple, once it is known that each has one of its own.

    Raises:
        ValueError: If there is none, one is no string, or two are equal.
    """
    names = () if isinstance(classes, str) else tuple(classes)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"classes must be a list of names, not {classes!r}.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"each class needs a name of its own, but {', '.join(twice)} came twice.")
    return names
