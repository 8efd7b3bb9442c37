"""A mean and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch


@dataclass(frozen=True)
class Estimate:
    """The mean of independent values and its uncertainty.

    Attributes:
        mean: Their mean.
        standard_error: Of the mean; not a number for a single value.
        count: How many there were.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import Estimate
        >>> print(Estimate.of(torch.tensor([1.0, 2.0, 3.0, 6.0])))
        3.00 ± 1.08
    """

    mean: float
    standard_error: float
    count: int

    @classmethod
    def of(cls, values: torch.Tensor) -> Estimate:
        """From a tensor of values, of any shape.

        Raises:
            ValueError: If there are none.
        """
        if values.numel() == 0:
            raise ValueError("An estimate needs at least one value.")
        values = values.detach().double().flatten()
        spread = values.std().item() if len(values) > 1 else float("nan")
        return cls(values.mean().item(), spread / sqrt(len(values)), len(values))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return two-sided Student-t interval of the mean.

        Raises:
            ValueError: If the confidence does not lie between 0 and 1.
        """
        from scipy.stats import t

        if not 0 < confidence < 1:
            raise ValueError(f"confidence lies between 0 and 1, as 0.95 does, not at {confidence}.")
        reach = t.ppf(0.5 + confidence / 2, self.count - 1) * self.standard_error
        return self.mean - reach, self.mean + reach

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.standard_error:.2f}"
