"""The in-memory set of images that every chapter trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from latent_transfer.data.examples import Examples, class_names
from latent_transfer.data.memory import class_numbers, require_tensor
from latent_transfer.data.pixels import as_floats, draw_binary, generator_on, to_uint8

#: Luma weights of red, green and blue (ITU-R BT.601).
GREY_WEIGHTS = (0.299, 0.587, 0.114)

#: Images that are converted to floating point at once while a set is resized.
CHUNK = 4096


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet(Examples):
    """Images of 8 bits per channel, with labels.

    Attributes:
        images: Pixels as uint8, N×C×H×W: one channel is grey, three are red, green and blue; any
            other number is what the data say it is.
        labels: Class numbers as int64, N, each in ``range(len(classes))``.
        classes: Names of the classes, each once.

    Raises:
        TypeError: If images or labels are no tensors.
        ValueError: If the tensors are not of these types and shapes or do not fit together.

    Example:
        >>> import torch
        >>> from latent_transfer.data import ImageSet
        >>> pixels = torch.randint(256, (6, 3, 8, 8), dtype=torch.uint8)
        >>> ImageSet(pixels, torch.tensor([0, 1, 0, 1, 1, 0]), ("cat", "dog"))
        ImageSet(6 images 3×8×8, 2 classes)
    """

    @classmethod
    def from_pixels(cls, pixels: Tensor, labels: Tensor, classes: Sequence[str]) -> ImageSet:
        """Make a set from floating-point pixels in [0, 1], rounded to the nearest of 256 greys.

        Args:
            pixels: N×C×H×W, floating point, each value in [0, 1].
            labels: Class numbers, N.
            classes: Names of the classes.

        Returns:
            The set.

        Raises:
            TypeError: If pixels or labels are no tensors.
            ValueError: If a pixel is NaN, negative or above 1, or the labels are no class numbers.

        Example:
            >>> import torch
            >>> from latent_transfer.data import ImageSet
            >>> ImageSet.from_pixels(torch.rand(4, 1, 8, 8), torch.arange(4) % 2, ["a", "b"])
            ImageSet(4 images 1×8×8, 2 classes)
        """
        require_tensor(pixels, "pixels")
        if not pixels.is_floating_point():
            raise ValueError(f"from_pixels needs floating-point pixels, not {pixels.dtype}.")
        if bool(torch.isnan(pixels).any()):
            count = int(torch.isnan(pixels).sum())
            raise ValueError(f"pixels must be numbers in [0, 1], but {count} of them are NaN.")
        if pixels.numel() and not 0 <= float(pixels.min()) <= float(pixels.max()) <= 1:
            low, high = float(pixels.min()), float(pixels.max())
            raise ValueError(f"pixels must lie in [0, 1], but they run from {low:g} to {high:g}.")
        return cls(to_uint8(pixels * 255), class_numbers(labels, pixels), class_names(classes))

    def __repr__(self) -> str:
        size = "×".join(str(extent) for extent in self.shape)
        return f"ImageSet({len(self):,} images {size}, {len(self.classes)} classes)"

    # -- pixels ---------------------------------------------------------------------------

    def grey(self) -> ImageSet:
        """Return the images with one channel, weighted as in ITU-R BT.601.

        Raises:
            ValueError: If the images have neither one nor three channels.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("photos").test.grey()
            ImageSet(1,000 images 1×32×32, 2 classes)
        """
        if self.shape[0] == 1:
            return self
        self._require_colours("grey")
        weights = torch.tensor(GREY_WEIGHTS, device=self.device).view(1, 3, 1, 1)
        parts = [
            to_uint8((part.to(torch.float32) * weights).sum(1, keepdim=True))
            for part in torch.split(self.images, CHUNK)
        ]
        return replace(self, images=torch.cat(parts))  # N×1×H×W

    def rgb(self) -> ImageSet:
        """Return the images with three channels; a grey channel is repeated (without a copy).

        Raises:
            ValueError: If the images have neither one nor three channels.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.rgb()
            ImageSet(360 images 3×28×28, 10 classes)
        """
        if self.shape[0] == 3:
            return self
        self._require_colours("rgb")
        return replace(self, images=self.images.expand(-1, 3, -1, -1))  # N×3×H×W

    def resize(self, size: int | tuple[int, int]) -> ImageSet:
        """Return the images at another size, by bilinear interpolation with antialiasing.

        Args:
            size: The new height and width, or one number for both, in pixels.

        Returns:
            The resized set; the set itself if the size is the same.

        Raises:
            ValueError: If the size is not positive.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.resize(14)
            ImageSet(360 images 1×14×14, 10 classes)
        """
        height, width = (size, size) if isinstance(size, int) else size
        if height < 1 or width < 1:
            raise ValueError(f"resize needs a positive height and width, not {size}.")
        if (height, width) == self.shape[1:]:
            return self
        parts = [
            functional.interpolate(
                part.to(torch.float32), (height, width), mode="bilinear", antialias=True
            )
            for part in torch.split(self.images, CHUNK)
        ]
        return replace(self, images=torch.cat([to_uint8(part) for part in parts]))

    def conform(self, shape: tuple[int, int, int]) -> ImageSet:
        """Return the images with the channels, height and width that a net wants.

        Args:
            shape: Channels, height and width.

        Raises:
            ValueError: If the channels differ and are not grey and colour, or the size is not
                positive.

        Example:
            >>> import latent_transfer as lt
            >>> lt.data.load("digits").test.conform((3, 32, 32))
            ImageSet(360 images 3×32×32, 10 classes)
        """
        channels, height, width = shape
        images = self
        if channels != self.shape[0]:
            if channels not in (1, 3):
                raise ValueError(
                    f"conform makes 1 or 3 channels, not {channels} out of {self.shape[0]}."
                )
            images = self.grey() if channels == 1 else self.rgb()
        return images.resize((height, width))

    def binarized(self, generator: torch.Generator) -> ImageSet:
        """Return the set with pixels drawn once as 0 or 255 (fixed binarisation).

        Each pixel is 255 with the probability that its grey value states.

        Args:
            generator: Source of the draws.

        Returns:
            The binary set; every later pass sees the same pixels.

        Example:
            >>> import torch
            >>> import latent_transfer as lt
            >>> binary = lt.data.load("digits").test.binarized(torch.Generator().manual_seed(0))
            >>> binary.images.unique().tolist()
            [0, 255]
        """
        source = generator_on(self.device, generator)
        parts = [draw_binary(part, source) for part in torch.split(self.images, CHUNK)]
        return replace(self, images=torch.cat(parts).to(torch.uint8).mul_(255))

    def _require_colours(self, method: str) -> None:
        if self.shape[0] not in (1, 3):
            raise ValueError(
                f"{method} needs grey images (1 channel) or colours (3), not {self.shape[0]} "
                "channels."
            )

    # -- as a batch -----------------------------------------------------------------------

    def _check_values(self) -> None:
        images = self.images
        if images.dtype != torch.uint8:
            raise ValueError(
                f"images must be uint8 (0 to 255), not {images.dtype}; "
                "ImageSet.from_pixels takes floating-point pixels in [0, 1]."
            )
        if images.ndim != 4 or 0 in images.shape[1:]:
            raise ValueError(
                f"images must be N×C×H×W, not of shape {tuple(images.shape)}; "
                "images[:, None] adds the channel of grey images."
            )
        if not len(images):
            raise ValueError("an image set needs at least one image.")

    def _check_binary(self) -> None:
        """Every grey value is a probability."""

    def _floats(self, stored: Tensor) -> Tensor:
        return as_floats(stored)

    def _bits(self, stored: Tensor, generator: torch.Generator) -> Tensor:
        return draw_binary(stored, generator).float()
