"""What the scores allow to say: paired differences, their intervals, and one sentence.

The rule is fixed before any score is known: every comparison is made at every budget, and none is
chosen afterwards. A difference is decided if its 95 % interval over the seeds excludes zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from latent_transfer.transfer import Results

SCRATCH = "from scratch"
FROZEN = "source, frozen"
TUNED = "source, fine-tuned"
OWN = "own images, fine-tuned"

#: The first is the question that the verdict answers; the others stand beside it in a table.
COMPARISONS = ((TUNED, SCRATCH), (FROZEN, SCRATCH), (OWN, SCRATCH), (TUNED, OWN))

#: A spread below this, in percentage points, is none: all seeds gave the same difference.
NO_SPREAD = 1e-9


@dataclass(frozen=True)
class Difference:
    """Error of one method minus that of another at one budget, paired by seed.

    Attributes:
        method: The one that helped if the difference is negative.
        baseline: The one it is compared with.
        budget: Labelled images of each class.
        mean: Percentage points.
        interval: The 95 % Student-t interval of the mean; none if all seeds gave the same
            difference, because a test set too small to tell them apart says nothing of the spread.
        finding: ``"helped"``, ``"hurt"`` or ``"undecided"``.
        corrected: Whether the finding stays when all comparisons together may be wrong in 5 % of
            such experiments (Bonferroni); false for an undecided one.

    Example:
        >>> from latent_transfer.comparison import Difference, verdict
        >>> row = Difference(TUNED, SCRATCH, 5, -2.0, (-3.0, -1.0), "helped", True)
        >>> print(verdict([row], "digits", "pets", seeds=5))
        Compared with training from scratch on pets, fine-tuning the autoencoder that was
        pre-trained on digits helped with 5 labelled images of each class (−2.0 points of balanced
        error, 95 % interval −3.0 to −1.0).
    """

    method: str
    baseline: str
    budget: int
    mean: float
    interval: tuple[float, float] | None
    finding: str
    corrected: bool


def differences(results: Results) -> list[Difference]:
    """Return every comparison of :data:`COMPARISONS` at every budget, in this order.

    Args:
        results: Balanced test errors in per cent of the four ways.

    Example:
        >>> from latent_transfer.comparison import differences
        >>> from latent_transfer.transfer import Results, Score
        >>> errors = {SCRATCH: (40, 42), FROZEN: (50, 53), TUNED: (38, 40), OWN: (35, 36)}
        >>> rows = [Score(m, 5, s, e) for m in errors for s, e in enumerate(errors[m])]
        >>> [(row.mean, row.finding) for row in differences(Results(tuple(rows)))]
        [(-2.0, 'undecided'), (10.5, 'hurt'), (-5.5, 'undecided'), (3.5, 'undecided')]
    """
    cells = [(*pair, budget) for pair in COMPARISONS for budget in results.budgets]
    return [_difference(results, *cell, among=len(cells)) for cell in cells]


def verdict(found: list[Difference], source: str, target: str, seeds: int) -> str:
    """Tell the first comparison, fine-tuned against from scratch, in one sentence.

    Args:
        found: From :func:`differences`.
        source: Name of the source.
        target: Name of the target.
        seeds: Draws of labelled images.

    Returns:
        A sentence about all budgets, which also says what Bonferroni's correction takes back.

    Example:
        >>> from latent_transfer.comparison import Difference, verdict
        >>> row = Difference(TUNED, SCRATCH, 5, 1.0, (-2.0, 4.0), "undecided", False)
        >>> verdict([row], "digits", "pets", seeds=3)
        '... made no difference that 3 seeds could show with 5 labelled images of each class ...'
    """
    main = [row for row in found if (row.method, row.baseline) == COMPARISONS[0]]
    return (
        f"Compared with training from scratch on {target}, fine-tuning the autoencoder that was "
        f"pre-trained on {source} {_listed([_phrase(row, seeds) for row in main])}."
    )


def points(value: float) -> str:
    """Write a number of percentage points with its sign, a true minus.

    Example:
        >>> from latent_transfer.comparison.verdict import points
        >>> points(-2.04), points(0.3), points(-0.01)
        ('−2.0', '+0.3', '0.0')
    """
    rounded = round(value, 1)
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def spelt(interval: tuple[float, float] | None) -> str:
    """Write an interval of percentage points.

    Example:
        >>> from latent_transfer.comparison.verdict import spelt
        >>> spelt((-3.0, 1.0)), spelt(None)
        ('−3.0 to +1.0', 'none')
    """
    return "none" if interval is None else f"{points(interval[0])} to {points(interval[1])}"


def _difference(
    results: Results, method: str, baseline: str, budget: int, *, among: int
) -> Difference:
    estimate = results.difference(method, baseline, budget)
    if not estimate.standard_error > NO_SPREAD:
        return Difference(method, baseline, budget, estimate.mean, None, "undecided", False)
    low, high = estimate.interval()
    finding = "helped" if high < 0 else "hurt" if low > 0 else "undecided"
    widest = estimate.interval(1 - 0.05 / among)
    corrected = finding != "undecided" and not widest[0] <= 0 <= widest[1]
    return Difference(method, baseline, budget, estimate.mean, (low, high), finding, corrected)


def _phrase(row: Difference, seeds: int) -> str:
    where = f"with {row.budget:,} labelled image{'' if row.budget == 1 else 's'} of each class"
    size = f"{points(row.mean)} points of balanced error"
    if row.interval is None:
        return (
            f"made the same difference {where} for each of the {seeds} seeds ({size}), "
            "which is too coarse for an interval"
        )
    unseen = f"made no difference that {seeds} seeds could show"
    said = unseen if row.finding == "undecided" else row.finding
    doubtful = row.finding != "undecided" and not row.corrected
    caution = ", with zero inside once corrected for all comparisons" if doubtful else ""
    return f"{said} {where} ({size}, 95 % interval {spelt(row.interval)}{caution})"


def _listed(phrases: list[str]) -> str:
    *rest, last = phrases
    return f"{'; '.join(rest)}; and {last}" if rest else last
