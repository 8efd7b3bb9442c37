"""The words of this book's own paragraphs, counted."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from latent_transfer.data.entry import Entry, Parts
from latent_transfer.data.splits import hold_out_thirds
from latent_transfer.data.table import Table

#: The counted words of the book's own chapters, as tools/count_words.py writes them.
FILE = Path(__file__).with_name("book_words.json")


def read(root: Path, standardise: bool = False) -> Parts:
    """Load the counts, with the parts of the book as classes.

    Args:
        root: Not needed: the counts are part of the package.
        standardise: Refused: counts are no counts once standardised.

    Returns:
        Two thirds of the paragraphs of each part for training, one third for testing.

    Raises:
        ValueError: If the counts are to be standardised.
    """
    if standardise:
        raise ValueError("book_words holds counts, which are no counts once standardised.")
    content = json.loads(FILE.read_text(encoding="utf-8"))
    words, parts = content["words"], content["paragraphs"]
    rows = [torch.tensor(numbers) for part in parts.values() for numbers in part]
    counts = torch.stack([torch.bincount(row, minlength=len(words)) for row in rows])  # N×V
    labels = torch.arange(len(parts)).repeat_interleave(torch.tensor([*map(len, parts.values())]))
    return Parts(*hold_out_thirds(Table.from_values(counts, labels, tuple(parts), tuple(words))))


ENTRIES = [
    Entry(
        name="book_words",
        title="counted words of the paragraphs of this book",
        train=544,
        test=270,
        shape=(839, 1, 1),
        classes=("foundations", "transfer", "semi_supervised", "distillation"),
        licence="CC BY 4.0",
        citation="the text of this book",
        read=read,
        options=("standardise",),
    )
]
