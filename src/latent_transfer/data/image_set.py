"""The in-memory set of images that every chapter trains on."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from latent_transfer.data.batch import Batch

#: The kind of set that a method was called on, which is the kind that it returns.
Images = TypeVar("Images", bound="ImageSet")

#: Luma weights of red, green and blue (ITU-R BT.601).
GREY_WEIGHTS = (0.299, 0.587, 0.114)

#: Images that are converted to floating point at once while a set is resized.
CHUNK = 4096


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet(Dataset[tuple[Tensor, int]]):
    """Images and labels held in memory as integers, and the ways to select from them.

    A set never changes: each operation returns a new one, which shares memory with the old one
    where it can. It is also a map-style dataset, so that ``torch.utils.data.DataLoader`` accepts
    it, but :meth:`batches` is several times faster: it indexes the whole set by a permutation and
    converts one batch at a time.

    Attributes:
        images: pixels as uint8, N×C×H×W with one (grey) or three (RGB) channels.
        labels: class numbers as int64, N, each in ``range(len(classes))``.
        classes: names of the classes.

    Raises:
        ValueError: if the tensors are not of these types and shapes or do not fit together.
    """

    images: Tensor  # N×C×H×W, uint8
    labels: Tensor  # N, int64
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        self._check_values()
        _check_labels(self.labels, self.images, self.classes)

    @classmethod
    def from_pixels(cls, pixels: Tensor, labels: Tensor, classes: Sequence[str]) -> ImageSet:
        """Makes a set from floating-point pixels in [0, 1], rounded to the nearest of 256 greys.

        Args:
            pixels: N×C×H×W, floating point, each value in [0, 1].
            labels: class numbers, N.
            classes: names of the classes.

        Returns:
            The set.

        Raises:
            ValueError: if a pixel is NaN, negative or above 1.
        """
        if not pixels.is_floating_point():
            raise ValueError(f"from_pixels needs floating-point pixels, got {pixels.dtype}.")
        if bool(torch.isnan(pixels).any()):
            count = int(torch.isnan(pixels).sum())
            raise ValueError(f"pixels must be numbers in [0, 1], but {count} of them are NaN.")
        if pixels.numel() and not 0 <= float(pixels.min()) <= float(pixels.max()) <= 1:
            low, high = float(pixels.min()), float(pixels.max())
            raise ValueError(f"pixels must lie in [0, 1], but they run from {low:g} to {high:g}.")
        return cls(_to_uint8(pixels * 255), labels.to(torch.int64), tuple(classes))

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Returns one image as float32 C×H×W in [0, 1] and its label."""
        return self._floats(self.images[index]), int(self.labels[index])

    def __repr__(self) -> str:
        size = "×".join(str(extent) for extent in self.shape)
        return f"ImageSet({len(self):,} images {size}, {len(self.classes)} classes)"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        channels, height, width = self.images.shape[1:]
        return int(channels), int(height), int(width)

    @property
    def device(self) -> torch.device:
        """The device that holds the images."""
        return self.images.device

    def counts(self) -> dict[str, int]:
        """Returns how many images each class has, in the order of the classes."""
        numbers = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
        return dict(zip(self.classes, numbers, strict=True))

    def pixels(self) -> Tensor:
        """Returns all images as float32, N×C×H×W in [0, 1]."""
        return self._floats(self.images)

    def to(self: Images, device: torch.device | str) -> Images:
        """Returns the set with its tensors on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    # -- selections -----------------------------------------------------------------------

    def subset(self: Images, indices: Tensor | Sequence[int] | slice) -> Images:
        """Returns the images at the given positions, in that order.

        Args:
            indices: positions in ``range(len(self))``, a boolean mask of length N, or a slice,
                which costs no copy.

        Returns:
            The selected images with the same classes.

        Raises:
            ValueError: if nothing is selected, or a position does not exist.
        """
        if isinstance(indices, slice):
            return replace(self, images=self.images[indices], labels=self.labels[indices])
        chosen = self._positions(indices)
        return replace(
            self,
            images=self.images.index_select(0, chosen),
            labels=self.labels.index_select(0, chosen),
        )

    def only(self: Images, classes: Sequence[str | int]) -> Images:
        """Returns the images of some classes, relabelled 0, 1, ... in the order given.

        Args:
            classes: names or numbers of classes, each once; one class is enough.

        Returns:
            The images in their old order; ``classes`` holds the chosen names.

        Raises:
            ValueError: if the selection is empty, names a class twice or an unknown class, or
                no image belongs to it.
        """
        numbers = [self._class_number(name) for name in _as_list(classes)]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError(f"only needs one or more different classes, got {list(classes)}.")
        renumbered = torch.full((len(self.classes),), -1, device=self.device)
        renumbered[numbers] = torch.arange(len(numbers), device=self.device)
        labels = renumbered[self.labels]  # N, -1 for images that are left out
        kept = (labels >= 0).nonzero().squeeze(1)
        if not len(kept):
            raise ValueError(f"no image of this set belongs to the classes {list(classes)}.")
        names = tuple(self.classes[number] for number in numbers)
        images = self.images.index_select(0, kept)
        return replace(self, images=images, labels=labels.index_select(0, kept), classes=names)

    def few(self: Images, per_class: int, generator: torch.Generator) -> Images:
        """Draws the same number of images of each class, without replacement.

        Args:
            per_class: how many images of each class, at least 1.
            generator: source of the draw, on the CPU.

        Returns:
            The ``per_class * len(classes)`` images in their old order.

        Raises:
            ValueError: if a class has fewer images.
        """
        if per_class < 1:
            raise ValueError(f"per_class must be at least 1, got {per_class}.")
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

    def split(self: Images, count: int, generator: torch.Generator) -> tuple[Images, Images]:
        """Puts some images aside at random, for validation say.

        Args:
            count: how many images to put aside, from 1 to N−1.
            generator: source of the draw, on the CPU.

        Returns:
            The rest, and the set of ``count`` images; both in their old order.

        Raises:
            ValueError: if ``count`` leaves one of the two empty.
        """
        if not 1 <= count < len(self):
            raise ValueError(
                f"split can put 1 to {len(self) - 1} of {len(self)} images aside, not {count}."
            )
        order = torch.randperm(len(self), generator=generator)
        rest, aside = order[count:].sort().values, order[:count].sort().values
        return self.subset(rest), self.subset(aside)

    def unlabelled(self: Images) -> Images:
        """Returns the images without their labels: one class, to which all belong.

        What must not be used is better not there.
        """
        return replace(self, labels=torch.zeros_like(self.labels), classes=("unlabelled",))

    def fingerprint(self) -> int:
        """Returns a checksum of images and labels.

        It guards against continuing on other data; it is no defence against malice.
        """
        labels = zlib.crc32(self.labels.cpu().numpy().tobytes())
        return zlib.crc32(self.images.cpu().numpy().tobytes(), labels)

    def require_classes(self, purpose: str) -> None:
        """Checks that the images belong to at least two classes.

        Args:
            purpose: what needs them, the subject of the error's sentence.

        Raises:
            ValueError: if all images belong to one class.
        """
        present = [name for name, count in self.counts().items() if count]
        if len(present) < 2:
            raise ValueError(
                f"{purpose} needs images of at least two classes, "
                f"but this set has only class {present[0]!r}."
            )

    # -- pixels ---------------------------------------------------------------------------

    def grey(self) -> ImageSet:
        """Returns the images with one channel, weighted as in ITU-R BT.601."""
        if self.shape[0] == 1:
            return self
        weights = torch.tensor(GREY_WEIGHTS, device=self.device).view(1, 3, 1, 1)
        parts = [
            _to_uint8((part.to(torch.float32) * weights).sum(1, keepdim=True))
            for part in torch.split(self.images, CHUNK)
        ]
        return replace(self, images=torch.cat(parts))  # N×1×H×W

    def rgb(self) -> ImageSet:
        """Returns the images with three channels; a grey channel is repeated (without a copy)."""
        if self.shape[0] == 3:
            return self
        return replace(self, images=self.images.expand(-1, 3, -1, -1))  # N×3×H×W

    def resize(self, size: int | tuple[int, int]) -> ImageSet:
        """Returns the images at another size, by bilinear interpolation with antialiasing.

        Args:
            size: the new height and width, or one number for both, in pixels.

        Returns:
            The resized set; the set itself if the size is the same.

        Raises:
            ValueError: if the size is not positive.
        """
        height, width = (size, size) if isinstance(size, int) else size
        if height < 1 or width < 1:
            raise ValueError(f"resize needs a positive height and width, got {size}.")
        if (height, width) == self.shape[1:]:
            return self
        parts = [
            functional.interpolate(
                part.to(torch.float32), (height, width), mode="bilinear", antialias=True
            )
            for part in torch.split(self.images, CHUNK)
        ]
        return replace(self, images=torch.cat([_to_uint8(part) for part in parts]))

    def conform(self, shape: tuple[int, int, int]) -> ImageSet:
        """Returns the images with the channels, height and width that a net wants.

        Args:
            shape: channels (1 or 3), height and width.

        Raises:
            ValueError: if the number of channels is another or the size not positive.
        """
        channels, height, width = shape
        if channels not in (1, 3):
            raise ValueError(f"images have 1 or 3 channels, not {channels}.")
        coloured = self.grey() if channels == 1 else self.rgb()
        return coloured.resize((height, width))

    def binarized(self, generator: torch.Generator) -> ImageSet:
        """Returns the set with pixels drawn once as 0 or 255 (fixed binarisation).

        Each pixel is 255 with the probability that its grey value states.

        Args:
            generator: source of the draws.

        Returns:
            The binary set; every later pass sees the same pixels.
        """
        source = generator_on(self.device, generator)
        parts = [draw_binary(part, source) for part in torch.split(self.images, CHUNK)]
        return replace(self, images=torch.cat(parts).to(torch.uint8).mul_(255))

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
        """Passes once over the set.

        Args:
            batch_size: images in a batch; the last batch may be smaller.
            shuffle: whether to visit the images in a random order.
            generator: source of the order and of the binary pixels, needed for either. With the
                set on a GPU a generator on the CPU still serves: it seeds one there.
            binarize: whether to draw each pixel anew as 0 or 1 with the probability that its
                grey value states (dynamic binarisation).
            transform: applied to each whole batch of images, after binarisation.
            drop_last: whether to leave out a last smaller batch.

        Returns:
            An iterator over batches: images float32 B×C×H×W in [0, 1], labels and indices int64 B.

        Raises:
            ValueError: if ``batch_size`` is not positive or a generator is missing.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        if (shuffle or binarize) and generator is None:
            what = "shuffle" if shuffle else "binarize"
            raise ValueError(f"{what}=True needs a generator, so that the pass can be repeated.")
        if binarize:
            self._check_binary()
        # The checks run now; the generator function below would put them off to the first batch.
        stop = len(self) - len(self) % batch_size if drop_last else len(self)
        return self._pass(batch_size, stop, shuffle, generator, binarize, transform)

    def steps(self, batch_size: int, *, drop_last: bool = False) -> int:
        """Returns the number of batches of one pass."""
        return len(self) // batch_size if drop_last else -(-len(self) // batch_size)

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
            labels = self.labels.index_select(0, chosen)
            images = self._floats(stored) if source is None else draw_binary(stored, source).float()
            yield Batch(images if transform is None else transform(images), labels, indices=chosen)

    # -- what a set of something else than pixels does in its own way --------------------

    def _floats(self, stored: Tensor) -> Tensor:
        return _to_float(stored)

    def _check_values(self) -> None:
        _check_images(self.images)

    def _check_binary(self) -> None:
        """Every grey value is a probability; a set whose values are none raises here."""

    def _positions(self, indices: Tensor | Sequence[int]) -> Tensor:
        chosen = torch.as_tensor(indices, device=self.device)
        if chosen.dtype == torch.bool:
            if chosen.shape != self.labels.shape:
                raise ValueError(
                    f"a mask must have one entry for each of the {len(self)} images, "
                    f"got shape {tuple(chosen.shape)}."
                )
            chosen = chosen.nonzero().squeeze(1)
        if chosen.ndim != 1 or not len(chosen):
            raise ValueError("subset needs a list of one or more positions.")
        if int(chosen.min()) < 0 or int(chosen.max()) >= len(self):
            worst = int(chosen.min()) if int(chosen.min()) < 0 else int(chosen.max())
            raise ValueError(f"there is no image {worst}: positions run from 0 to {len(self) - 1}.")
        return chosen.to(torch.int64)

    def _class_number(self, name: str | int) -> int:
        if isinstance(name, str) and name in self.classes:
            return self.classes.index(name)
        if isinstance(name, int) and 0 <= name < len(self.classes):
            return name
        raise ValueError(f"unknown class {name!r}: the classes are {', '.join(self.classes)}.")


