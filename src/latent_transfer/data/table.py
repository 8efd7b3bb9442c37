"""Tables of numbers, held so that whatever takes images takes their rows too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from latent_transfer.data.catalogue import TABLES, Data
from latent_transfer.data.image_set import ImageSet
from latent_transfer.data.splits import hold_out

#: The counted words of the book's own chapters, as tools/count_words.py writes them.
BOOK_WORDS = Path(__file__).with_name("book_words.json")


@dataclass(frozen=True, eq=False, repr=False)
class Table(ImageSet):
    """Rows of D real numbers, each held as an "image" of D channels and a single pixel.

    Its batches are float32 B×D×1×1 with values of any size, so that training, models and
    evaluation need to know nothing of tables; only what makes sense for pixels alone is refused.

    Attributes:
        images: the values as float32, N×D×1×1.
        labels: class numbers as int64, N.
        classes: names of the classes.
        columns: names of the D columns; empty if they have none.

    Raises:
        ValueError: if the tensors are not of these types and shapes or do not fit together, or
            a value is not finite.
    """

    columns: tuple[str, ...] = ()

    @classmethod
    def from_values(
        cls, values: Tensor, labels: Tensor, classes: Sequence[str], columns: Sequence[str] = ()
    ) -> Table:
        """Makes a table from a matrix.

        Args:
            values: N×D, of any numeric type.
            labels: class numbers, N.
            classes: names of the classes.
            columns: names of the D columns, or none.

        Returns:
            The table.

        Raises:
            ValueError: if ``values`` is no matrix, or a value is not finite.
        """
        if values.ndim != 2:
            raise ValueError(f"from_values needs a matrix N×D, got shape {tuple(values.shape)}.")
        images = values.to(torch.float32)[:, :, None, None]
        return cls(images, labels.to(torch.int64), tuple(classes), tuple(columns))

    def __repr__(self) -> str:
        return f"Table({len(self):,} rows of {self.shape[0]} values, {len(self.classes)} classes)"

    @property
    def values(self) -> Tensor:
        """The table as a matrix, float32 N×D."""
        return self.images.flatten(1)

    def standardised(self, by: Table) -> Table:
        """Returns the values in standard deviations from the mean, column by column.

        Args:
            by: the table whose columns have mean 0 and standard deviation 1 afterwards: the
                training part, for the test part as well.

        Raises:
            ValueError: if the numbers of columns differ or a column of ``by`` is constant.
        """
        if by.shape != self.shape:
            raise ValueError(
                f"both tables need the same columns, got {self.shape[0]} and {by.shape[0]}."
            )
        mean, std = by.images.mean(0), by.images.std(0, correction=0)  # D×1×1 each
        if constant := (std.flatten() == 0).nonzero().flatten().tolist():
            raise ValueError(f"columns {constant} are constant: leave them out to standardise.")
        return replace(self, images=(self.images - mean) / std)

    # -- what is for pixels alone ---------------------------------------------------------

    def grey(self) -> ImageSet:
        """Refused: columns are no colours."""
        self._refuse("grey")

    def rgb(self) -> ImageSet:
        """Refused: columns are no colours."""
        self._refuse("rgb")

    def resize(self, size: int | tuple[int, int]) -> ImageSet:
        """Refused: a row has no height and width."""
        self._refuse("resize")

    def conform(self, shape: tuple[int, int, int]) -> ImageSet:
        """Returns the table if it has this shape already; there is no other to make of it."""
        return self if shape == self.shape else self._refuse("conform")

    def binarized(self, generator: torch.Generator) -> ImageSet:
        """Refused: values are no probabilities."""
        self._refuse("binarized")

    def _check_binary(self) -> None:
        self._refuse("binarize")

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"{what} is for pixels; a table has rows of {self.shape[0]} real numbers.")

    def _floats(self, stored: Tensor) -> Tensor:
        return stored.clone()  # never the stored values: a loss may work in place

    def _check_values(self) -> None:
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.float32 or len(shape) != 4 or shape[2:] != (1, 1):
            raise ValueError(
                f"a table holds float32 values N×D×1×1, got {self.images.dtype} of shape {shape}; "
                "Table.from_values takes a matrix N×D."
            )
        if 0 in shape:
            raise ValueError("a table needs at least one row and one column.")
        if bad := int((~self.images.isfinite()).sum()):
            raise ValueError(f"the values of a table must be finite, but {bad} of them are not.")
        if self.columns and len(self.columns) != shape[1]:
            raise ValueError(f"{len(self.columns)} names were given for {shape[1]} columns.")


def load_table(name: str, *, standardise: bool | None = None) -> Data:
    """Loads an embedded table with a fixed split: a third of the rows of each class for testing.

    Args:
        name: ``breast_cancer``, scikit-learn's Wisconsin diagnostic table: 30 measures of the cell
            nuclei in a sample of each of 569 breast tumours, 212 of them malignant; or
            ``book_words``, the words of this book's own paragraphs, counted, with the parts of the
            book as classes.
        standardise: whether to standardise both parts by mean and standard deviation of the
            training part; if left out, measures are standardised and counts are not.

    Returns:
        Training and test rows as :class:`Table`, with classes, licence and citation.

    Raises:
        ValueError: if the name is unknown, or counts are to be standardised.
    """
    if name not in TABLES:
        raise ValueError(f"Unknown table {name!r}: known are {', '.join(TABLES)}.")
    counted = name == "book_words"
    if counted and standardise:
        raise ValueError("book_words holds counts, which are no counts once standardised.")
    entry = TABLES[name]
    whole = _load_book_words() if counted else _load_breast_cancer(entry.classes)
    thirds = [number // 3 for number in whole.counts().values()]
    train, test = (whole.subset(part) for part in hold_out(whole.labels, thirds))
    if not counted and standardise is not False:
        train, test = train.standardised(train), test.standardised(train)
    return Data(entry.name, train, test, entry.classes, entry.licence, entry.citation)


def _load_breast_cancer(classes: Sequence[str]) -> Table:
    from sklearn import datasets

    bunch = datasets.load_breast_cancer()
    values, labels = torch.tensor(bunch.data), torch.tensor(bunch.target)
    return Table.from_values(values, labels, classes, tuple(map(str, bunch.feature_names)))


def _load_book_words() -> Table:
    content = json.loads(BOOK_WORDS.read_text(encoding="utf-8"))
    words, parts = content["words"], content["paragraphs"]
    rows = [torch.tensor(numbers) for part in parts.values() for numbers in part]
    counts = torch.stack([torch.bincount(row, minlength=len(words)) for row in rows])  # N×V
    labels = torch.arange(len(parts)).repeat_interleave(torch.tensor([*map(len, parts.values())]))
    return Table.from_values(counts, labels, tuple(parts), tuple(words))
