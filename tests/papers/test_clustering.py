"""The clustering table: every row runs, and the two scores of a method are of the same clusters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latent_transfer import data, evaluation
from latent_transfer.papers.table import Place, Row
from latent_transfer.papers.tables import clustering

TABLE = clustering.TABLE
ROWS = {row.label: row for row in TABLE.rows}


def _measure(row: Row, folder: Path, seed: int = 0) -> float:
    chosen = TABLE.chosen(quick=True)
    settings = {key: value for key, value in chosen.items() if key in (row.uses or chosen)}
    torch.manual_seed(seed)
    return TABLE.measure(row, seed, settings, Place(folder, folder))


@pytest.mark.parametrize("label", [label for label in ROWS if "accuracy" in label])
def test_both_scores_are_of_the_same_clusters(tmp_path: Path, label: str) -> None:
    accuracy = _measure(ROWS[label], tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    information = _measure(ROWS[label.replace("accuracy", "NMI")], tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    assert 20 < accuracy <= 100  # better than one class for all
    assert 20 < information <= 100


def test_k_means_on_pixels_is_scikit_learns(tmp_path: Path) -> None:
    from sklearn.cluster import KMeans

    digits = data.load("digits")
    points = [images.pixels().flatten(1).numpy() for images in (digits.train, digits.test)]
    model = KMeans(10, n_init=TABLE.settings["starts"], random_state=4).fit(points[0])
    found = torch.from_numpy(model.predict(points[1])).long()
    truth = evaluation.clustering_accuracy(found, digits.test.labels)
    row = ROWS["k-means,features=pixels,score=accuracy"]
    assert _measure(row, tmp_path, seed=4) == pytest.approx(truth)


def test_rows_of_one_score_do_not_read_each_others_clusters(tmp_path: Path) -> None:
    # VaDE with and without labels share settings; only the pre-trained VAE is common.
    found = []
    for label in ("VaDE,score=accuracy", "VaDE,labels=100,score=accuracy"):
        _measure(ROWS[label], tmp_path)
        found.append({path.name for path in tmp_path.iterdir()})
    new = found[1] - found[0]
    assert len(found[0]) == 2
    assert len(new) == 1
    assert new.pop().startswith("clusters-")


def test_the_paper_stands_beside_its_own_row_only() -> None:
    published = [row.label for row in TABLE.rows if row.paper]
    assert published == ["VaDE,score=accuracy"]
