"""Images as tensors of any floating-point type, with or without labels."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from latent_transfer.data.batch import Batch
from latent_transfer.data.image_set import draw_binary, generator_on


@dataclass(frozen=True, eq=False, repr=False)
class Tensors:
    """Images and labels in memory, used as they are.

    Unlike an :class:`ImageSet` it rounds nothing: pixels keep their type and their range, be they
    float16, float64, standardised or negative. Pixels of type uint8 become float32 in [0, 1].

    Attributes:
        images: N×C×H×W, floating point or uint8.
        labels: Class numbers, N, of any integer type; none if nobody knows them.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If the tensors are not of these types and shapes or do not fit together.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Tensors
        >>> images = Tensors(torch.zeros(5, 1, 8, 8), torch.arange(5))
        >>> [tuple(batch.images.shape) for batch in images.batches(2)]
        [(2, 1, 8, 8), (2, 1, 8, 8), (1, 1, 8, 8)]
    """

    images: Tensor  # N×C×H×W
    labels: Tensor | None = None  # N, int64

    def __post_init__(self) -> None:
        _check_images(self.images)
        if self.labels is not None:
            _check_labels(self.labels, self.images)
            object.__setattr__(self, "labels", self.labels.to(torch.int64))

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def __repr__(self) -> str:
        size = "×".join(str(extent) for extent in self.shape)
        known = "without" if self.labels is None else "with"
        return f"Tensors({len(self):,} images {size}, {self.images.dtype}, {known} labels)"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        channels, height, width = self.images.shape[1:]
        return int(channels), int(height), int(width)

    @property
    def device(self) -> torch.device:
        """The device that holds the images."""
        return self.images.device

    def to(self, device: torch.device | str) -> Tensors:
        """Return the images and labels on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        return Tensors(self.images.to(device), labels)

    def subset(self, indices: Tensor | Sequence[int] | slice) -> Tensors:
        """Return the images at the given positions, in that order.

        Args:
            indices: Positions, a boolean mask of length N, or a slice.

        Returns:
            The selected images.
        """
        chosen = indices if isinstance(indices, slice) else torch.as_tensor(indices)
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, images=self.images[chosen], labels=labels)

    def fingerprint(self) -> int:
        """Return a checksum of images and labels."""
        known = b"" if self.labels is None else self.labels.cpu().numpy().tobytes()
        stored = self.images.cpu().contiguous().view(torch.uint8).numpy()
        return zlib.crc32(stored.tobytes(), zlib.crc32(known))

    def steps(self, batch_size: int, *, drop_last: bool = False) -> int:
        """Return the number of batches of one pass."""
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
        """Pass once over the images; arguments and order as in :meth:`ImageSet.batches`.

        Returns:
            An iterator over batches; images have the type of the tensor (float32 for uint8).

        Raises:
            ValueError: If ``batch_size`` is not positive, a generator is missing, or pixels that
                should be drawn as bits lie outside [0, 1].
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
        if (shuffle or binarize) and generator is None:
            what = "shuffle" if shuffle else "binarize"
            raise ValueError(f"{what}=True needs a generator, so that the pass can be repeated.")
        if binarize:
            require_probabilities(self.images)
        stop = len(self) - len(self) % batch_size if drop_last else len(self)
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
            images = as_floats(self.images.index_select(0, chosen))
            if source is not None:
                images = draw_bits(images, source)
            labels = None if self.labels is None else self.labels.index_select(0, chosen)
            yield Batch(images if transform is None else transform(images), labels, indices=chosen)


def as_floats(images: Tensor) -> Tensor:
    """Return floating-point images as they are, and those of type uint8 as float32 in [0, 1].

    Raises:
        ValueError: For images of another type.
    """
    if images.dtype == torch.uint8:
        return images.to(torch.float32).div_(255)
    if not images.is_floating_point():
        raise ValueError(
            f"images must be floating point, or uint8 (0 to 255), not {images.dtype}; "
            "write images.float()."
        )
    return images


def require_probabilities(images: Tensor) -> None:
    """Check that every pixel can be the probability of a bit.

    Raises:
        ValueError: If a pixel lies outside [0, 1].
    """
    if images.dtype == torch.uint8 or not images.numel():
        return
    low, high = float(images.min()), float(images.max())
    if not 0 <= low <= high <= 1:
        raise ValueError(
            "binarize draws each pixel with the probability that it states, so pixels must lie "
            f"in [0, 1], but they run from {low:g} to {high:g}."
        )


def draw_bits(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw each pixel as 0 or 1 with the probability that it states; shape and type stay."""
    return draw_binary(probabilities * 255, generator).to(probabilities.dtype)


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images must be a tensor N×C×H×W, not {type(images).__name__}; "
            "torch.from_numpy makes one of a NumPy array."
        )
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images must be N×C×H×W, each at least 1, not of shape {tuple(images.shape)}; "
            "images[:, None] adds the channel of grey images, and lt.data.Table.from_values takes "
            "rows of numbers."
        )
    as_floats(images[:0])


def _check_labels(labels: Tensor, images: Tensor) -> None:
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"labels must be a tensor of class numbers, not {type(labels).__name__}; "
            "torch.from_numpy makes one of a NumPy array, torch.tensor of a list."
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be class numbers of an integer type, not {labels.dtype}.")
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"labels must be one for each of the {len(images)} images, "
            f"not of shape {tuple(labels.shape)}."
        )
    if labels.device != images.device:
        raise ValueError(
            f"images and labels must be on one device, not {images.device} and {labels.device}."
        )
    if int(labels.min()) < 0:
        raise ValueError(f"labels must be class numbers from 0, but one is {int(labels.min())}.")
