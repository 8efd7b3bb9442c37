"""Equations of the chapter on distilling generative models that it adds itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_transfer.training import forgetting


def _table(tasks: int, seed: int) -> torch.Tensor:
    accuracies = 100 * torch.rand(tasks, tasks, generator=torch.Generator().manual_seed(seed))
    future = torch.ones(tasks, tasks).triu(1).bool()
    return accuracies.double().masked_fill(future, torch.nan)


@pytest.mark.equation("eq-forgetting")
@pytest.mark.parametrize("tasks", [2, 3, 6])
def test_forgetting_is_the_mean_fall_from_the_best(tasks: int) -> None:
    table = _table(tasks, seed=tasks)
    falls = []
    for task in range(tasks - 1):  # the definition, task by task, with NumPy
        history = table[:-1, task].numpy()
        falls.append(np.nanmax(history) - table[-1, task].item())
    assert forgetting(table) == pytest.approx(np.mean(falls))


@pytest.mark.equation("eq-forgetting")
def test_forgetting_of_known_tables() -> None:
    nan = torch.nan
    everything = torch.tensor([[100.0, nan, nan], [0.0, 100.0, nan], [0.0, 0.0, 100.0]])
    nothing = torch.tensor([[80.0, nan], [80.0, 10.0]])
    regained = torch.tensor([[80.0, nan, nan], [20.0, 60.0, nan], [80.0, 70.0, 90.0]])
    assert forgetting(everything) == 100
    assert forgetting(nothing) == 0  # the newest task does not count
    assert forgetting(regained) == pytest.approx((0 - 10) / 2)
