"""A mean comes with its uncertainty, and the uncertainty means what it says."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from latent_transfer.evaluation import Estimate


def test_mean_and_standard_error() -> None:
    estimate = Estimate.of(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert estimate.mean == 3
    assert estimate.standard_error == pytest.approx(math.sqrt(14 / 3) / 2)
    assert estimate.count == 4
    assert str(estimate) == "3.00 ± 1.08"


def test_a_single_value_has_no_standard_error() -> None:
    assert math.isnan(Estimate.of(torch.tensor(2.0)).standard_error)


def test_no_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        Estimate.of(torch.tensor([]))


def test_the_interval_is_students() -> None:
    values = torch.tensor([1.0, 2.0, 4.0, 8.0])
    expected = stats.t.interval(0.9, 3, values.mean(), stats.sem(values.numpy()))
    assert Estimate.of(values).interval(0.9) == pytest.approx(expected)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(2000, 5, generator=generator)
    intervals = [Estimate.of(draw).interval(0.8) for draw in draws]
    covered = sum(low < 0 < high for low, high in intervals) / 2000
    assert covered == pytest.approx(0.8, abs=0.04)
