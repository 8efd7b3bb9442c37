"""What a loss is given at each step."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """A few images and what is known of them.

    Attributes:
        images: B×C×H×W, floating point, pixels in [0, 1]; or the values of a table, B×D×1×1.
        labels: B, int64; none if nobody knows them.
        progress: Fraction of the training that is done: 0 at the first step, below 1 at the last.
        indices: B, int64, the positions of the images in their set; none if there is no set.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Batch
        >>> batch = Batch(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 1, 0]))
        >>> batch.images.shape, batch.progress
        (torch.Size([4, 1, 8, 8]), 0.0)
    """

    images: Tensor
    labels: Tensor | None = None
    progress: float = 0.0
    indices: Tensor | None = None

    @classmethod
    def of(cls, value: Any) -> Batch:
        """Return a batch as it is, or make one of what a loader yields: images, or with labels.

        Raises:
            TypeError: For anything else.

        Example:
            >>> import torch
            >>> from latent_transfer.data import Batch
            >>> Batch.of([torch.zeros(2, 1, 8, 8), torch.tensor([3, 5])]).labels
            tensor([3, 5])
        """
        if isinstance(value, cls):
            return value
        parts = tuple(value) if isinstance(value, tuple | list) else (value,)
        if not 1 <= len(parts) <= 2 or not all(isinstance(part, Tensor) for part in parts):
            kinds = ", ".join(type(part).__name__ for part in parts)
            raise TypeError(
                f"A batch is a tensor of images, or a pair of images and labels, not ({kinds}); "
                "torch.from_numpy makes tensors of arrays, a loader's collate_fn pairs of others."
            )
        return cls(*parts)

    def require_labels(self) -> Tensor:
        """Return the labels, B.

        Raises:
            ValueError: If there are none.

        Example:
            >>> import torch
            >>> from latent_transfer.data import Batch
            >>> Batch(torch.zeros(2, 1, 8, 8)).require_labels()
            Traceback (most recent call last):
            ...
            ValueError: This loss needs labels, and the batch has none.
        """
        if self.labels is None:
            raise ValueError("This loss needs labels, and the batch has none.")
        return self.labels

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with its tensors on a device.

        Example:
            >>> import torch
            >>> from latent_transfer.data import Batch
            >>> Batch(torch.zeros(2, 1, 8, 8)).to("cpu").images.device
            device(type='cpu')
        """
        labels = None if self.labels is None else self.labels.to(device)
        indices = None if self.indices is None else self.indices.to(device)
        return Batch(self.images.to(device), labels, self.progress, indices)
