"""Batches out of whatever holds images: a set of the package, tensors, or a ``DataLoader``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from latent_transfer.data.batch import Batch
from latent_transfer.data.entry import Data
from latent_transfer.data.pixels import as_floats, draw_bits, generator_on, require_probabilities
from latent_transfer.data.tensors import Tensors

#: What :func:`as_batches` takes, for messages.
ACCEPTED = (
    "an ImageSet, a Table, a tensor of images N×C×H×W, a tuple of images and labels, "
    "a TensorDataset or a DataLoader"
)


@runtime_checkable
class Batches(Protocol):
    """What training needs of data: :class:`ImageSet`, :class:`Table` and others have it.

    Example:
        >>> from latent_transfer.data import Batches, load
        >>> isinstance(load("digits").train, Batches)
        True
    """

    def __len__(self) -> int:
        """Number of images of one pass."""

    def to(self, device: torch.device | str) -> Batches:
        """The same data with its batches on a device."""

    def steps(self, batch_size: int, *, drop_last: bool = False) -> int:
        """Number of batches of one pass."""

    def batches(
        self,
        batch_size: int,
        *,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        binarize: bool = False,
        transform: Callable[[Tensor], Tensor] | None = None,
        drop_last: bool = False,
    ) -> Iterator[Batch]:
        """One pass over the images."""

    def fingerprint(self) -> int | None:
        """A checksum of the data; none if they cannot be seen as a whole."""


def as_batches(data: Any) -> Batches:
    """Return data in the form in which training takes them.

    Args:
        data: An :class:`ImageSet`, a :class:`Table`, a tensor of images N×C×H×W, a tuple of images
            and labels, a ``TensorDataset``, a ``DataLoader``, or whatever else has the methods of
            :class:`Batches`.

    Returns:
        The data itself if it has these methods, :class:`Tensors` of tensors, or :class:`Loaded`.

    Raises:
        TypeError: For anything else; the message says what is accepted.
        ValueError: For tensors of the wrong type or shape.

    Example:
        >>> import torch
        >>> from latent_transfer.data import as_batches
        >>> as_batches(torch.zeros(100, 1, 28, 28))
        Tensors(100 images 1×28×28, torch.float32, without labels)
    """
    if isinstance(data, DataLoader):
        return Loaded(data)
    if isinstance(data, Tensor):
        return Tensors(data)
    if isinstance(data, Batch):
        return Tensors(data.images, data.labels)
    if isinstance(data, TensorDataset):
        data = data.tensors
    if isinstance(data, tuple) and 1 <= len(data) <= 2:
        return Tensors(*data)
    # A class has the methods, too, but is no data.
    if isinstance(data, Batches) and not isinstance(data, type):
        return data
    raise TypeError(f"Data must be {ACCEPTED}, not {_described(data)}.")


def _described(data: Any) -> str:
    """What was given instead, and what to do about it."""
    if isinstance(data, type):
        return f"the class {data.__name__}"
    kind = type(data).__name__
    if isinstance(data, Data):
        return "Data, which holds two sets: give data.train or data.test"
    if isinstance(data, np.ndarray):
        return "a NumPy array: torch.from_numpy makes a tensor of it"
    if isinstance(data, Dataset):
        return f"the dataset {kind}: wrap it in a torch.utils.data.DataLoader"
    if isinstance(data, str):
        return f"the name {data!r}: lt.data.load({data!r}).train loads it"
    if isinstance(data, list):
        return "a list: torch.stack makes a tensor of a list of images, tuple() a pair of a pair"
    if isinstance(data, tuple):
        return f"a tuple of {len(data)}"
    return kind


@dataclass(frozen=True)
class Loaded:
    """A ``DataLoader``, read batch by batch, so that the images may be larger than memory.

    Size, order and completeness of the batches are the loader's own. Where a generator is given,
    it seeds all that the loader draws from: its order, its workers, and the generators of PyTorch,
    NumPy and Python that a transform may use. (Workers that persist keep the seeds of their start.)

    Attributes:
        loader: Yields images B×C×H×W, or pairs of images and labels; images of type uint8 become
            float32 in [0, 1].
        device: The device that batches are moved to; where they come if none.

    Raises:
        TypeError: If the loader cannot say how many images it holds.
        ValueError: If it holds none.

    Example:
        >>> import torch
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> from latent_transfer.data import Loaded
        >>> dataset = TensorDataset(torch.rand(6, 3, 8, 8), torch.arange(6) % 2)
        >>> images = Loaded(DataLoader(dataset, batch_size=4, shuffle=True))
        >>> len(images), [len(batch.images) for batch in images.batches()]
        (6, [4, 2])
    """

    loader: DataLoader[Any]
    device: torch.device | str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.loader, DataLoader):
            raise TypeError(f"Loaded takes a DataLoader, not {type(self.loader).__name__}.")
        if not len(self):
            raise ValueError("The DataLoader yields no batch: its dataset is empty or too small.")

    def __len__(self) -> int:
        """Number of images of one pass."""
        size = self.loader.batch_size
        try:
            sampler: Any = self.loader.sampler
            count = len(sampler if hasattr(sampler, "__len__") else self.loader.dataset)  # type: ignore[arg-type]
        except (TypeError, NotImplementedError):
            count = None
        if count is None or (size is None and self.loader.batch_sampler is None):
            raise TypeError(
                "The DataLoader must know its number of images: its dataset needs a method "
                "__len__, and the loader a batch_size or a batch_sampler."
            )
        return count - count % size if size is not None and self.loader.drop_last else count

    def to(self, device: torch.device | str) -> Loaded:
        """Return the same batches, moved to a device."""
        return Loaded(self.loader, device)

    def steps(self, batch_size: int = 0, *, drop_last: bool = False) -> int:
        """Return the number of batches of one pass; the arguments do not count."""
        return len(self.loader)

    def fingerprint(self) -> None:
        """Return nothing: the data are never seen as a whole."""

    def batches(
        self,
        batch_size: int = 0,
        *,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        binarize: bool = False,
        transform: Callable[[Tensor], Tensor] | None = None,
        drop_last: bool = False,
    ) -> Iterator[Batch]:
        """Pass once over the images.

        Args:
            batch_size: Does not count: it is the loader's.
            shuffle: Does not count: the order is the loader's.
            generator: Seeds whatever the loader draws from, and the binary pixels.
            binarize: Draw each pixel as 0 or 1 with the probability that its value states.
            transform: Applied to each whole batch of images, after binarisation.
            drop_last: Does not count where the loader drops a last smaller batch itself.

        Returns:
            An iterator over batches, without indices.

        Raises:
            TypeError: If the loader yields something else than images or pairs.
            ValueError: If a generator is missing, or the loader keeps a batch that should be
                dropped; during the pass, if pixels to be drawn lie outside [0, 1].
        """
        if binarize and generator is None:
            raise ValueError("binarize=True needs a generator, so that the pass can be repeated.")
        if drop_last and not self.loader.drop_last:
            raise ValueError("The batches are the loader's: write DataLoader(..., drop_last=True).")
        return self._pass(generator, binarize, transform)

    def _pass(
        self,
        generator: torch.Generator | None,
        binarize: bool,
        transform: Callable[[Tensor], Tensor] | None,
    ) -> Iterator[Batch]:
        for value in self._values(generator):
            batch = _checked(value)
            if self.device is not None:
                batch = batch.to(self.device)
            images = as_floats(batch.images)
            if binarize:
                assert generator is not None
                require_probabilities(images)
                images = draw_bits(images, generator_on(images.device, generator))
            yield batch._replace(images=images if transform is None else transform(images))

    def _values(self, generator: torch.Generator | None) -> Iterator[Any]:
        if generator is None:
            yield from self.loader
            return
        seed = int(torch.randint(2**32, (), generator=generator, device=generator.device))
        for holder in (self.loader, self.loader.sampler, self.loader.batch_sampler):
            own = getattr(holder, "generator", None)
            if isinstance(own, torch.Generator):
                own.manual_seed(seed)
        dice = _Dice(seed)
        with dice.used():
            values = iter(self.loader)
        while True:
            with dice.used():
                try:
                    value = next(values)
                except StopIteration:
                    return
            yield value


class _Dice:
    """States of PyTorch's, NumPy's and Python's own generators, apart from the caller's."""

    def __init__(self, seed: int) -> None:
        self._states = self._exchange(None)
        with self.used():
            torch.default_generator.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002 (the generator that transforms draw from)
            random.seed(seed)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Draw from these states inside the block, and from the caller's after it."""
        outside = self._exchange(self._states)
        try:
            yield
        finally:
            self._states = self._exchange(outside)

    @staticmethod
    def _exchange(states: tuple[Any, Any, Any] | None) -> tuple[Any, Any, Any]:
        before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
        if states is not None:
            torch.set_rng_state(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            random.setstate(states[2])
        return before


def _checked(value: Any) -> Batch:
    """The batch that a loader yielded, with labels of type int64 or none."""
    batch = Batch.of(value)
    labels = batch.labels
    if labels is None:
        return batch
    if labels.is_floating_point() or labels.shape != batch.images.shape[:1]:
        raise ValueError(
            f"labels must be class numbers, one for each of the {len(batch.images)} images, "
            f"not {labels.dtype} of shape {tuple(labels.shape)}."
        )
    return batch._replace(labels=labels.to(torch.int64))