def _as_list(classes: Any) -> list[str | int]:
    """Reads one name as a list of one, not as its letters."""
    return [classes] if isinstance(classes, str | int) else list(classes)


def _check_images(images: Tensor) -> None:
    if images.dtype != torch.uint8:
        raise ValueError(
            f"images must be uint8 (0 to 255), got {images.dtype}; "
            "ImageSet.from_pixels takes floating-point pixels in [0, 1]."
        )
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise ValueError(
            f"images must be N×C×H×W with one or three channels, got shape {tuple(images.shape)}."
        )
    if not len(images):
        raise ValueError("an image set needs at least one image.")


def _check_labels(labels: Tensor, images: Tensor, classes: tuple[str, ...]) -> None:
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"labels must be int64, one for each of the {len(images)} images, "
            f"got {labels.dtype} of shape {tuple(labels.shape)}."
        )
    if labels.device != images.device:
        raise ValueError(
            f"images and labels must be on one device, got {images.device} and {labels.device}."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        raise ValueError(
            f"labels must lie in 0 to {len(classes) - 1} for {len(classes)} classes, "
            f"but they run from {low} to {high}."
        )


def _to_float(images: Tensor) -> Tensor:
    return images.to(torch.float32).div_(255)


def _to_uint8(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def draw_binary(images: Tensor, generator: torch.Generator) -> Tensor:
    """Draws each pixel as true with probability grey / 255.

    It does what ``torch.bernoulli(images / 255)`` does, in a third of the time on a CPU. (The
    method ``tensor.bernoulli_()`` would be wrong: it ignores the tensor's values.)
    """
    uniform = torch.rand(images.shape, generator=generator, device=images.device)
    return uniform.mul_(255) < images


def generator_on(device: torch.device, generator: torch.Generator) -> torch.Generator:
    """Returns the generator, or one on the device that is seeded from it."""
    if generator.device.type == device.type:
        return generator
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    return torch.Generator(device).manual_seed(int(seed))
