"""A cell of a recorded table, measured again with another seed, belongs to what is recorded."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest
from scipy.stats import t

import latent_transfer as lt
from latent_transfer._random import seeded
from latent_transfer.papers.table import Place, find_table
from latent_transfer.records import recorded_names
from latent_transfer.session import find_data_root

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize(("name", "label", "needs"), [("kingma2014", "SVM,labels=100", "mnist")])
def test_another_seed_lands_within_the_recorded_spread(
    name: str, label: str, needs: str, tmp_path: Path
) -> None:
    if lt.data.where(needs) != "present":
        pytest.skip(f"{needs} is not under the data root")
    if name not in recorded_names():
        pytest.skip(f"{name} is not recorded")
    table = find_table(name)
    row = table.row(label)
    recorded = lt.recorded(name).row(row.method, **row.condition)
    count = len(recorded.values)
    place = Place(tmp_path, find_data_root())
    with seeded(count):
        value = table.measure(row, count, row.used(table.settings), place)
    # Where one more value falls with a probability of 99 %.
    assert recorded.std is not None
    reach = t.ppf(0.995, count - 1) * recorded.std * sqrt(1 + 1 / count)
    assert abs(value - recorded.mean) < reach
