"""The scores of transferability against their definitions, solvers and closed cases."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import linalg, optimize, stats
from sklearn.cross_decomposition import CCA
from torch.distributions import MultivariateNormal

from latent_transfer.transfer.scores import h_score, leep, linear_cka, log_me

Array = NDArray[np.float64]
Score = Callable[[torch.Tensor, torch.Tensor], float]


@pytest.fixture
def source() -> np.random.Generator:
    return np.random.default_rng(3)


def labelled(
    source: np.random.Generator, images: int, size: int, classes: int = 3
) -> tuple[Array, NDArray[np.int64]]:
    """Features whose means differ a little from class to class; no class is empty."""
    labels = source.permutation(np.arange(images) % classes)
    means = source.normal(size=(classes, size))
    mixing = source.normal(size=(size, size))
    return (means[labels] + source.normal(size=(images, size))) @ mixing + 0.7, labels


def score(function: Score, features: Array, labels: NDArray[np.int64]) -> float:
    return function(torch.from_numpy(features), torch.from_numpy(labels))


# -- LEEP -----------------------------------------------------------------------------------


@pytest.mark.equation("eq-leep")
def test_leep_is_its_definition(source: np.random.Generator) -> None:
    probabilities = source.dirichlet([0.4] * 4, size=30)
    labels = source.permutation(np.arange(30) % 3)
    total = 0.0
    for image in range(30):
        expected = 0.0
        for z in range(4):
            called = sum(probabilities[n, z] for n in range(30))
            agreeing = sum(probabilities[n, z] for n in range(30) if labels[n] == labels[image])
            expected += agreeing / called * probabilities[image, z]
        total += math.log(expected)
    assert score(leep, probabilities, labels) == pytest.approx(total / 30, rel=1e-12)


@pytest.mark.equation("eq-leep")
def test_leep_of_a_renamed_target_is_zero() -> None:
    labels = torch.tensor([0, 1, 2, 1, 0, 2, 2])
    renamed = torch.eye(5)[torch.tensor([4, 0, 2])[labels]]  # the source's classes 1 and 3 idle
    assert leep(renamed, labels) == 0


@pytest.mark.equation("eq-leep")
def test_leep_of_an_indifferent_source_is_minus_the_label_entropy(
    source: np.random.Generator,
) -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    probabilities = np.tile(source.dirichlet([1.0] * 6), (100, 1))
    expected = -stats.entropy([0.5, 0.3, 0.2])
    assert score(leep, probabilities, labels) == pytest.approx(expected, rel=1e-12)


def test_leep_forgives_the_rounding_of_a_float32_softmax(source: np.random.Generator) -> None:
    logits = torch.from_numpy(source.normal(size=(40, 300)))
    labels = torch.arange(40) % 4
    assert leep((1 + 1e-5) * torch.eye(2), torch.tensor([0, 1])) == 0
    rounded = leep(logits.float().softmax(1), labels)
    assert rounded == pytest.approx(leep(logits.softmax(1), labels), rel=1e-5)


@pytest.mark.parametrize("row", [[0.5, 0.6], [0.5, 0.4], [-0.5, 1.5]])
def test_leep_refuses_rows_that_are_no_distribution(row: list[float]) -> None:
    probabilities = torch.tensor([[0.5, 0.5], row])
    with pytest.raises(ValueError, match="nonnegative and sum to one"):
        leep(probabilities, torch.tensor([0, 1]))


# -- LogME ----------------------------------------------------------------------------------


def greatest_log_evidence(features: Array, target: Array) -> float:
    """Search log α and log β for the greatest log N(y; 0, I/β + FFᵀ/α), from several starts."""
    outer, identity = features @ features.T, np.eye(len(target))

    def negative(logs: Array) -> float:
        covariance = np.exp(-logs[1]) * identity + np.exp(-logs[0]) * outer
        law = MultivariateNormal(torch.zeros(len(target)).double(), torch.from_numpy(covariance))
        return -law.log_prob(torch.from_numpy(target)).item()

    starts = [(a, b) for a in (-3.0, 1.0, 5.0, 9.0) for b in (-1.0, 2.0, 5.0)]
    bounds = [(-6.0, 14.0), (-6.0, 14.0)]
    results = (optimize.minimize(negative, start, bounds=bounds) for start in starts)
    return -min(float(result.fun) for result in results)


def mean_greatest_log_evidence(features: Array, labels: NDArray[np.int64]) -> float:
    targets = [(labels == label).astype(float) for label in np.unique(labels)]
    return float(np.mean([greatest_log_evidence(features, y) for y in targets])) / len(labels)


@pytest.mark.equation("eq-log-me")
@pytest.mark.parametrize(("images", "size"), [(40, 3), (25, 8), (12, 12), (10, 16)])
def test_log_me_is_the_greatest_evidence(
    source: np.random.Generator, images: int, size: int
) -> None:
    features, labels = labelled(source, images, size)
    expected = mean_greatest_log_evidence(features, labels)
    assert score(log_me, features, labels) == pytest.approx(expected, abs=1e-5)


@pytest.mark.equation("eq-log-me")
def test_log_me_of_rank_deficient_features_with_constant_columns(
    source: np.random.Generator,
) -> None:
    features, labels = labelled(source, 20, 3)
    columns = [features, features @ source.normal(size=(3, 2)), np.ones((20, 1)), np.zeros((20, 1))]
    wide = np.hstack(columns)
    expected = mean_greatest_log_evidence(wide, labels)
    assert score(log_me, wide, labels) == pytest.approx(expected, abs=1e-5)


def two_maxima() -> tuple[Array, NDArray[np.int64]]:
    """A strong column that says a little hides a weak pair that says almost everything."""
    labels = np.arange(40) % 2
    noise = np.random.default_rng(0).normal(size=(3, 40))
    strong = 30 * (0.2 + noise[0])
    weak = [labels + 0.2 * noise[1], 1 - labels + 0.2 * noise[2]]
    return np.stack([strong, *weak], axis=1), labels


@pytest.mark.equation("eq-log-me")
def test_log_me_finds_the_higher_of_two_maxima() -> None:
    features, labels = two_maxima()
    expected = mean_greatest_log_evidence(features, labels)
    assert score(log_me, features, labels) == pytest.approx(expected, abs=1e-5)


@pytest.mark.equation("eq-log-me")
def test_log_me_of_features_that_say_nothing_is_that_of_noise_alone() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    rate = stats.norm(0, math.sqrt(0.5))  # the best variance of three ones and three zeros
    expected = (rate.logpdf(0) + rate.logpdf(1)) / 2
    orthogonal = torch.tensor([[1.0, -1, 0, 1, -1, 0]]).T
    for features in (torch.zeros(6, 4), orthogonal):
        assert log_me(features, labels) == pytest.approx(expected, rel=1e-12)


@pytest.mark.equation("eq-log-me")
def test_log_me_has_no_bound_where_the_labels_are_among_the_features() -> None:
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    assert log_me(torch.eye(3)[labels], labels) == math.inf


def test_log_me_of_as_many_dimensions_as_images_is_finite() -> None:
    labels = torch.tensor([0, 1, 0, 1])
    rate = stats.norm(0, math.sqrt(0.5))
    # FFᵀ = I: the weights are then one more noise, whatever the ratio of the two.
    expected = (rate.logpdf(0) + rate.logpdf(1)) / 2
    assert log_me(torch.eye(4), labels) == pytest.approx(expected, rel=1e-12)


def test_log_me_does_not_depend_on_the_unit_of_the_features() -> None:
    features, labels = two_maxima()
    values = [score(log_me, factor * features, labels) for factor in (1e-15, 1.0, 1e15)]
    assert values == pytest.approx([values[1]] * 3, rel=1e-9)


# -- H-score --------------------------------------------------------------------------------


@pytest.mark.equation("eq-h-score")
@pytest.mark.parametrize(("size", "classes"), [(2, 5), (6, 3)])
def test_h_score_is_the_trace_of_its_definition(
    source: np.random.Generator, size: int, classes: int
) -> None:
    features, labels = labelled(source, 50, size, classes)
    means = np.stack([features[labels == label].mean(0) for label in labels])  # E[f | y], N×D
    within, between = (np.cov(f, rowvar=False) for f in (features, means))
    expected = linalg.eigh(between, within, eigvals_only=True).sum()
    assert score(h_score, features, labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.equation("eq-h-score")
def test_h_score_is_the_sum_of_squared_canonical_correlations(
    source: np.random.Generator,
) -> None:
    features, labels = labelled(source, 80, 4)
    indicators = np.eye(3)[labels][:, :2]  # the third column follows from the two
    variates = CCA(n_components=2, max_iter=5000, tol=1e-12).fit_transform(features, indicators)
    correlations = [np.corrcoef(u, v)[0, 1] for u, v in zip(*(v.T for v in variates), strict=True)]
    expected = np.square(correlations).sum()
    assert score(h_score, features, labels) == pytest.approx(expected, rel=1e-6)


@pytest.mark.equation("eq-h-score")
def test_h_score_of_a_singular_covariance_ignores_what_repeats(source: np.random.Generator) -> None:
    features, labels = labelled(source, 40, 3)
    repeats = [features, features @ source.normal(size=(3, 2)), np.full((40, 1), 0.1)]
    expected = score(h_score, features, labels)
    assert score(h_score, np.hstack(repeats), labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.equation("eq-h-score")
def test_h_score_of_more_dimensions_than_images_is_the_number_of_classes_less_one(
    source: np.random.Generator,
) -> None:
    features = source.normal(size=(20, 30))
    assert score(h_score, features, np.arange(20) % 4) == pytest.approx(3, rel=1e-9)


def test_h_score_of_constant_features_is_zero() -> None:
    assert h_score(torch.full((3, 2), 0.1, dtype=torch.float64), torch.tensor([0, 1, 1])) == 0


# -- CKA ------------------------------------------------------------------------------------


def hsic(first: Array, second: Array) -> float:
    """The Hilbert-Schmidt independence criterion of linear kernels, tr(KHLH)/(N − 1)²."""
    images = len(first)
    centring = np.eye(images) - np.ones((images, images)) / images
    kernels = (first @ first.T @ centring, second @ second.T @ centring)
    return float(np.trace(kernels[0] @ kernels[1])) / (images - 1) ** 2


@pytest.mark.equation("eq-cka")
@pytest.mark.parametrize("sizes", [(3, 5), (3, 40), (40, 3), (40, 50)])
def test_cka_is_the_normalised_hsic(source: np.random.Generator, sizes: tuple[int, int]) -> None:
    common = source.normal(size=(20, 2))
    first, second = (
        common @ source.normal(size=(2, size)) + source.normal(size=(20, size)) + 1.5
        for size in sizes
    )
    expected = hsic(first, second) / math.sqrt(hsic(first, first) * hsic(second, second))
    value = linear_cka(torch.from_numpy(first), torch.from_numpy(second))
    assert value == pytest.approx(expected, rel=1e-9)


@pytest.mark.equation("eq-cka")
@pytest.mark.parametrize("factor", [1e-100, 2.5, 1e100])
def test_cka_sees_no_rotation_scale_or_shift(source: np.random.Generator, factor: float) -> None:
    features = torch.from_numpy(source.normal(size=(30, 4)))
    rotation = torch.from_numpy(stats.ortho_group(4, seed=1).rvs())
    assert linear_cka(features, factor * (features @ rotation + 3)) == pytest.approx(1, abs=1e-12)


@pytest.mark.equation("eq-cka")
def test_cka_of_linearly_related_features_is_below_one(source: np.random.Generator) -> None:
    draws = source.normal(size=(30, 2))
    basis = np.linalg.qr(draws - draws.mean(0))[0]  # uncorrelated, of equal variance and mean 0
    stretched = basis * [1.0, 3.0]
    # ‖XᵀY‖² / (‖XᵀX‖‖YᵀY‖) with XᵀX = I, XᵀY = diag(1, 3) and YᵀY = diag(1, 9)
    expected = 10 / math.sqrt(2 * 82)
    value = linear_cka(torch.from_numpy(basis), torch.from_numpy(stretched))
    assert value == pytest.approx(expected, rel=1e-9)


@pytest.mark.equation("eq-cka")
def test_cka_of_independent_features_vanishes_with_many_images(source: np.random.Generator) -> None:
    first, second = (torch.from_numpy(source.normal(size=(20_000, 5))) for _ in range(2))
    assert 0 <= linear_cka(first, second) < 2e-3


def test_cka_does_not_exceed_one_by_rounding() -> None:
    for seed in range(20):
        features = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed)).double()
        assert 1 - 1e-12 < linear_cka(features, 3 * features) <= 1


@pytest.mark.equation("eq-cka")
def test_cka_of_features_with_themselves_is_one(source: np.random.Generator) -> None:
    for size in (3, 30):
        features = torch.from_numpy(source.normal(size=(12, size)))
        assert linear_cka(features, features) == pytest.approx(1, abs=1e-12)


def test_cka_refuses_features_without_variance() -> None:
    varied = torch.arange(6.0).view(3, 2)
    constant = torch.full((3, 4), 0.1, dtype=torch.float64)  # its mean is not 0.1, by rounding
    for pair in ((varied, constant), (constant, varied)):
        with pytest.raises(ValueError, match="vary from image to image"):
            linear_cka(*pair)


def test_cka_refuses_features_of_different_images() -> None:
    with pytest.raises(ValueError, match="same images, not of 4 and 5"):
        linear_cka(torch.randn(4, 2), torch.randn(5, 2))


# -- what all refuse ------------------------------------------------------------------------

SCORES = [leep, log_me, h_score]


def test_scores_are_python_floats_and_take_float32_with_a_gradient() -> None:
    rows = torch.tensor([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 1, 7])
    assert all(type(function(rows, labels)) is float for function in SCORES)
    assert type(linear_cka(rows, rows)) is float


@pytest.mark.parametrize("function", SCORES)
@pytest.mark.parametrize("labels", [torch.tensor([0, 1]), torch.tensor([[0], [1], [0]])])
def test_scores_refuse_labels_that_do_not_fit(function: Score, labels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"one label per image, here \[3\]"):
        function(torch.full((3, 2), 0.5), labels)


@pytest.mark.parametrize("function", SCORES)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0.0, 1.0, 0.9]), "must be integers, not torch.float32"),
        (torch.tensor([0, 1, -1]), "classes from 0, not -1; leave out images without a label"),
    ],
)
def test_scores_refuse_labels_that_are_no_classes(
    function: Score, labels: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(torch.full((3, 2), 0.5), labels)


@pytest.mark.parametrize("function", SCORES)
def test_scores_refuse_arrays(function: Score) -> None:
    rows, labels = torch.full((3, 2), 0.5), torch.tensor([0, 1, 0])
    with pytest.raises(TypeError, match="must be a tensor, not ndarray"):
        function(rows.numpy(), labels)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="labels must be a tensor, not list"):
        function(rows, labels.tolist())  # type: ignore[arg-type]


@pytest.mark.parametrize("function", SCORES)
def test_scores_refuse_a_single_class(function: Score) -> None:
    with pytest.raises(ValueError, match="at least two classes"):
        function(torch.full((3, 2), 0.5), torch.tensor([4, 4, 4]))


@pytest.mark.parametrize("function", [*SCORES, linear_cka])
@pytest.mark.parametrize("shape", [(6,), (3, 2, 1), (0, 2), (3, 0)])
def test_scores_refuse_what_is_no_matrix(function: Score, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be a matrix, one row per image"):
        function(torch.zeros(shape), torch.tensor([0, 1, 0]))


@pytest.mark.parametrize("function", [*SCORES, linear_cka])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_refuse_values_that_are_not_finite(function: Score, value: float) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        function(torch.tensor([[0.5, 0.5], [value, 0.5]]), torch.tensor([0, 1]))
