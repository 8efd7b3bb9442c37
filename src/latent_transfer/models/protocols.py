"""What a function needs of a model: a posterior, a density, samples. No class name is asked for."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch

from latent_transfer.densities import Gaussian


@runtime_checkable
class HasPosterior(Protocol):
    """A model with an approximate posterior q(z | x), such as a VAE."""

    def posterior(self, images: torch.Tensor) -> Gaussian:
        """q(z | x): B×C×H×W to a Gaussian of B×D."""

    def log_likelihood(self, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Log p(x | z) in nats per image: images B×C×H×W, latents …×B×D, result …×B."""


@runtime_checkable
class HasDensity(Protocol):
    """A model that computes log p(x) itself, such as a NADE."""

    def log_density(self, images: torch.Tensor) -> torch.Tensor:
        """Log p(x) in nats per image: B×C×H×W to B."""


@runtime_checkable
class Generates(Protocol):
    """A model that draws images without being told a class."""

    def generate(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Images count×C×H×W in pixel range; one CPU generator gives the same ones everywhere."""
