"""The chapter's common mistakes, guarded: each would make one of these tests fail."""

from __future__ import annotations

from itertools import cycle

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, kl_divergence

from latent_transfer import data
from latent_transfer.data import Batch, ImageSet
from latent_transfer.models import LinearGaussian, mlp_m2, mlp_vae
from latent_transfer.objectives import labelled_bound, negative_elbo, unlabelled_bound
from latent_transfer.training import fit, fit_semi_supervised

SHAPE, NAMES = (1, 4, 4), ("a", "b", "c")


def _images(count: int, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(count, *SHAPE, generator=generator)
    return ImageSet.from_pixels(pixels, torch.arange(count) % 3, NAMES)


def _relabelled(images: ImageSet) -> ImageSet:
    return ImageSet(images.images, (images.labels + 1) % 3, images.classes)


def _flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def _recipe(labelled: ImageSet, unlabelled: ImageSet) -> torch.Tensor:
    torch.manual_seed(0)
    model = mlp_m2(SHAPE, classes=3, hidden=(8,), latent_size=2)
    fit_semi_supervised(model, labelled, unlabelled, epochs=1, batch_size=10, progress=False)
    return _flat(model)


def _listing(labelled: ImageSet, unlabelled: ImageSet) -> torch.Tensor:
    torch.manual_seed(0)
    vae, others = mlp_vae(SHAPE, (8,), 2), cycle(unlabelled.batches(8))

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        next(others)
        return negative_elbo(vae, batch.images)

    fit(vae, labelled, loss, epochs=1, progress=False)
    return _flat(vae)


def test_an_expected_log_likelihood_is_not_the_evidence() -> None:
    model = LinearGaussian(torch.tensor([[1.0], [0.5]]).double(), torch.zeros(2).double(), 0.5)
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(0)).double()
    posterior = model.posterior(points)
    prior = MultivariateNormal(torch.zeros(1).double(), torch.eye(1).double())
    excess = model.expected_log_likelihood(points, posterior) - model.log_evidence(points)
    assert excess.min() > 0
    torch.testing.assert_close(excess, kl_divergence(posterior, prior))


def test_labels_and_unlabelled_images_change_what_is_learnt() -> None:
    few, many = _images(6, seed=0), _images(30, seed=1)
    usual = _recipe(few, many)
    assert torch.equal(usual, _recipe(few, many))
    assert not torch.equal(usual, _recipe(_relabelled(few), many))
    assert not torch.equal(usual, _recipe(few, _images(30, seed=2)))


def test_the_listing_s_loop_is_blind_to_both() -> None:
    few, many = _images(6, seed=0), _images(30, seed=1)
    usual = _listing(few, many)
    assert torch.equal(usual, _listing(_relabelled(few), many))
    assert torch.equal(usual, _listing(few, _images(30, seed=2)))


def test_names_of_the_listing_are_not_defined() -> None:
    # A model says its size, and its loss is a function of objectives: neither has to be guessed.
    model = mlp_m2(SHAPE, classes=3, hidden=(8,), latent_size=2)
    assert model.latent_size == 2
    assert model.posterior(torch.rand(1, *SHAPE), torch.tensor([0])).mean.shape == (1, 2)
    with pytest.raises(AttributeError, match="loss_function"):
        model.loss_function()
    assert labelled_bound(
        model, torch.rand(5, *SHAPE), torch.zeros(5, dtype=torch.int64)
    ).shape == (5,)


def test_the_first_images_are_not_balanced_and_a_draw_is() -> None:
    train = data.load("digits").train
    assert len(set(train.subset(slice(0, 100)).counts().values())) > 1
    assert set(train.few(10, torch.Generator().manual_seed(0)).counts().values()) == {10}


def test_probabilities_taken_for_logits_cannot_be_sure() -> None:
    logits = torch.tensor([[9.0] + 9 * [0.0]])
    bounds = torch.tensor([[-30.0]] + 9 * [[-60.0]])
    assert logits.softmax(-1).softmax(-1).max() < 0.25
    assert unlabelled_bound(bounds, logits) > unlabelled_bound(bounds, logits.softmax(-1)) + 1
    model = mlp_m2(SHAPE, classes=3, hidden=(8,), latent_size=2)
    answers = 100 * model(torch.rand(50, *SHAPE))
    assert answers.min() < 0  # what a model answers are logits, not probabilities
