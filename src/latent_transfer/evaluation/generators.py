"""How good is a generator? Distances between samples and data in a named feature space."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from latent_transfer.evaluation._checks import check_count, check_features
from latent_transfer.evaluation.anomaly import auroc


def frechet_distance(real: torch.Tensor, samples: torch.Tensor) -> float:
    """Return ‖μ − μ̃‖² + tr(Σ + Σ̃ − 2·(Σ^½ Σ̃ Σ^½)^½): the Fréchet distance of two Gaussians.

    With Inception's features it is the FID. It is biased upwards for few samples: compare only
    scores from equally many.

    Equation: eq-frechet (Heusel et al. 2017).

    Args:
        real: Features of data, N×D.
        samples: Features of samples, M×D.

    Raises:
        ValueError: If the features differ in size, a sample has fewer than two, or a number is not
            finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import frechet_distance
        >>> real = torch.arange(20.0).view(10, 2)
        >>> round(frechet_distance(real, real + 1), 3)  # the means are (1, 1) apart
        2.0
    """
    real, samples = _check(real, samples)
    root = _root(real.T.cov())
    cross = _root(root @ samples.T.cov() @ root)
    spread = real.var(0).sum() + samples.var(0).sum() - 2 * cross.trace()
    return ((real.mean(0) - samples.mean(0)).square().sum() + spread).item()


def kernel_distance(real: torch.Tensor, samples: torch.Tensor) -> float:
    """Return the squared maximum mean discrepancy with the kernel (xᵀy/D + 1)³, without bias.

    With Inception's features it is the KID. It is zero on average where the distributions are
    equal, whatever the number of samples, and may come out slightly negative there.

    Equation: eq-kernel-distance (Bińkowski et al. 2018).

    Args:
        real: Features of data, N×D.
        samples: Features of samples, M×D.

    Raises:
        ValueError: If the features differ in size, a sample has fewer than two, or a number is not
            finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import kernel_distance
        >>> real = torch.arange(20.0).view(10, 2)
        >>> kernel_distance(real, real + 9) > kernel_distance(real, real + 1)
        True
    """
    real, samples = _check(real, samples)
    between = _kernel(real, samples).mean()  # of N×M
    return (_mean_off_diagonal(real) + _mean_off_diagonal(samples) - 2 * between).item()


class PrecisionRecall(NamedTuple):
    """How true samples are, and how much of the data they reach.

    Attributes:
        precision: Share of samples that lie among the data, in per cent.
        recall: Share of data that lie among the samples, in per cent.

    Example:
        >>> from latent_transfer.evaluation import PrecisionRecall
        >>> PrecisionRecall(precision=90.0, recall=40.0).recall
        40.0
    """

    precision: float
    recall: float


def precision_recall(
    real: torch.Tensor, samples: torch.Tensor, *, neighbours: int = 3
) -> PrecisionRecall:
    """Return whether samples look like data, and whether there is a sample like every datum.

    A set covers the balls around its points that reach to their k-th neighbours in the set.
    Precision is the share of samples in the data's balls, recall that of data in the samples'.

    Equation: eq-precision-recall (Kynkäänniemi et al. 2019).

    Args:
        real: Features of data, N×D.
        samples: Features of samples, M×D.
        neighbours: k.

    Raises:
        ValueError: If the features differ in size, a sample has k points or fewer, or a number is
            not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import precision_recall
        >>> real = torch.arange(20.0).view(10, 2)
        >>> precision_recall(real, real[:5])
        PrecisionRecall(precision=100.0, recall=80.0)
    """
    real, samples = _check(real, samples, neighbours)
    distances = torch.cdist(real, samples)  # N×M
    among_data = (distances <= _radii(real, neighbours)[:, None]).any(0)  # M
    among_samples = (distances <= _radii(samples, neighbours)).any(1)  # N
    return PrecisionRecall(_per_cent(among_data), _per_cent(among_samples))


class DensityCoverage(NamedTuple):
    """How true samples are, and how much of the data they reach, judged by the data alone.

    Attributes:
        density: In how many of the data's balls a sample lies, against k; about 1 for data.
        coverage: Share of the data's balls that hold a sample, in per cent.

    Example:
        >>> from latent_transfer.evaluation import DensityCoverage
        >>> DensityCoverage(density=1.1, coverage=40.0).coverage
        40.0
    """

    density: float
    coverage: float


def density_coverage(
    real: torch.Tensor, samples: torch.Tensor, *, neighbours: int = 5
) -> DensityCoverage:
    """Return precision and recall that one outlier cannot spoil: only the data's balls count.

    Equation: eq-density-coverage (Naeem et al. 2020).

    Args:
        real: Features of data, N×D.
        samples: Features of samples, M×D.
        neighbours: k.

    Raises:
        ValueError: If the features differ in size, a sample has k points or fewer, or a number is
            not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import density_coverage
        >>> real = torch.arange(20.0).view(10, 2)
        >>> density_coverage(real, real[:5], neighbours=3).coverage
        70.0
    """
    real, samples = _check(real, samples, neighbours)
    inside = torch.cdist(real, samples) <= _radii(real, neighbours)[:, None]  # N×M
    density = inside.double().sum(0).mean().item() / neighbours
    return DensityCoverage(density, _per_cent(inside.any(1)))


def copying(samples: torch.Tensor, train: torch.Tensor, held_out: torch.Tensor) -> float:
    """Return how often a sample is nearer to the training images than a held-out one, in per cent.

    About 50 for a generator that learnt the distribution, 100 for one that repeats its training
    images; far below 50 where its samples are like no image at all.

    Equation: eq-copying (Meehan et al. 2020).

    Args:
        samples: Features or pixels of samples, M×….
        train: Those of the images that the generator was trained on, N×….
        held_out: Those of other images of the same kind, K×….

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import copying
        >>> train, held_out = torch.arange(10.0).view(10, 1), torch.arange(10.0).view(10, 1) + 0.4
        >>> copying(train[:4], train, held_out)  # the samples repeat training images
        100.0
    """
    return 100 * auroc(nearest(held_out, train)[0], nearest(samples, train)[0])


def nearest(points: torch.Tensor, among: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the distance to the nearest of other points, and its position: N×…, M×… to N and N.

    Raises:
        ValueError: If there are none, they differ in size, or a number is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import nearest
        >>> nearest(torch.tensor([[1.0, 1.0]]), among=torch.tensor([[5.0, 5.0], [1.0, 2.0]]))
        (tensor([1.], dtype=torch.float64), tensor([1]))
    """
    points, among = points.flatten(1), among.flatten(1)
    check_features("Points", points, among)
    # In double precision, since cdist's shortcut loses small distances in single.
    distances = torch.cdist(points.double(), among.double())
    shortest, positions = distances.min(1)
    return shortest, positions


