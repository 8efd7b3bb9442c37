"""Do clusters agree with classes? Clusters have no names, so that first one must be found."""

from __future__ import annotations

import torch

from latent_transfer.evaluation._checks import check_labels


def match_clusters(clusters: torch.Tensor, labels: torch.Tensor) -> dict[int, int]:
    """Name each cluster after a class, one to one, so that most images are right.

    Without as many classes as clusters some clusters stay without a name.

    Args:
        clusters: N numbers of clusters.
        labels: N numbers of classes.

    Returns:
        Cluster to class.

    Raises:
        ValueError: If the two are not of one length, there are none, or they are not counted in
            whole numbers from 0.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import match_clusters
        >>> match_clusters(clusters=torch.tensor([1, 1, 0]), labels=torch.tensor([0, 0, 1]))
        {0: 1, 1: 0}
    """
    from scipy.optimize import linear_sum_assignment

    table = _contingency(clusters, labels)  # clusters × classes
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True)}


def clustering_accuracy(clusters: torch.Tensor, labels: torch.Tensor) -> float:
    """Return how many images have a cluster named as their class, in per cent, at best.

    The matching is the one-to-one naming that maximises it, found by the Hungarian algorithm; the
    labels serve for naming only, but on the very images that are scored, so that even random
    clusters score a little more than chance.

    Equation: eq-clustering-accuracy.

    Args:
        clusters: N numbers of clusters.
        labels: N numbers of classes.

    Raises:
        ValueError: If the two are not of one length, there are none, or they are not counted in
            whole numbers from 0.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import clustering_accuracy
        >>> clustering_accuracy(
        ...     clusters=torch.tensor([1, 1, 0, 0]), labels=torch.tensor([0, 0, 1, 0])
        ... )
        75.0
    """
    names = match_clusters(clusters, labels)
    named = torch.tensor([names.get(int(cluster), -1) for cluster in clusters])
    return 100 * (named == labels.cpu()).double().mean().item()


def normalized_mutual_information(clusters: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the mutual information of clusters and classes over their mean entropy, in per cent.

    Needs no matching, and counts how much one tells about the other, however many there are.

    Args:
        clusters: N numbers of clusters.
        labels: N numbers of classes.

    Raises:
        ValueError: If the two are not of one length, there are none, or they are not counted in
            whole numbers from 0.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import normalized_mutual_information
        >>> round(normalized_mutual_information(torch.tensor([1, 1, 0]), torch.tensor([0, 0, 1])))
        100
    """
    from sklearn.metrics import normalized_mutual_info_score

    _check(clusters, labels)
    return 100 * float(normalized_mutual_info_score(labels.cpu().numpy(), clusters.cpu().numpy()))


def _contingency(clusters: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    _check(clusters, labels)
    clusters, labels = clusters.cpu().long(), labels.cpu().long()
    rows, columns = int(clusters.max()) + 1, int(labels.max()) + 1
    counts = torch.bincount(clusters * columns + labels, minlength=rows * columns)
    return counts.view(rows, columns)


def _check(clusters: torch.Tensor, labels: torch.Tensor) -> None:
    if clusters.shape != labels.shape or clusters.dim() != 1 or not len(clusters):
        raise ValueError(
            "Clusters and labels must be two lists of the same length, at least one, "
            f"not of shapes {tuple(clusters.shape)} and {tuple(labels.shape)}."
        )
    check_labels("Clusters", clusters)
    check_labels("Classes", labels)
