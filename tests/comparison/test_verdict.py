"""The rule by which scores become findings, on scores made up so that the answer is known."""

from __future__ import annotations

import pytest
from scipy import stats

from latent_transfer.comparison import Difference, differences, verdict
from latent_transfer.comparison.verdict import FROZEN, OWN, SCRATCH, TUNED, points, spelt
from latent_transfer.transfer import Results, Score


def made_up(**gains: list[float]) -> Results:
    """From scratch 50, 60, 70, ...; each other way with a gain for each seed, at one budget."""
    count = len(gains["tuned"])
    names = {"frozen": FROZEN, "tuned": TUNED, "own": OWN}
    rows = [Score(SCRATCH, 5, seed, 50.0 + 10 * seed) for seed in range(count)]
    for key, name in names.items():
        rows += [
            Score(name, 5, seed, 50.0 + 10 * seed + gain)
            for seed, gain in enumerate(gains.get(key, [0.0] * count))
        ]
    return Results(tuple(rows))


def sentence(results: Results) -> str:
    return verdict(differences(results), "there", "here", len(results.scores(SCRATCH, 5)))


@pytest.mark.parametrize(
    ("gains", "finding", "corrected", "said"),
    [
        ([-3.0, -3.1, -2.9, -3.0, -3.0], "helped", True, "helped with 5 labelled images of each"),
        ([3.0, 3.1, 2.9, 3.0, 3.0], "hurt", True, "hurt with 5 labelled images of each class"),
        ([-3.0, -1.0, 0.5, -2.0, 0.0], "undecided", False, "no difference that 5 seeds could show"),
        # |t| = 3.95: beyond the 2.78 of one interval, below the 4.31 of four at once.
        ([-1.0, -2.0, -4.0, -1.5, -4.0], "helped", False, "with zero inside once corrected"),
    ],
)
def test_intervals_decide(gains: list[float], finding: str, corrected: bool, said: str) -> None:
    results = made_up(tuned=gains)
    row = differences(results)[0]
    assert (row.method, row.baseline, row.budget) == (TUNED, SCRATCH, 5)
    assert (row.finding, row.corrected) == (finding, corrected)
    assert row.mean == pytest.approx(sum(gains) / 5)
    assert row.interval is not None
    expected = stats.ttest_1samp(gains, 0.0).confidence_interval(0.95)
    assert row.interval == pytest.approx((expected.low, expected.high))
    assert said in sentence(results)
    assert f"95 % interval {spelt(row.interval)}" in sentence(results)
    assert ("zero inside" in sentence(results)) == (finding != "undecided" and not corrected)


def test_the_correction_counts_every_comparison() -> None:
    gains = [-1.0, -2.0, -3.0, -1.5, -3.0]
    reached = 1 - stats.ttest_1samp(gains, 0.0).pvalue  # the widest interval without zero
    assert 1 - 0.05 / 4 < reached < 1 - 0.05 / 8
    one = made_up(tuned=gains)
    two = Results(one.rows + tuple(Score(r.method, 20, r.seed, r.value) for r in one.rows))
    assert [row.corrected for row in differences(one)][:1] == [True]
    assert [row.corrected for row in differences(two)][:2] == [False, False]


def test_each_comparison_has_its_direction() -> None:
    noise = [0.1, -0.1, 0.0]
    results = made_up(
        tuned=[-4 + n for n in noise],
        frozen=[6 - n for n in noise],
        own=[-9 + 2 * n for n in noise],
    )
    found = {(row.method, row.baseline): row for row in differences(results)}
    assert {pair: round(row.mean) for pair, row in found.items()} == {
        (TUNED, SCRATCH): -4,
        (FROZEN, SCRATCH): 6,
        (OWN, SCRATCH): -9,
        (TUNED, OWN): 5,
    }
    assert found[FROZEN, SCRATCH].finding == found[TUNED, OWN].finding == "hurt"


@pytest.mark.parametrize("gain", [0.0, -2.0, -0.1])  # the last but for rounding
def test_without_spread_nothing_is_decided(gain: float) -> None:
    results = made_up(tuned=[gain] * 3)
    row = differences(results)[0]
    assert (row.interval, row.finding, row.corrected) == (None, "undecided", False)
    assert "for each of the 3 seeds" in sentence(results)
    assert f"{points(gain)} points of balanced error" in sentence(results)
    assert "too coarse for an interval" in sentence(results)


def test_the_sentence_names_every_budget_and_both_sets() -> None:
    rows = [
        Difference(TUNED, SCRATCH, 1, -2.0, (-3.0, -1.0), "helped", True),
        Difference(TUNED, SCRATCH, 1_000, 0.04, (-1.0, 1.08), "undecided", False),
        Difference(FROZEN, SCRATCH, 1, 77.0, (70.0, 80.0), "hurt", True),
    ]
    assert verdict(rows, "there", "here", 3) == (
        "Compared with training from scratch on here, fine-tuning the autoencoder that was "
        "pre-trained on there helped with 1 labelled image of each class (−2.0 points of balanced "
        "error, 95 % interval −3.0 to −1.0); and made no difference that 3 seeds could show with "
        "1,000 labelled images of each class (0.0 points of balanced error, 95 % interval −1.0 to "
        "+1.1)."
    )


@pytest.mark.parametrize(
    ("value", "shown"), [(1.25, "+1.2"), (-0.04, "0.0"), (-7.96, "−8.0"), (0.0, "0.0")]
)
def test_points_have_a_sign_but_zero_has_none(value: float, shown: str) -> None:
    assert points(value) == shown
