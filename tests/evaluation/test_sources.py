"""Whatever a model is trained on, it can be judged on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import latent_transfer as lt

DIGITS = lt.data.load("digits", size=8)
PIXELS, LABELS = DIGITS.test.pixels(), DIGITS.test.labels


def classifier() -> lt.models.Classifier:
    torch.manual_seed(0)
    return lt.models.mlp_classifier((1, 8, 8), 10, (16,))


def vae() -> lt.models.VAE:
    torch.manual_seed(0)
    return lt.models.mlp_vae((1, 8, 8), (16,), 3)


MEASURES: dict[str, Callable[[object], object]] = {
    "error": lambda data: lt.evaluation.classification_error(classifier(), data).mean,
    "balanced": lambda data: lt.evaluation.balanced_error(classifier(), data),
    "bound": lambda data: lt.evaluation.evidence_bound(vae(), data).mean,
    "likelihood": lambda data: lt.evaluation.negative_log_likelihood(vae(), data, samples=3).mean,
    "units": lambda data: lt.evaluation.kl_per_dimension(vae(), data).tolist(),
    "scores": lambda data: lt.evaluation.anomaly_scores(vae(), data, kind="kl").tolist(),
}


@pytest.mark.parametrize("name", MEASURES)
def test_every_source_gives_the_same_answer(name: str) -> None:
    measure = MEASURES[name]
    expected = measure(DIGITS.test)
    dataset = TensorDataset(PIXELS, LABELS)
    for data in ((PIXELS, LABELS), dataset):
        assert measure(data) == pytest.approx(expected, rel=1e-5)
    # Asking a loader for its batches draws a number, so that the noise of z is another.
    noisy = name in ("bound", "likelihood")
    loader = DataLoader(dataset, batch_size=500)
    assert measure(loader) == pytest.approx(expected, rel=0.01 if noisy else 1e-5)


def test_a_shuffling_loader_keeps_images_and_labels_together() -> None:
    loader = DataLoader(TensorDataset(PIXELS, LABELS), batch_size=50, shuffle=True)
    measure = MEASURES["balanced"]
    assert measure(loader) == pytest.approx(measure(DIGITS.test))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DIGITS, r"give data\.train or data\.test"),
        (PIXELS.numpy(), r"torch\.from_numpy"),
        (np.zeros(3), r"torch\.from_numpy"),
        (None, "Data must be an ImageSet"),
    ],
)
def test_what_is_no_data_is_named(data: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        lt.evaluation.evidence_bound(vae(), data)  # type: ignore[arg-type]


def test_an_error_without_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="needs labels, and these images have none"):
        lt.evaluation.classification_error(classifier(), PIXELS)


def test_a_model_in_float64_is_judged_in_it() -> None:
    model = vae().double()
    assert lt.evaluation.encode(model, DIGITS.test).mean.dtype == torch.float64


@pytest.mark.parametrize(
    ("loss", "model", "message"),
    [
        (lt.objectives.negative_elbo, classifier(), "negative_elbo needs .* Classifier"),
        (lt.objectives.negative_log_density, vae(), "negative_log_density needs .* VAE"),
        (lt.objectives.reconstruction_loss, classifier(), "needs .* reconstruct, .* Classifier"),
        (lt.objectives.classification_loss, vae(), "Logits must be one row per image"),
    ],
)
def test_a_model_that_an_objective_cannot_use_is_named(
    loss: Callable[..., object], model: torch.nn.Module, message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        lt.fit(model, DIGITS.train, loss, epochs=1, progress=False)  # type: ignore[arg-type]
