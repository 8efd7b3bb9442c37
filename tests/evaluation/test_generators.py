"""Scores of generators: what they must catch, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.data import load
from latent_transfer.evaluation import (
    classification_error,
    copying,
    density_coverage,
    frechet_distance,
    kernel_distance,
    nearest,
    precision_recall,
    real_against_real,
)
from latent_transfer.training import FeatureSpace, train_feature_space


def _normal(count: int, size: int, seed: int) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def test_a_generator_that_repeats_its_training_images_is_caught() -> None:
    train, held_out, fresh = _normal(200, 5, 0), _normal(200, 5, 1), _normal(200, 5, 2)
    assert copying(fresh, train, held_out) == pytest.approx(50, abs=8)
    assert copying(train[:50], train, held_out) == 100
    nearly = train[:50] + 0.01 * _normal(50, 5, 3)
    assert copying(nearly, train, held_out) > 99
    assert copying(10 + fresh, train, held_out) == 0  # like no image at all


def test_a_generator_of_one_mode_has_precision_and_no_recall() -> None:
    centres = torch.tensor([[0.0, 0.0], [20.0, 0.0]])
    real = torch.cat([centre + _normal(100, 2, i) for i, centre in enumerate(centres)])
    one_mode = centres[0] + _normal(200, 2, 5)
    assert precision_recall(real, one_mode).precision > 85
    assert precision_recall(real, one_mode).recall < 55
    assert density_coverage(real, one_mode).coverage < 55


def test_an_outlier_among_the_samples_inflates_recall_but_not_coverage() -> None:
    real, samples = _normal(100, 2, 0), 0.1 * _normal(100, 2, 1)
    spoilt = torch.cat([samples, torch.full((3, 2), 50.0)])
    assert precision_recall(real, spoilt).recall > precision_recall(real, samples).recall + 30
    assert density_coverage(real, spoilt).coverage == density_coverage(real, samples).coverage


def test_nearest_names_the_neighbour() -> None:
    among = _normal(10, 4, 0)
    distances, positions = nearest(among[[3, 7]] + 1e-3, among)
    assert positions.tolist() == [3, 7]
    torch.testing.assert_close(distances, torch.full((2,), 2e-3, dtype=torch.float64))


def test_features_do_not_depend_on_the_mode_or_on_the_other_images() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    space = FeatureSpace("toy", net.train())
    images = torch.rand(6, 1, 2, 2)
    together = space(images)
    assert net.training  # left as it was
    alone = torch.cat([space(image[None]) for image in images])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(FeatureSpace("toy", net, scale=2.0)(images), together / 2)
    assert net[2].num_batches_tracked == 0


def test_a_trained_space_knows_its_classes_and_has_unit_scale() -> None:
    data = load("digits", size=8)
    space = train_feature_space("digits, 8×8", data.train, channels=(16, 32), size=32, steps=200)
    assert classification_error(space.net, data.test).mean < 15
    features = space(data.train)
    assert features.shape == (len(data.train), 32)
    assert features.square().mean().item() == pytest.approx(1, rel=1e-4)


def test_real_against_real_is_the_noise_of_a_score() -> None:
    real = _normal(300, 4, 0)
    generator = torch.Generator().manual_seed(0)
    noise = real_against_real(kernel_distance, real, count=100, draws=20, generator=generator)
    assert noise.shape == (20,)
    assert abs(noise.mean()) < 2 * noise.std()
    assert kernel_distance(real[:100], real[100:200] + 2) > noise.max() + 5 * noise.std()
    with pytest.raises(ValueError, match="Two samples of 151 need 302 points, not 300"):
        real_against_real(kernel_distance, real, count=151, generator=generator)


@pytest.mark.parametrize(
    "score", [frechet_distance, kernel_distance, precision_recall, density_coverage]
)
def test_scores_refuse_features_that_do_not_fit(score: object) -> None:
    assert callable(score)
    with pytest.raises(ValueError, match="same D"):
        score(torch.rand(10, 3), torch.rand(10, 4))
    with pytest.raises(ValueError, match="points on each side are needed, not 10 and 1"):
        score(torch.rand(10, 3), torch.rand(1, 3))


def test_a_ball_reaches_to_its_neighbour_and_includes_it() -> None:
    # Each ball has radius 10; 20 and 10 lie exactly on the surfaces of each other's balls.
    real, samples = torch.tensor([[20.0], [30.0]]), torch.tensor([[0.0], [10.0]])
    assert precision_recall(real, samples, neighbours=1) == (50, 50)
    assert density_coverage(real, samples, neighbours=1) == (0.5, 50)
