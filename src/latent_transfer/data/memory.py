"""Images in memory, and passes over them batch by batch."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from latent_transfer.data.batch import Batch
from latent_transfer.data.pixels import generator_on

#: The kind of data that a method was called on, which is the kind that it returns.
Held = TypeVar("Held", bound="InMemory")


@dataclass(frozen=True, eq=False, repr=False)
class InMemory(ABC):
    """Images held in memory, labelled or not: what images, tables and plain tensors share.

    It never changes: each operation returns a new one, which shares memory with the old one where
    it can.

    Attributes:
        images: N×C×H×W.
        labels: Class numbers, N, int64 (other integers are converted); none if nobody knows them.
    """

    images: Tensor  # N×C×H×W
    labels: Tensor | None  # N, int64

    def __post_init__(self) -> None:
        require_tensor(self.images, "images")
        self._check_values()
        if self.labels is not None:
            object.__setattr__(self, "labels", class_numbers(self.labels, self.images))

    def __len__(self) -> int:
        return int(self.images.shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        channels, height, width = self.images.shape[1:]
        return int(channels), int(height), int(width)

    @property
    def device(self) -> torch.device:
        """The device that holds the images."""
        return self.images.device

    def to(self: Held, device: torch.device | str) -> Held:
        """Return the same data with its tensors on a device.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.to("cpu").device
            device(type='cpu')
        """
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, images=self.images.to(device), labels=labels)

    def subset(self: Held, indices: Tensor | Sequence[int] | slice) -> Held:
        """Return the images at the given positions, in that order.

        Args:
            indices: Positions in ``range(len(self))``, a boolean mask of length N, or a slice,
                which costs no copy.

        Returns:
            The selected images.

        Raises:
            ValueError: If nothing is selected, or a position does not exist.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.subset([5, 0, 7])
            ImageSet(3 images 1×28×28, 10 classes)
        """
        if isinstance(indices, slice):
            labels = None if self.labels is None else self.labels[indices]
            return replace(self, images=self.images[indices], labels=labels)
        chosen = self._positions(indices)
        labels = None if self.labels is None else self.labels.index_select(0, chosen)
        return replace(self, images=self.images.index_select(0, chosen), labels=labels)

    def split(self: Held, count: int, generator: torch.Generator) -> tuple[Held, Held]:
        """Put some images aside at random, for validation say.

        Args:
            count: How many images to put aside, from 1 to N−1.
            generator: Source of the draw, on the CPU.

        Returns:
            The rest, and the ``count`` images; both in their old order.

        Raises:
            ValueError: If ``count`` leaves one of the two empty.

        Example:
            >>> import torch
            >>> import latent_transfer as lt
            >>> digits = lt.data.load("digits").train
            >>> train, validation = digits.split(200, torch.Generator().manual_seed(0))
            >>> len(train), len(validation)
            (1237, 200)
        """
        if not 1 <= count < len(self):
            raise ValueError(
                f"split can put 1 to {len(self) - 1} of {len(self)} images aside, not {count}."
            )
        order = torch.randperm(len(self), generator=generator)
        rest, aside = order[count:].sort().values, order[:count].sort().values
        return self.subset(rest), self.subset(aside)

    def pixels(self) -> Tensor:
        """Return all images as numbers, N×C×H×W: what one batch of them all would hold.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.pixels().shape
            torch.Size([360, 1, 28, 28])
        """
        return self._floats(self.images)

    def fingerprint(self) -> int:
        """Return a checksum of images and labels.

        It guards against continuing on other data; it is no defence against malice.

        Example:
            >>> import latent_transfer as lt
            >>> digits = lt.data.load("digits")
            >>> digits.train.fingerprint() == digits.test.fingerprint()
            False
        """
        known = 0 if self.labels is None else zlib.crc32(self.labels.cpu().numpy().tobytes())
        stored = self.images.detach().cpu().contiguous().view(torch.uint8)
        return zlib.crc32(stored.numpy().data, known)

    def steps(self, batch_size: int, *, drop_last: bool = False) -> int:
        """Return the number of batches of one pass.

        Args:
            batch_size: Images per batch.
            drop_last: Leave out a last smaller batch.

        Example:
            >>> import latent_transfer as lt
            >>> digits = lt.data.load("digits").test  # 360 images
            >>> digits.steps(100), digits.steps(100, drop_last=True)
            (4, 3)
        """
        return len(self) // batch_size if drop_last else -(-len(self) // batch_size)

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
        """Pass once over the images.

        Args:
            batch_size: Images per batch; the last batch may be smaller.
            shuffle: Visit the images in a random order.
            generator: Source of the order and of the binary pixels, needed for either. With the
                images on a GPU a generator on the CPU still serves: it seeds one there.
            binarize: Draw each pixel as 0 or 1 with the probability that its value states, afresh
                in every pass (dynamic binarisation).
            transform: Applied to each whole batch of images, after binarisation.
            drop_last: Leave out a last smaller batch.

        Returns:
            An iterator over batches: images B×C×H×W, floating point (in [0, 1] where they are
            stored as uint8), labels and indices int64 B.

        Raises:
            ValueError: If ``batch_size`` is not positive, a generator is missing, or values that
                are no probabilities should be drawn as bits.

        Example:
            >>> import torch
            >>> import latent_transfer as lt
            >>> digits, generator = lt.data.load("digits").test, torch.Generator().manual_seed(0)
            >>> batch = next(digits.batches(100, shuffle=True, generator=generator))
            >>> batch.images.shape, batch.labels.shape
            (torch.Size([100, 1, 28, 28]), torch.Size([100]))
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
        if (shuffle or binarize) and generator is None:
            what = "shuffle" if shuffle else "binarize"
            raise ValueError(f"{what}=True needs a generator, so that the pass can be repeated.")
        if binarize:
            self._check_binary()
        stop = len(self) - len(self) % batch_size if drop_last else len(self)
        # The checks run now; the generator function below would put them off to the first batch.
        return self._pass(batch_size, stop, shuffle, generator, binarize, transform)

    def _pass(
        self,
        batch_size: int,
        stop: int,
        shuffle: bool,
        generator: torch.Generator | None,
        binarize: bool,
        transform: Callable[[Tensor], Tensor] | None,
    ) -> Iterator[Batch]:
        order = torch.arange(len(self))
        if shuffle:
            assert generator is not None
            order = torch.randperm(len(self), generator=generator, device=generator.device)
        order = order.to(self.device)
        source = generator_on(self.device, generator) if binarize and generator else None
        for start in range(0, stop, batch_size):
            chosen = order[start : start + batch_size]
            # index_select takes about a third of the time of images[chosen]
            stored = self.images.index_select(0, chosen)
            labels = None if self.labels is None else self.labels.index_select(0, chosen)
            images = self._floats(stored) if source is None else self._bits(stored, source)
            yield Batch(images if transform is None else transform(images), labels, indices=chosen)

    # -- what each kind does in its own way -----------------------------------------------

    @abstractmethod
    def _check_values(self) -> None:
        """Raise unless the images are of the type and shape that this kind holds."""

    @abstractmethod
    def _check_binary(self) -> None:
        """Raise unless each value can be the probability of a bit."""

    @abstractmethod
    def _floats(self, stored: Tensor) -> Tensor:
        """Images of a batch as numbers; never the stored memory, for a loss may work in place."""

    @abstractmethod
    def _bits(self, stored: Tensor, generator: torch.Generator) -> Tensor:
        """Images of a batch, each pixel drawn as 0 or 1."""

    def _positions(self, indices: Tensor | Sequence[int]) -> Tensor:
        chosen = torch.as_tensor(indices, device=self.device)
        if chosen.dtype == torch.bool:
            if chosen.shape != self.images.shape[:1]:
                raise ValueError(
                    f"a mask must have one entry for each of the {len(self)} images, "
                    f"not the shape {tuple(chosen.shape)}."
                )
            chosen = chosen.nonzero().squeeze(1)
        if chosen.ndim != 1 or not len(chosen):
            raise ValueError("subset needs a list of one or more positions.")
        if chosen.is_floating_point() or chosen.is_complex():
            raise ValueError(f"positions must be integers, not {chosen.dtype}.")
        if int(chosen.min()) < 0 or int(chosen.max()) >= len(self):
            worst = int(chosen.min()) if int(chosen.min()) < 0 else int(chosen.max())
            raise ValueError(f"there is no image {worst}: positions run from 0 to {len(self) - 1}.")
        return chosen.to(torch.int64)


