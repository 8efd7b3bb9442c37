"""Tables of numbers, held so that whatever takes images takes their rows too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from latent_transfer.data.examples import Examples, class_names
from latent_transfer.data.memory import class_numbers, require_tensor


@dataclass(frozen=True, eq=False, repr=False)
class Table(Examples):
    """Rows of D real numbers, each held as an "image" of D channels and a single pixel.

    Its batches are float32 B×D×1×1 with values of any size, so that training, models and
    evaluation need to know nothing of tables.

    Attributes:
        images: The values as float32, N×D×1×1.
        labels: Class numbers as int64, N.
        classes: Names of the classes, each once.
        columns: Names of the D columns; empty if they have none.

    Raises:
        TypeError: If values or labels are no tensors.
        ValueError: If the tensors are not of these types and shapes or do not fit together, or
            a value is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Table
        >>> Table.from_values(torch.rand(6, 4), torch.arange(6) % 2, ["no", "yes"])
        Table(6 rows of 4 values, 2 classes)
    """

    columns: tuple[str, ...] = ()

    @classmethod
    def from_values(
        cls, values: Tensor, labels: Tensor, classes: Sequence[str], columns: Sequence[str] = ()
    ) -> Table:
        """Make a table from a matrix.

        Args:
            values: N×D, of any real numeric type.
            labels: Class numbers, N.
            classes: Names of the classes.
            columns: Names of the D columns, or none.

        Returns:
            The table.

        Raises:
            TypeError: If values or labels are no tensors.
            ValueError: If ``values`` is no matrix, a value is not finite, or the labels are no
                class numbers.

        Example:
            >>> import torch
            >>> from latent_transfer.data import Table
            >>> table = Table.from_values(
            ...     torch.eye(2), torch.tensor([0, 1]), ["no", "yes"], ["a", "b"]
            ... )
            >>> table.columns, next(table.batches(2)).images.shape
            (('a', 'b'), torch.Size([2, 2, 1, 1]))
        """
        require_tensor(values, "values")
        if values.ndim != 2 or values.is_complex():
            raise ValueError(
                f"from_values needs a real matrix N×D, not {values.dtype} of shape "
                f"{tuple(values.shape)}."
            )
        images = values.to(torch.float32)[:, :, None, None]
        return cls(images, class_numbers(labels, values), class_names(classes), tuple(columns))

    def __repr__(self) -> str:
        return f"Table({len(self):,} rows of {self.shape[0]} values, {len(self.classes)} classes)"

    @property
    def values(self) -> Tensor:
        """The table as a matrix, float32 N×D."""
        return self.images.flatten(1)

    def standardised(self, by: Table) -> Table:
        """Return the values in standard deviations from the mean, column by column.

        Args:
            by: The table whose columns have mean 0 and standard deviation 1 afterwards: the
                training part, for the test part as well.

        Raises:
            ValueError: If the numbers of columns differ or a column of ``by`` is constant.

        Example:
            >>> import latent_transfer as lt
            >>> data = lt.data.load_table("breast_cancer", standardise=False)
            >>> abs(round(float(data.train.standardised(by=data.train).values.mean()), 3))
            0.0
        """
        if by.shape != self.shape:
            raise ValueError(
                f"both tables need the same columns, not {self.shape[0]} and {by.shape[0]}."
            )
        mean, std = by.images.mean(0), by.images.std(0, correction=0)  # D×1×1 each
        if constant := (std.flatten() == 0).nonzero().flatten().tolist():
            raise ValueError(f"columns {constant} are constant: leave them out to standardise.")
        return replace(self, images=(self.images - mean) / std)

    # -- as a batch -----------------------------------------------------------------------

    def _check_values(self) -> None:
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.float32 or len(shape) != 4 or shape[2:] != (1, 1):
            raise ValueError(
                f"a table holds float32 values N×D×1×1, not {self.images.dtype} of shape {shape}; "
                "Table.from_values takes a matrix N×D."
            )
        if 0 in shape:
            raise ValueError("a table needs at least one row and one column.")
        if bad := int((~self.images.isfinite()).sum()):
            raise ValueError(f"the values of a table must be finite, but {bad} of them are not.")
        if self.columns and len(self.columns) != shape[1]:
            raise ValueError(f"{len(self.columns)} names were given for {shape[1]} columns.")

    def _check_binary(self) -> None:
        raise ValueError(
            f"binarize is for pixels; a table has rows of {self.shape[0]} real numbers."
        )

    def _floats(self, stored: Tensor) -> Tensor:
        return stored.clone()

    def _bits(self, stored: Tensor, generator: torch.Generator) -> Tensor:
        self._check_binary()
        return stored
