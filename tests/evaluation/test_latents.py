"""What the latent space is used for, against posteriors that are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from latent_transfer import evaluation
from latent_transfer.data import ImageSet
from latent_transfer.models import VAE


class _FirstPixels(nn.Module):
    """Means are multiples of pixels, variances constants: all statistics are known."""

    def __init__(self, factors: list[float], log_variances: list[float]) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.tensor(factors))
        self.log_variances = torch.tensor(log_variances)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.flatten(1)[:, : len(self.factors)] * self.factors
        return torch.cat([mean, self.log_variances.expand_as(mean)], 1)


class _Forbidden(nn.Module):
    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the decoder has no business here")


def make(factors: list[float], log_variances: list[float]) -> VAE:
    return VAE(_FirstPixels(factors, log_variances), _Forbidden(), len(factors))


@pytest.mark.parametrize("batch_size", [1, 64, 500])
def test_encode_returns_posteriors_without_noise_or_decoder(
    images: ImageSet, batch_size: int
) -> None:
    model = make([1.0, 2.0], [0.0, -1.0])
    belief = evaluation.encode(model, images, batch_size=batch_size)
    expected = images.pixels().flatten(1)[:, :2] * torch.tensor([1.0, 2.0])
    assert torch.equal(belief.mean, expected)
    assert torch.equal(belief.log_variance, torch.tensor([0.0, -1.0]).expand(200, 2))
    assert torch.equal(evaluation.encode(model, images).mean, belief.mean)  # no noise: no change
    assert not belief.mean.requires_grad


def test_encode_switches_training_mode_off(images: ImageSet) -> None:
    model = VAE(nn.Sequential(_FirstPixels([1.0], [0.0]), nn.Dropout(0.9)), _Forbidden(), 1).train()
    assert torch.equal(evaluation.encode(model, images).mean, images.pixels().flatten(1)[:, :1])


def test_kl_per_dimension_agrees_with_torch_distributions(images: ImageSet) -> None:
    model = make([1.0, -3.0, 0.0], [0.0, -2.0, 1.0])
    belief = evaluation.encode(model, images)
    truth = kl_divergence(Normal(belief.mean, belief.std), Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(evaluation.kl_per_dimension(model, images), truth)


def test_a_unit_with_kl_but_a_constant_mean_is_not_active(images: ImageSet) -> None:
    # A wrong variance costs nats and says nothing about the image.
    model = make([0.0, 1.0], [-3.0, 0.0])
    assert evaluation.kl_per_dimension(model, images)[0] > 1
    assert evaluation.active_units(model, images).tolist() == [False, True]


def test_the_threshold_is_on_the_variance(images: ImageSet) -> None:
    variance = images.pixels().flatten(1)[:, 0].var().item()
    model = make([1.0], [0.0])
    assert not evaluation.active_units(model, images, threshold=variance * 1.001).any()
    assert evaluation.active_units(model, images, threshold=variance * 0.999).all()
