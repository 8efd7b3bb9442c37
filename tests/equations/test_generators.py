"""Scores of generators against closed forms, other libraries and their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from latent_transfer import _torchvision
from latent_transfer.evaluation import (
    copying,
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)


def _points(count: int, size: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return torch.randn(count, size, generator=generator, dtype=torch.float64) @ mixing + shift


@pytest.mark.equation("eq-frechet")
def test_frechet_distance_of_gaussians_is_known() -> None:
    # Whitened exactly, so that the samples' own moments are the Gaussians'.
    points = _points(500, 3, 0)
    points = points - points.mean(0)
    white = points @ torch.linalg.inv(torch.linalg.cholesky(points.T.cov())).T
    stds, others = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 2.0, 0.5])
    mean = torch.tensor([1.0, -2.0, 0.5])
    distance = frechet_distance(white * stds, white * others + mean)
    expected = mean.square().sum() + (stds - others).square().sum()  # variances side by side
    assert distance == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.equation("eq-frechet")
def test_frechet_distance_against_the_matrix_root_of_scipy() -> None:
    first, second = _points(200, 5, 1), _points(150, 5, 2, shift=0.7)
    covariances = first.T.cov().numpy(), second.T.cov().numpy()
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = (first.mean(0) - second.mean(0)).square().sum().item()
    expected += np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


class _Pixels(torch.nn.Module):
    """Three pixels of an image as its features, for the metrics of torchmetrics."""

    num_features = 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :3].double()


@pytest.mark.equation("eq-frechet")
def test_frechet_distance_against_torchmetrics() -> None:
    _torchvision.load()
    from torchmetrics.image.fid import FrechetInceptionDistance

    first, second = _points(60, 3, 3), _points(50, 3, 4, shift=1.0)
    metric = FrechetInceptionDistance(feature=_Pixels(), normalize=True, input_img_size=(3, 1, 1))
    metric.set_dtype(torch.float64)
    # The metric hands images over as they are when their own net is given and they are floats.
    metric.normalize = False
    metric.update(first.view(-1, 3, 1, 1), real=True)
    metric.update(second.view(-1, 3, 1, 1), real=False)
    assert frechet_distance(first, second) == pytest.approx(metric.compute().item(), rel=1e-4)


@pytest.mark.equation("eq-kernel-distance")
def test_kernel_distance_pair_by_pair() -> None:
    first, second = _points(7, 4, 5), _points(5, 4, 6)

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return float((x @ y / 4 + 1) ** 3)

    def within(points: torch.Tensor) -> float:
        count = range(len(points))
        pairs = [kernel(points[i], points[j]) for i in count for j in count if i != j]
        return sum(pairs) / len(pairs)

    between = [kernel(x, y) for x in first for y in second]
    expected = within(first) + within(second) - 2 * sum(between) / len(between)
    assert kernel_distance(first, second) == pytest.approx(expected)


@pytest.mark.equation("eq-kernel-distance")
def test_kernel_distance_against_torchmetrics() -> None:
    _torchvision.load()
    from torchmetrics.image.kid import poly_mmd

    first, second = _points(40, 6, 7), _points(40, 6, 8, shift=0.3)
    assert kernel_distance(first, second) == pytest.approx(poly_mmd(first, second).item())


@pytest.mark.equation("eq-kernel-distance")
def test_kernel_distance_is_unbiased_where_the_frechet_distance_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(300, 2, 20, 8, generator=generator, dtype=torch.float64)
    kernel = torch.tensor([kernel_distance(*pair) for pair in draws])
    frechet = torch.tensor([frechet_distance(*pair) for pair in draws])
    assert abs(kernel.mean()) < 3 * kernel.std() / 300**0.5
    assert frechet.mean() > 10 * frechet.std() / 300**0.5


@pytest.mark.equation("eq-precision-recall")
def test_precision_and_recall_ball_by_ball() -> None:
    real, fake = _points(30, 2, 9), _points(25, 2, 10, shift=0.5)

    def covered(point: torch.Tensor, cloud: torch.Tensor) -> bool:
        for centre in cloud:
            radius = (cloud - centre).norm(dim=1).sort().values[3]  # itself, then its neighbours
            if (point - centre).norm() <= radius:
                return True
        return False

    scores = precision_recall(real, fake, neighbours=3)
    assert scores.precision == pytest.approx(100 * np.mean([covered(p, real) for p in fake]))
    assert scores.recall == pytest.approx(100 * np.mean([covered(p, fake) for p in real]))


@pytest.mark.equation("eq-density-coverage")
def test_density_and_coverage_ball_by_ball() -> None:
    real, fake = _points(30, 2, 11), _points(25, 2, 12, shift=0.5)
    radii = [(real - centre).norm(dim=1).sort().values[5] for centre in real]
    inside = [
        [bool((point - centre).norm() <= radius) for point in fake]
        for centre, radius in zip(real, radii, strict=True)
    ]
    scores = density_coverage(real, fake, neighbours=5)
    assert scores.density == pytest.approx(np.sum(inside) / (5 * 25))
    assert scores.coverage == pytest.approx(100 * np.mean([any(row) for row in inside]))


@pytest.mark.equation("eq-density-coverage")
def test_density_and_coverage_of_the_data_itself_are_near_their_expectation() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 500, 4, generator=generator)
    scores = density_coverage(real, fake, neighbours=5)
    assert scores.density == pytest.approx(1, abs=0.1)
    assert scores.coverage == pytest.approx(100 * (1 - 0.5**5), abs=3)  # Naeem et al., Lemma 2


@pytest.mark.equation("eq-copying")
def test_copying_pair_by_pair() -> None:
    samples, train, held_out = _points(6, 3, 13), _points(8, 3, 14), _points(5, 3, 15)

    def distance(point: torch.Tensor) -> float:
        return min(float((point - other).norm()) for other in train)

    wins = [distance(one) < distance(two) for one in samples for two in held_out]
    assert copying(samples, train, held_out) == pytest.approx(100 * np.mean(wins))
