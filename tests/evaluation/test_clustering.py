"""Agreement of clusters with classes, whatever the clusters are called."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import evaluation

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2])


def test_renaming_clusters_changes_nothing() -> None:
    renamed = torch.tensor([2, 0, 1])[LABELS]
    assert evaluation.clustering_accuracy(renamed, LABELS) == 100
    assert evaluation.normalized_mutual_information(renamed, LABELS) == pytest.approx(100)
    assert evaluation.match_clusters(renamed, LABELS) == {2: 0, 0: 1, 1: 2}


def test_one_cluster_gets_one_name() -> None:
    # Two clusters that both hold class 2: only the larger may be called so.
    clusters = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 2])
    assert evaluation.match_clusters(clusters, LABELS)[1] == 2
    assert evaluation.clustering_accuracy(clusters, LABELS) == pytest.approx(100 * 6 / 9)


def test_more_clusters_than_classes_leave_some_without_a_name() -> None:
    clusters = torch.arange(9)
    assert evaluation.clustering_accuracy(clusters, LABELS) == pytest.approx(100 * 3 / 9)
    assert len(evaluation.match_clusters(clusters, LABELS)) == 3


def test_fewer_clusters_than_classes_leave_classes_out() -> None:
    assert evaluation.clustering_accuracy(torch.zeros(9).long(), LABELS) == pytest.approx(400 / 9)
    constant = evaluation.normalized_mutual_information(torch.zeros(9).long(), LABELS)
    assert constant == pytest.approx(0)


@pytest.mark.parametrize(
    ("clusters", "labels"),
    [
        (torch.zeros(3).long(), torch.zeros(4).long()),
        (torch.zeros(0).long(), torch.zeros(0).long()),
        (torch.zeros(2, 2).long(), torch.zeros(2, 2).long()),
    ],
)
def test_lists_that_do_not_fit_are_refused(clusters: torch.Tensor, labels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="same length"):
        evaluation.clustering_accuracy(clusters, labels)


def test_a_negative_cluster_is_refused() -> None:
    # scikit-learn's DBSCAN calls noise −1.
    with pytest.raises(ValueError, match="counted from 0"):
        evaluation.clustering_accuracy(torch.tensor([-1, 0]), torch.tensor([0, 1]))
