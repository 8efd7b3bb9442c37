"""The package's own errors: each message is one sentence saying what was wrong and what to do."""

from __future__ import annotations


class DataError(RuntimeError):
    """A data set is missing, damaged, unreadable, or not what it claims to be."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used: damaged, or written by another model, run or version."""


class ClaimFailed(AssertionError):
    """A claim that the book makes is false on the data at hand."""


class TrainingDiverged(RuntimeError):
    """A term of the loss, or a weight, stopped being finite.

    Attributes:
        epoch: Pass over the data in which it happened, counted from 1.
        batch: Batch within that pass, counted from 1.
        term: Name of the loss term, or ``"weights"``.
    """

    def __init__(self, epoch: int, batch: int, term: str, value: float) -> None:
        self.epoch, self.batch, self.term = epoch, batch, term
        super().__init__(
            f"Training diverged in epoch {epoch}, batch {batch}: {term!r} became {value}; "
            "try a lower learning rate, or look at the batch that caused it."
        )
