"""A claim passes, fails, or is refused; it never passes by accident."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_transfer import claim
from latent_transfer.errors import ClaimFailed


def test_a_true_claim_prints_itself_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    claim("Ice floats", True, density_of_ice=0.9167, trials=3)
    assert capsys.readouterr().out == "✓ Ice floats [density of ice 0.9167, trials 3]\n"


def test_a_false_claim_fails_with_its_figures() -> None:
    with pytest.raises(ClaimFailed, match=r"Ice sinks \[density 0\.9\]"):
        claim("Ice sinks", False, density=0.9)


@pytest.mark.parametrize("true", [torch.tensor(True), np.bool_(True)])
def test_scalar_truth_values_of_numpy_and_torch_count(true: object) -> None:
    claim("True", true)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [None, 1, 0.5, "yes", torch.tensor(0.3), (True,), [1]])
def test_anything_else_is_refused(other: object) -> None:
    with pytest.raises(TypeError, match="one truth value"):
        claim("A number is no truth value", other)  # type: ignore[arg-type]


def test_a_tensor_of_many_truth_values_is_refused() -> None:
    with pytest.raises((TypeError, RuntimeError, ValueError)):
        claim("Which one?", torch.tensor([True, False]))
