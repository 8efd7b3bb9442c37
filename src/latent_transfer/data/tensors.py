"""Images as tensors of any floating-point type, with or without labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latent_transfer.data.memory import InMemory
from latent_transfer.data.pixels import as_floats, draw_bits, require_probabilities


@dataclass(frozen=True, eq=False, repr=False)
class Tensors(InMemory):
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

    labels: Tensor | None = None  # N, int64

    def __repr__(self) -> str:
        size = "×".join(str(extent) for extent in self.shape)
        known = "without" if self.labels is None else "with"
        return f"Tensors({len(self):,} images {size}, {self.images.dtype}, {known} labels)"

    def _check_values(self) -> None:
        if self.images.ndim != 4 or 0 in self.images.shape:
            raise ValueError(
                f"images must be N×C×H×W, each at least 1, not of shape "
                f"{tuple(self.images.shape)}; images[:, None] adds the channel of grey images, and "
                "lt.data.Table.from_values takes rows of numbers."
            )
        as_floats(self.images[:0])
        object.__setattr__(self, "images", self.images.detach())

    def _check_binary(self) -> None:
        require_probabilities(self.images)

    def _floats(self, stored: Tensor) -> Tensor:
        return as_floats(stored.clone())

    def _bits(self, stored: Tensor, generator: torch.Generator) -> Tensor:
        return draw_bits(as_floats(stored), generator)
