"""The anomaly table: what a detector is given, and that each of them runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from latent_transfer import data
from latent_transfer.papers.table import Place, Row
from latent_transfer.papers.tables import anomaly

TABLE = anomaly.TABLE


def _settings(row: Row, **changes: Any) -> dict[str, Any]:
    chosen = TABLE.chosen(quick=True) | changes
    return {key: value for key, value in chosen.items() if row.uses is None or key in row.uses}


def _measure(label: str, folder: Path, seed: int = 0, **changes: Any) -> float:
    row = TABLE.row(label)
    torch.manual_seed(seed)
    return TABLE.measure(row, seed, _settings(row, **changes), Place(folder, folder))


def test_the_anomalous_class_is_never_trained_on() -> None:
    digits = data.load("digits")
    split = anomaly.leave_one_out(digits.train, digits.test, 7, seed=0)
    assert len(split.train) == int((digits.train.labels != 7).sum())
    assert split.train.classes == ("unlabelled",)
    assert set(split.anomalous.labels.tolist()) == {7}
    assert set(split.normal.labels.tolist()) == set(range(10)) - {7}
    sevens = digits.train.images[digits.train.labels == 7]
    trained = {image.numpy().tobytes() for image in split.train.images}
    assert not any(image.numpy().tobytes() in trained for image in sevens)


def test_test_images_are_binary_and_the_seed_draws_them() -> None:
    digits = data.load("digits")
    first, again, other = (
        anomaly.leave_one_out(digits.train, digits.test, 3, seed=seed) for seed in (0, 0, 1)
    )
    assert set(first.normal.images.unique().tolist()) == {0, 255}
    assert torch.equal(first.normal.images, again.normal.images)
    assert not torch.equal(first.normal.images, other.normal.images)


@pytest.mark.parametrize("method", anomaly.DETECTORS)
def test_every_method_gives_an_area(tmp_path: Path, method: str) -> None:
    row = next(row for row in TABLE.rows if row.method == method and row.condition["anomaly"] == 0)
    value = _measure(row.label, tmp_path)
    # A zero is easy to tell from the other digits, whatever the method: no sign is turned round.
    # The correction alone may do harm: a zero takes more bytes than other digits.
    lowest = 0.2 if "complexity" in method else 0.6
    assert lowest < value <= 1


def test_rows_that_share_a_vae_train_it_once(tmp_path: Path) -> None:
    condition = "anomaly=2,latents=2"
    _measure(f"VAE: minus ELBO,{condition}", tmp_path)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    _measure(f"VAE: reconstruction probability,{condition}", tmp_path)
    assert kept.stat().st_mtime_ns == written
    _measure(f"VAE: minus ELBO,{condition}", tmp_path, seed=1)
    _measure(f"VAE: minus ELBO,{condition}", tmp_path, samples=1)
    assert len(list(tmp_path.iterdir())) == 3  # another seed, other settings: other files


def test_a_cell_can_be_measured_again(tmp_path: Path) -> None:
    label = "VAE: minus ELBO,anomaly=4,latents=32"
    values = [_measure(label, tmp_path / name) for name in ("one", "other")]
    assert values[0] == values[1]
    assert math.isfinite(values[0])


def test_the_thesis_stands_beside_its_own_rows_only() -> None:
    rows = [row for row in TABLE.rows if row.paper is not None]
    assert {row.method for row in rows} == {"VAE: minus ELBO"}
    assert len(rows) == 20
    worst = min(rows, key=lambda row: row.paper["mean"] if row.paper else 1)
    assert worst.condition == {"anomaly": 1, "latents": 32}
