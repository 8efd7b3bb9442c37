"""No measure turns NaN, a label of no class or an empty set into a plausible number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from latent_transfer import evaluation
from latent_transfer.data import ImageSet, Table
from latent_transfer.models import VAE
from latent_transfer.nets import MLPDecoder

NAN, INF = float("nan"), float("inf")

Call = Callable[[], Any]


def _features(count: int = 10, size: int = 3) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(count))


def _spoilt(value: float, count: int = 10, size: int = 3) -> torch.Tensor:
    features = _features(count, size)
    features[1, 2] = value
    return features


PAIRS = [
    evaluation.precision_recall,
    evaluation.density_coverage,
    evaluation.frechet_distance,
    evaluation.kernel_distance,
    evaluation.energy_distance,
    evaluation.nearest,
    evaluation.subspace_angle,
]


@pytest.mark.parametrize("measure", PAIRS)
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_features_that_are_not_finite_are_counted(measure: Call, value: float) -> None:
    for given in ((_spoilt(value), _features()), (_features(), _spoilt(value))):
        with pytest.raises(ValueError, match=r"must be finite, but 1 of 30 values are NaN or inf"):
            measure(*given)


@pytest.mark.parametrize("measure", PAIRS)
def test_booleans_are_no_features(measure: Call) -> None:
    for given in ((_features() > 0, _features()), (_features(), _features() > 0)):
        with pytest.raises(ValueError, match="must be numbers, not booleans"):
            measure(*given)


@pytest.mark.parametrize("measure", PAIRS[:4])
def test_empty_sets_and_other_shapes_are_refused(measure: Call) -> None:
    with pytest.raises(ValueError, match="points on each side are needed, not 0 and 10"):
        measure(_features(0), _features())
    with pytest.raises(ValueError, match=r"must be N×D, of the same D everywhere, not \(10,\)"):
        measure(_features()[:, 0], _features()[:, 0])
    with pytest.raises(ValueError, match="points on each side"):
        measure(_features(10, 0), _features(10, 0))


@pytest.mark.parametrize("measure", PAIRS[:2])
@pytest.mark.parametrize("neighbours", [0, -1, True, 1.5])
def test_neighbours_are_a_whole_number(measure: Call, neighbours: object) -> None:
    with pytest.raises(ValueError, match="neighbours must be a whole number from 1 on, not"):
        measure(_features(), _features(), neighbours=neighbours)


def test_as_many_points_as_neighbours_are_not_enough() -> None:
    assert evaluation.precision_recall(_features(4), _features(4), neighbours=3).precision >= 0
    with pytest.raises(ValueError, match="at least 4 points on each side are needed, not 4 and 3"):
        evaluation.precision_recall(_features(4), _features(3), neighbours=3)


def test_other_spaces_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"P×D each with the same P, not \(10, 3\) and \(9, 3\)"):
        evaluation.subspace_angle(_features(), _features(9))
    with pytest.raises(ValueError, match="points on each side are needed, not 10 and 0"):
        evaluation.nearest(_features(), _features(0))
    with pytest.raises(ValueError, match="same D"):
        evaluation.nearest(_features(), _features(10, 4))


LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]])
LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    ("logits", "labels", "sentence"),
    [
        (torch.tensor([[NAN, 0.0], [0.0, 1.0], [0.5, 0.0]]), LABELS, "Logits must be finite"),
        (LOGITS[:, :1], LABELS, r"two classes, not of shape \(3, 1\)"),
        (LOGITS[0], LABELS, r"N×K.*not of shape \(2,\)"),
        (LOGITS[:0], LABELS[:0], "at least one image"),
        (LOGITS > 0, LABELS, "Logits must be numbers, not booleans"),
        (LOGITS, torch.tensor([0, 1, 2]), "in 0 to 1 for 2 classes, but one is 2"),
        (LOGITS, torch.tensor([0, 1, -1]), "a negative number, -1, is none"),
        (LOGITS, LABELS[:2], "as many as there are images, 3, not a tensor of shape"),
        (LOGITS, LABELS[:, None], "must be one list"),
        (LOGITS, LABELS.float(), r"must be whole numbers, not torch\.float32"),
        (LOGITS, LABELS.bool(), r"must be whole numbers, not torch\.bool"),
    ],
)
def test_calibration_needs_logits_and_their_labels(
    logits: torch.Tensor, labels: torch.Tensor, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        evaluation.calibration_error(logits, labels)


def test_wider_bins_average_confidences_before_they_are_compared() -> None:
    # Six in ten and right, nine in ten and wrong.
    logits = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).log()
    labels = torch.tensor([0, 0])
    wide = evaluation.calibration_error(logits, labels, bins=1)
    narrow = evaluation.calibration_error(logits, labels, bins=10)
    assert wide == pytest.approx(100 * (0.75 - 0.5), abs=1e-3)
    assert narrow == pytest.approx(100 * (0.4 + 0.9) / 2, abs=1e-3)


def test_calibration_needs_a_number_of_bins() -> None:
    with pytest.raises(ValueError, match="bins must be a whole number from 1 on, not 0"):
        evaluation.calibration_error(LOGITS, LABELS, bins=0)


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        (torch.full((3, 2), NAN), "The other logits must be finite"),
        (LOGITS[:2], r"not logits of \(3, 2\) and \(2, 2\)"),
        (torch.zeros(3, 4), r"not logits of \(3, 2\) and \(3, 4\)"),
    ],
)
def test_agreement_is_of_two_classifiers_of_the_same(others: torch.Tensor, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        evaluation.agreement(LOGITS, others)
    with pytest.raises(ValueError, match="must be finite" if others.isnan().any() else "logits of"):
        evaluation.agreement(others, LOGITS)


class _Fixed(nn.Module):
    """Answers with given outputs, one row per image."""

    def __init__(self, outputs: torch.Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.outputs[: len(images)]


def _images(count: int = 3, classes: int = 2) -> ImageSet:
    pixels = torch.zeros(count, 1, 1, 2, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % classes, tuple("abc"[:classes]))


@pytest.mark.parametrize("measure", [evaluation.classification_error, evaluation.balanced_error])
def test_errors_need_finite_logits_of_all_classes(measure: Call) -> None:
    assert measure(_Fixed(LOGITS), _images()) is not None
    for logits, sentence in (
        (torch.full((3, 2), NAN), "Logits must be finite, but 6 of 6"),
        (torch.zeros(3, 1), "two classes"),
        (torch.zeros(3, 2, 2), "Logits are N×K, but _Fixed gave"),
    ):
        with pytest.raises(ValueError, match=sentence):
            measure(_Fixed(logits), _images())
    with pytest.raises(ValueError, match="in 0 to 1 for 2 classes, but one is 2"):
        measure(_Fixed(LOGITS), _images(classes=3))


def _vae(outputs: torch.Tensor) -> VAE:
    return VAE(_Fixed(outputs), MLPDecoder(1, (), (1, 1, 2)), 1)


def test_units_of_nan_are_not_called_inactive() -> None:
    spoilt = torch.tensor([[0.0, 0.0], [NAN, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="Posterior means must be finite, but 1 of 3"):
        evaluation.active_units(_vae(spoilt), _images())
    with pytest.raises(ValueError, match="Divergences must be finite, but 1 of 3"):
        evaluation.kl_per_dimension(_vae(spoilt), _images())
    with pytest.raises(ValueError, match="needs at least two, not 1"):
        evaluation.active_units(_vae(torch.zeros(1, 2)), _images(1))


@pytest.mark.parametrize(
    ("clusters", "sentence"),
    [
        (torch.tensor([0.0, 1.0]), r"Clusters must be whole numbers, not torch\.float32"),
        (torch.tensor([True, False]), r"Clusters must be whole numbers, not torch\.bool"),
        (torch.tensor([0, -1]), "counted from 0; a negative number, -1"),
        (torch.tensor([0, 1, 1]), "same length"),
    ],
)
@pytest.mark.parametrize(
    "measure",
    [
        evaluation.clustering_accuracy,
        evaluation.match_clusters,
        evaluation.normalized_mutual_information,
    ],
)
def test_clusters_are_counted(measure: Call, clusters: torch.Tensor, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        measure(clusters, torch.tensor([0, 1]))


def test_classes_are_counted_too() -> None:
    with pytest.raises(ValueError, match=r"Classes must be whole numbers, not torch\.float32"):
        evaluation.normalized_mutual_information(torch.tensor([0, 1]), torch.tensor([0.2, 1.7]))


@pytest.mark.parametrize(
    ("anomalous", "normal"),
    [
        (torch.tensor([True, False]), torch.tensor([0.0])),
        (torch.tensor([[1.0, 2.0]]), torch.tensor([0.0])),
        (torch.tensor([1.0]), torch.tensor(0.0)),
    ],
)
def test_scores_are_lists_of_numbers(anomalous: torch.Tensor, normal: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="auroc needs finite scores of at least one"):
        evaluation.auroc(anomalous, normal)


def test_a_correction_is_not_broadcast() -> None:
    surprise, lengths = torch.rand(4), torch.rand(4)
    assert torch.equal(evaluation.complexity_corrected(surprise, lengths), surprise - lengths)
    with pytest.raises(ValueError, match=r"not \(4, 1\) and \(4,\)"):
        evaluation.complexity_corrected(surprise[:, None], lengths)
    with pytest.raises(ValueError, match="Lengths must be finite"):
        evaluation.complexity_corrected(surprise, lengths / 0)


PROBE = (_features(6), torch.arange(6) % 2, _features(4), torch.arange(4) % 2)


@pytest.mark.parametrize(
    ("position", "value", "sentence"),
    [
        (0, _spoilt(NAN, 6), "Features must be finite, but 1 of 18"),
        (2, _spoilt(INF, 4), "Features must be finite, but 1 of 12"),
        (2, _features(4, 2), "same D"),
        (
            1,
            torch.arange(5) % 2,
            "Training labels must be one list, as many as there are im",
        ),
        (3, torch.arange(5) % 2, "Test labels must be one list, as many as there are images, 4"),
        (3, torch.tensor([0.0, 1.7, 0.2, 1.0]), "Test labels must be whole numbers"),
    ],
)
def test_a_probe_needs_features_and_their_labels(
    position: int, value: torch.Tensor, sentence: str
) -> None:
    assert evaluation.linear_probe(*PROBE) >= 0
    given = list(PROBE)
    given[position] = value
    with pytest.raises(ValueError, match=sentence):
        evaluation.linear_probe(*given)


def test_two_halves_of_the_data_are_asked_for_in_whole_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    for count, draws, name in ((0, 3, "count"), (2, 0, "draws"), (True, 3, "count")):
        with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 on"):
            evaluation.real_against_real(
                evaluation.energy_distance,
                _features(),
                count=count,
                draws=draws,
                generator=generator,
            )


def _documents() -> Table:
    return Table.from_values(torch.tensor([[1, 2], [0, 3]]), torch.zeros(2).long(), ("one",))


def test_perplexity_needs_a_density_for_each_document() -> None:
    counts = _documents().pixels()
    for log_densities, sentence in (
        (torch.zeros(1), r"not \(1,\) log-densities for counts of \(2, 2, 1, 1\)"),
        (torch.tensor([NAN, 0.0]), "Log-densities must be finite"),
    ):
        with pytest.raises(ValueError, match=sentence):
            evaluation.perplexity(log_densities, counts)
    with pytest.raises(ValueError, match="at least one word"):
        evaluation.perplexity(torch.zeros(2), torch.zeros(2, 2, 1, 1))


@pytest.mark.parametrize("prior", [torch.ones(3), torch.zeros(2), torch.tensor([1.0, -1.0])])
def test_a_prior_over_words_counts_each_word(prior: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="The prior counts each of 2 words, all above 0"):
        evaluation.unigram(_documents(), prior)


@pytest.mark.parametrize("confidence", [0, 1, 95, NAN])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence lies between 0 and 1"):
        evaluation.Estimate.of(torch.rand(5)).interval(confidence)