def require_tensor(value: Any, what: str) -> None:
    """Check that a value is a tensor.

    Raises:
        TypeError: If it is none; the message says how to make one.
    """
    if not isinstance(value, Tensor):
        array = type(value).__module__ == "numpy"
        raise TypeError(
            f"{what} must be a tensor, not {'a NumPy array' if array else type(value).__name__}; "
            f"torch.{'from_numpy' if array else 'tensor'} makes one of it."
        )


def class_numbers(labels: Tensor, images: Tensor) -> Tensor:
    """Return labels as int64, once they are known to be one class number for each image.

    Raises:
        TypeError: If they are no tensor.
        ValueError: If they are no integers, negative, or not one for each image.
    """
    require_tensor(labels, "labels")
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(
            f"labels must be class numbers of an integer type, not {labels.dtype}; "
            "write labels.long() if they are whole numbers."
        )
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"labels must be one for each of the {len(images)} images, "
            f"not of shape {tuple(labels.shape)}."
        )
    if labels.device != images.device:
        raise ValueError(
            f"images and labels must be on one device, not {images.device} and {labels.device}."
        )
    if not labels.is_meta and labels.numel() and int(labels.min()) < 0:
        raise ValueError(f"labels must be class numbers from 0, but one is {int(labels.min())}.")
    return labels.to(torch.int64)
