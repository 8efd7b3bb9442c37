"""Anomaly scores against models whose evidence is known, and lengths against zlib."""

from __future__ import annotations

import zlib
from math import log

import numpy as np
import pytest
import torch

from latent_transfer import evaluation
from latent_transfer.data import ImageSet
from latent_transfer.models import mlp_vae

OFF = {"shift": 0.15, "widen": 0.5}


def test_every_image_has_its_own_score(solved, images: ImageSet) -> None:
    # With the exact posterior the bound and the importance-weighted likelihood are both exact.
    truth = torch.tensor(-solved.evidence(images), dtype=torch.float32)
    model = solved.vae()
    elbo = evaluation.anomaly_scores(model, images, kind="elbo", samples=2000)
    likelihood = evaluation.anomaly_scores(model, images, kind="likelihood", samples=3)
    torch.testing.assert_close(elbo, truth, atol=0.25, rtol=0)  # noise of the sampled term
    torch.testing.assert_close(likelihood, truth, atol=1e-3, rtol=0)


def test_the_parts_make_the_whole(solved, images: ImageSet) -> None:
    scores = {
        kind: evaluation.anomaly_scores(solved.vae(**OFF), images, kind=kind, samples=4)
        for kind in ("elbo", "reconstruction", "kl")
    }
    torch.testing.assert_close(scores["elbo"], scores["reconstruction"] + scores["kl"])
    assert (scores["kl"] > 0).all()


def test_mean_scores_agree_with_the_books_elbo(solved, images: ImageSet) -> None:
    scores = evaluation.anomaly_scores(solved.vae(**OFF), images, samples=400)
    bound = evaluation.evidence_bound(solved.vae(**OFF), images, samples=400)
    assert scores.mean().item() == pytest.approx(-bound.mean, abs=0.02)


@pytest.mark.parametrize("kind", ["elbo", "likelihood"])
def test_scores_are_repeatable_and_leave_the_generator_alone(images: ImageSet, kind: str) -> None:
    model = mlp_vae((1, 2, 3), (4,), 2)
    torch.manual_seed(5)
    first = evaluation.anomaly_scores(model, images, kind=kind, binarize=True, seed=1)
    drawn = torch.randn(1)
    again = evaluation.anomaly_scores(model, images, kind=kind, binarize=True, seed=1)
    other = evaluation.anomaly_scores(model, images, kind=kind, binarize=True, seed=2)
    torch.manual_seed(5)
    assert torch.equal(torch.randn(1), drawn)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_unknown_score_is_named(images: ImageSet) -> None:
    with pytest.raises(ValueError, match=r"elbo.*not 'mse'"):
        evaluation.anomaly_scores(mlp_vae((1, 2, 3), (4,), 2), images, kind="mse")


def _set(pixels: np.ndarray) -> ImageSet:
    images = torch.as_tensor(pixels)
    return ImageSet(images, torch.zeros(len(images), dtype=torch.int64), ("any",))


def test_lengths_grow_with_what_there_is_to_say() -> None:
    rng = np.random.default_rng(0)
    constant = np.full((1, 1, 28, 28), 255, np.uint8)
    bar = np.zeros((1, 1, 28, 28), np.uint8)
    bar[..., 5:20, 12:16] = 255
    noise = rng.choice(np.array([0, 255], np.uint8), (1, 1, 28, 28))
    lengths = evaluation.compressed_length(_set(np.concatenate([constant, bar, noise])))
    assert 0 < lengths[0] < lengths[1] < lengths[2]
    # Coin flips cannot be compressed: 784 bits, plus PNG's filter bytes and deflate's own frame.
    assert 784 * log(2) <= lengths[2] < 784 * log(2) + 400


def test_lengths_do_not_depend_on_the_other_images_of_a_grey_set() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (5, 1, 9, 9), dtype=np.uint8)
    together = evaluation.compressed_length(_set(pixels))
    alone = [evaluation.compressed_length(_set(pixels[i : i + 1])).item() for i in range(5)]
    assert together.tolist() == alone


def test_a_grey_image_takes_about_as_long_as_zlib_needs() -> None:
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    raw = np.moveaxis(pixels[0], 0, -1)
    nats = 8 * log(2) * len(zlib.compress(raw.tobytes(), 9))
    assert evaluation.compressed_length(_set(pixels)).item() == pytest.approx(nats, rel=0.03)


def test_colours_of_two_levels_are_not_taken_for_black_and_white() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.choice(np.array([0, 255], np.uint8), (1, 3, 28, 28))
    length = evaluation.compressed_length(_set(pixels)).item()
    assert length >= 3 * 784 * log(2)  # three coin flips per pixel
