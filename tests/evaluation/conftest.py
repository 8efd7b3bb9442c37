"""A VAE object that is secretly probabilistic PCA, so that its evidence is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.models import VAE, GaussianLikelihood

SHAPE = (1, 2, 3)  # six pixels
NOISE = 0.2
# Orthogonal columns: the exact posterior is then diagonal, so that an encoder can state it.
WEIGHT = torch.tensor([[0.3, 0.3, 0.0, 0.0, 0.3, 0.3], [0.2, -0.2, 0.4, 0.4, 0.2, -0.2]]).T  # P×D
BIAS = torch.full((6,), 0.5)
VARIANCE = NOISE**2 / (WEIGHT.square().sum(0) + NOISE**2)  # D, of the exact posterior


class _Encoder(nn.Module):
    """The exact posterior, its mean shifted and its log-variance raised on demand."""

    def __init__(self, shift: float, widen: float) -> None:
        super().__init__()
        self.shift, self.widen = shift, widen
        self.unused = nn.Parameter(torch.ones(()))  # a model needs a parameter to have a device

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = (images.flatten(1) - BIAS) @ WEIGHT * VARIANCE / NOISE**2 + self.shift  # B×D
        log_variance = (VARIANCE.log() + self.widen).expand_as(mean)
        return torch.cat([mean, log_variance], 1)


class _Decoder(nn.Module):
    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return (latents @ WEIGHT.T + BIAS).unflatten(-1, SHAPE)


class Solved:
    """The VAE and the truth about it."""

    @staticmethod
    def vae(shift: float = 0.0, widen: float = 0.0) -> VAE:
        """With the exact posterior, or with one that is off by a known amount."""
        likelihood = GaussianLikelihood(NOISE, learned=False)
        return VAE(_Encoder(shift, widen), _Decoder(), 2, likelihood)

    @staticmethod
    def evidence(images: ImageSet) -> np.ndarray:
        """Log p(x) of each image in nats, from the marginal Gaussian that scipy evaluates."""
        weight = WEIGHT.double().numpy()
        covariance = weight @ weight.T + NOISE**2 * np.eye(6)
        points = images.pixels().double().flatten(1).numpy()
        return multivariate_normal(BIAS.double().numpy(), covariance).logpdf(points)

    @staticmethod
    def gap(shift: float, widen: float) -> float:
        """KL(q ‖ p(z | x)) in nats, the same for every image: both Gaussians move together."""
        squares = shift**2 / VARIANCE.double().numpy()
        return float(0.5 * np.sum(np.exp(widen) - 1 - widen + squares))


@pytest.fixture(scope="session")
def solved() -> Solved:
    return Solved()


@pytest.fixture(scope="session")
def images() -> ImageSet:
    """Two hundred images drawn from the model itself, rounded to 256 greys."""
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(200, 2, generator=generator)
    noise = NOISE * torch.randn(200, 6, generator=generator)
    pixels = (latents @ WEIGHT.T + BIAS + noise).clamp(0, 1).unflatten(-1, SHAPE)
    return ImageSet.from_pixels(pixels, torch.zeros(200).long(), ("any",))