def real_against_real(
    score: Callable[[torch.Tensor, torch.Tensor], float],
    real: torch.Tensor,
    *,
    count: int,
    draws: int = 10,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return a score's own noise: what it says of two samples of the data themselves.

    Args:
        score: Of two sets of features, such as :func:`kernel_distance`.
        real: Features of data, N×D with N ≥ 2·count.
        count: Points in each sample; take as many as the samples that are judged.
        draws: How many pairs.
        generator: Decides them.

    Returns:
        ``draws`` scores. A generator whose score lies among them cannot be told from the data.

    Raises:
        ValueError: If there are too few points.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import energy_distance, real_against_real
        >>> real, generator = torch.arange(40.0).view(20, 2), torch.Generator().manual_seed(0)
        >>> real_against_real(energy_distance, real, count=8, draws=3, generator=generator).shape
        torch.Size([3])
    """
    check_count("count", count)
    check_count("draws", draws)
    if len(real) < 2 * count:
        raise ValueError(f"Two samples of {count} need {2 * count} points, not {len(real)}.")
    scores = []
    for _ in range(draws):
        first, second = torch.randperm(len(real), generator=generator)[: 2 * count].split(count)
        scores.append(score(real[first], real[second]))
    return torch.tensor(scores, dtype=torch.float64)


def _check(
    real: torch.Tensor, samples: torch.Tensor, neighbours: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    check_count("neighbours", neighbours)
    check_features("Features", real, samples, least=neighbours + 1)
    return real.detach().double(), samples.detach().double()


def _root(matrix: torch.Tensor) -> torch.Tensor:
    """The square root of a symmetric positive semi-definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    roots: torch.Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return roots


def _kernel(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first @ second.T / first.shape[1] + 1) ** 3


def _mean_off_diagonal(points: torch.Tensor) -> torch.Tensor:
    # A point beside itself is no pair of independent draws.
    kernel, count = _kernel(points, points), len(points)
    return (kernel.sum() - kernel.trace()) / (count * (count - 1))


def _radii(points: torch.Tensor, neighbours: int) -> torch.Tensor:
    # The nearest of all is the point itself.
    return torch.cdist(points, points).kthvalue(neighbours + 1).values


def _per_cent(hits: torch.Tensor) -> float:
    return 100 * hits.double().mean().item()
