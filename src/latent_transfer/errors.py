"""The package's own errors: each message says in one sentence what was wrong and what to do."""

from __future__ import annotations


class DataError(RuntimeError):
    """A data set is missing, damaged, unreadable, or not what it claims to be.

    Example:
        >>> import latent_transfer as lt
        >>> try:
        ...     lt.data.load("folder:nowhere")
        ... except lt.errors.DataError as error:
        ...     print(type(error).__name__)
        DataError
    """


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used: damaged, or written by another model, run or version.

    Example:
        >>> from latent_transfer.errors import CheckpointError
        >>> issubclass(CheckpointError, RuntimeError)
        True
    """


class ClaimFailed(AssertionError):
    """A claim that the book makes is false for the data at hand.

    Example:
        >>> import latent_transfer as lt
        >>> lt.claim("two is more than three", 2 > 3, two=2)
        Traceback (most recent call last):
        latent_transfer.errors.ClaimFailed: This claim does not hold here: two is more ... [two 2]
    """


class TrainingDiverged(RuntimeError):
    """A term of the loss, or a weight, is no longer finite.

    Attributes:
        epoch: Pass over the data in which it happened, counted from 1.
        batch: Batch within that pass, counted from 1.
        term: Name of the loss term, or ``"weights"``.

    Example:
        >>> from latent_transfer.errors import TrainingDiverged
        >>> error = TrainingDiverged(epoch=2, batch=7, term="kl", value=float("nan"))
        >>> error.epoch, error.term
        (2, 'kl')
    """

    def __init__(self, epoch: int, batch: int, term: str, value: float) -> None:
        self.epoch, self.batch, self.term = epoch, batch, term
        super().__init__(
            f"Training diverged in epoch {epoch}, batch {batch}: {term!r} became {value}; "
            "try a lower learning rate, or look at the batch that caused it."
        )
