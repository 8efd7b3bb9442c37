"""What a function needs of a model: a posterior, a density, samples. No class name is asked for."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch

from latent_transfer.densities import Gaussian, standard_normal_log_density


@runtime_checkable
class Encodes(Protocol):
    """A model that infers latents from images: q(z | x).

    Example:
        >>> from latent_transfer.models import Encodes, mlp_autoencoder, mlp_vae
        >>> isinstance(mlp_vae((1, 8, 8), (16,), 2), Encodes)
        True
        >>> isinstance(mlp_autoencoder((1, 8, 8), (16,), 2), Encodes)
        False
    """

    def posterior(self, images: torch.Tensor) -> Gaussian:
        """q(z | x): B×C×H×W to a Gaussian of B×D."""


@runtime_checkable
class HasPosterior(Encodes, Protocol):
    """A latent-variable model with an approximate posterior q(z | x), such as a VAE.

    Its prior is N(0, I) unless it is a :class:`HasPrior` too.

    Example:
        >>> from latent_transfer.models import NADE, HasPosterior, VaDE, mlp_vae
        >>> vae = mlp_vae((1, 8, 8), (16,), 2)
        >>> [isinstance(model, HasPosterior) for model in (vae, VaDE(vae, 3), NADE((1, 8, 8), 4))]
        [True, True, False]
    """

    def log_likelihood(self, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Log p(x | z) in nats per image: images B×C×H×W, latents …×B×D, result …×B."""


@runtime_checkable
class HasPrior(Protocol):
    """A model whose prior p(z) is another than N(0, I), such as VaDE's mixture.

    Example:
        >>> from latent_transfer.models import HasPrior, VaDE, mlp_vae
        >>> vae = mlp_vae((1, 8, 8), (16,), 2)
        >>> isinstance(vae, HasPrior), isinstance(VaDE(vae, 3), HasPrior)
        (False, True)
    """

    def prior_log_density(self, latents: torch.Tensor) -> torch.Tensor:
        """Log p(z) in nats: …×D to …."""


@runtime_checkable
class HasDensity(Protocol):
    """A model that computes log p(x) itself, such as a NADE.

    Example:
        >>> from latent_transfer.models import NADE, HasDensity
        >>> isinstance(NADE((1, 8, 8), 4), HasDensity)
        True
    """

    def log_density(self, images: torch.Tensor) -> torch.Tensor:
        """Log p(x) in nats per image: B×C×H×W to B."""


@runtime_checkable
class Generates(Protocol):
    """A model that draws images without being told a class.

    Example:
        >>> from latent_transfer.models import Generates, mlp_gan
        >>> isinstance(mlp_gan((1, 8, 8)), Generates)
        True
    """

    def generate(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Images count×C×H×W in pixel range; one CPU generator gives the same ones everywhere."""


@runtime_checkable
class Reconstructs(Protocol):
    """A model that returns images from their codes, such as an autoencoder or a VAE.

    Example:
        >>> from latent_transfer.models import Reconstructs, mlp_autoencoder
        >>> isinstance(mlp_autoencoder((1, 8, 8), (16,), 2), Reconstructs)
        True
    """

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """B×C×H×W to B×C×H×W, both in pixel range."""


def log_prior(model: HasPosterior, latents: torch.Tensor) -> torch.Tensor:
    """Log p(z) in nats, …×D to …: the model's own prior, or N(0, I) if it names none.

    Example:
        >>> import torch
        >>> from latent_transfer.models import log_prior, mlp_vae
        >>> round(log_prior(mlp_vae((1, 8, 8), (16,), 2), torch.zeros(1, 2)).item(), 3)
        -1.838
    """
    if isinstance(model, HasPrior):
        return model.prior_log_density(latents)
    return standard_normal_log_density(latents)


def log_joint(model: HasPosterior, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """Log p(x, z) = log p(x | z) + log p(z) in nats per image: B×C×H×W and …×B×D to …×B.

    Example:
        >>> import torch
        >>> from latent_transfer.models import log_joint, mlp_vae
        >>> log_joint(
        ...     mlp_vae((1, 8, 8), (16,), 2), torch.rand(3, 1, 8, 8), torch.zeros(5, 3, 2)
        ... ).shape
        torch.Size([5, 3])
    """
    return model.log_likelihood(images, latents) + log_prior(model, latents)
