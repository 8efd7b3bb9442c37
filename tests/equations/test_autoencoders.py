"""Equations of the chapter on autoencoders, and the mistakes that it shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.linalg import subspace_angles
from torch import nn
from torch.distributions import Bernoulli, kl_divergence

from latent_transfer.data import load
from latent_transfer.densities import gaussian_log_density
from latent_transfer.evaluation import reconstruction_error, subspace_angle
from latent_transfer.models import GaussianLikelihood, mlp_autoencoder, sparse_autoencoder
from latent_transfer.nets import he_initialise
from latent_transfer.objectives import (
    kl_sparsity,
    l1_sparsity,
    reconstruction_loss,
    squared_error,
    squared_l1_sparsity,
)
from latent_transfer.training import cosine_schedule, fit


@pytest.fixture
def codes() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, 5, generator=generator, dtype=torch.float64)


def _gradient(penalty, codes: torch.Tensor) -> np.ndarray:
    leaf = codes.clone().requires_grad_()
    penalty(leaf).sum().backward()
    return leaf.grad.numpy()


@pytest.mark.equation("eq-squared-error")
def test_squared_error_is_a_sum_over_pixels_for_each_image() -> None:
    first, second = torch.rand(2, 6, 3, 5, 4, dtype=torch.float64)
    truth = [np.linalg.norm((a - b).numpy()) ** 2 for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(squared_error(first, second).numpy(), truth, rtol=1e-12)


@pytest.mark.equation("eq-squared-error")
def test_the_error_of_a_set_is_the_mean_over_its_images() -> None:
    images = load("digits", size=8).test.subset(slice(7))
    model = mlp_autoencoder(images.shape, (), 2)
    with torch.no_grad():
        each = squared_error(model.reconstruct(images.pixels()), images.pixels()).numpy()
    estimate = reconstruction_error(model, images, batch_size=3)
    assert estimate.mean == pytest.approx(each.mean(), rel=1e-6)
    assert estimate.standard_error == pytest.approx(stats.sem(each), rel=1e-5)


@pytest.mark.equation("eq-l1-sparsity")
def test_l1_is_the_norm_and_pulls_equally_on_every_unit(codes: torch.Tensor) -> None:
    truth = np.linalg.norm(codes.numpy(), ord=1, axis=1)
    np.testing.assert_allclose(l1_sparsity(codes).numpy(), truth, rtol=1e-12)
    np.testing.assert_array_equal(_gradient(l1_sparsity, codes), np.sign(codes.numpy()))


@pytest.mark.equation("eq-squared-l1-sparsity")
def test_squared_l1_pulls_with_twice_the_norm(codes: torch.Tensor) -> None:
    norms = np.linalg.norm(codes.numpy(), ord=1, axis=1)
    np.testing.assert_allclose(squared_l1_sparsity(codes).numpy(), norms**2, rtol=1e-12)
    pull = 2 * norms[:, None] * np.sign(codes.numpy())
    np.testing.assert_allclose(_gradient(squared_l1_sparsity, codes), pull, rtol=1e-12)


@pytest.mark.equation("eq-kl-sparsity")
@pytest.mark.parametrize("target", [0.05, 0.3])
def test_kl_sparsity_is_the_divergence_of_coins(codes: torch.Tensor, target: float) -> None:
    activations = codes.sigmoid()
    goal = Bernoulli(torch.tensor(target, dtype=torch.float64))
    truth = kl_divergence(goal, Bernoulli(activations.mean(0))).sum()
    torch.testing.assert_close(kl_sparsity(activations, target), truth)
    mean = activations.mean(0).numpy()
    pull = (-target / mean + (1 - target) / (1 - mean)) / len(activations)
    for row in _gradient(lambda values: kl_sparsity(values, target), activations):
        np.testing.assert_allclose(row, pull, rtol=1e-9)


@pytest.mark.equation("eq-subspace-angle")
@pytest.mark.parametrize("tilt", [0.0, 1e-6, 0.1, 1.0, 10.0])
def test_subspace_angle_agrees_with_scipy(tilt: float) -> None:
    generator = torch.Generator().manual_seed(1)
    first, other = torch.randn(2, 20, 4, generator=generator, dtype=torch.float64)
    second = (first + tilt * other) @ torch.randn(4, 4, generator=generator, dtype=torch.float64)
    truth = np.rad2deg(subspace_angles(first.numpy(), second.numpy()).max())
    assert subspace_angle(first, second) == pytest.approx(truth, rel=1e-6, abs=1e-6)


@pytest.mark.equation("eq-gaussian-density")
@pytest.mark.parametrize("std", [0.05, 1.0, 3.0])
def test_a_gaussian_likelihood_is_a_scaled_squared_error(std: float) -> None:
    images, output = torch.rand(2, 5, 1, 4, 3, dtype=torch.float64)
    truth = stats.norm.logpdf(images.numpy(), output.numpy(), std)
    log_variance = torch.tensor(2 * np.log(std))
    np.testing.assert_allclose(gaussian_log_density(images, output, log_variance), truth)
    nats = -GaussianLikelihood(std, learned=False).log_density(output, images)
    formula = squared_error(output, images) / (2 * std**2) + 6 * np.log(2 * np.pi * std**2)
    torch.testing.assert_close(nats, formula, rtol=1e-6, atol=1e-6)


@pytest.mark.equation("eq-gaussian-density")
def test_the_best_variance_is_the_mean_squared_error() -> None:
    images, output = torch.rand(2, 9, 1, 4, 3)
    likelihood = GaussianLikelihood(0.5)
    with torch.no_grad():
        likelihood.log_variance.copy_((images - output).square().mean().log())
    likelihood.log_density(output, images).mean().backward()
    assert likelihood.log_variance.grad.abs().item() < 1e-5


def test_a_linear_autoencoder_learns_the_principal_subspace_and_not_its_axes() -> None:
    images = load("digits", size=8).train
    pixels = images.pixels().flatten(1)
    _, axes = torch.linalg.eigh(torch.cov(pixels.T))
    principal = axes[:, -10:]
    mean = images.pixels().mean(0)

    def loss(model, batch):
        centred = batch.images - mean
        return {"loss": squared_error(model.reconstruct(centred), centred).mean()}

    torch.manual_seed(0)
    model = mlp_autoencoder(images.shape, (), 10, output=nn.Identity())
    settings = {"epochs": 40, "batch_size": 50, "learning_rate": 1e-2, "progress": False}
    fit(model, images, loss, schedule=cosine_schedule, **settings)
    columns = model.decoder.layers[0].weight.detach()
    assert subspace_angle(principal, columns) < 1
    cosines = torch.cosine_similarity(principal.T[:, None], columns.T, dim=-1).abs()
    assert cosines.amax(0).mean() < 0.9


def test_no_output_beats_the_floor_of_its_range() -> None:
    targets = 2 * load("digits").test.subset(slice(20)).pixels() - 1  # zero-centred
    floor = squared_error(targets.clamp(0, 1), targets)
    for scale in (0.1, 1.0, 100.0):
        output = torch.sigmoid(scale * torch.randn_like(targets))
        assert (squared_error(output, targets) >= floor).all()
    saturated = torch.sigmoid(1e4 * (targets.clamp(1e-6, 1 - 1e-6).logit() / 1e4))
    torch.testing.assert_close(squared_error(saturated, targets), floor, rtol=1e-4, atol=1e-2)


def test_a_relu_on_a_narrow_code_kills_units() -> None:
    images = load("digits").train.subset(slice(400))
    dead = 0
    for seed in range(2):
        torch.manual_seed(seed)
        model = he_initialise(mlp_autoencoder(code_activation=nn.ReLU()))
        settings = {"epochs": 20, "batch_size": 50, "learning_rate": 3e-3, "progress": False}
        fit(model, images, lambda m, b: reconstruction_loss(m, b.images), **settings)
        with torch.no_grad():
            active = (model.encode(images.pixels()) > 0).float().mean(0)
        dead += int((active < 0.01).sum())
    assert dead > 0


def test_free_features_escape_an_l1_penalty_and_unit_features_do_not() -> None:
    torch.manual_seed(0)
    images = torch.rand(5, 1, 6, 6)
    for unit in (False, True):
        model = sparse_autoencoder((1, 6, 6), 12, code_activation=nn.ReLU(), unit_features=unit)
        codes, before = model.encode(images), model.reconstruct(images)
        with torch.no_grad():
            for parameter in model.encoder.parameters():
                parameter *= 0.01
            weight = dict(model.decoder.named_parameters())
            next(value for name, value in weight.items() if "weight" in name).mul_(100)
        torch.testing.assert_close(l1_sparsity(model.encode(images)), 0.01 * l1_sparsity(codes))
        assert torch.allclose(model.reconstruct(images), before, atol=1e-4) is not unit
