"""What a function needs of a model: a posterior, a density, samples. No class name is asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
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
        """Return q(z | x): B×C×H×W to a Gaussian of B×D."""


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
        """Return log p(x | z) in nats per image: images B×C×H×W, latents …×B×D, result …×B."""


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
        """Return log p(z) in nats: …×D to …."""


@runtime_checkable
class HasDensity(Protocol):
    """A model that computes log p(x) itself, such as a NADE.

    Example:
        >>> from latent_transfer.models import NADE, HasDensity
        >>> isinstance(NADE((1, 8, 8), 4), HasDensity)
        True
    """

    def log_density(self, images: torch.Tensor) -> torch.Tensor:
        """Return log p(x) in nats per image: B×C×H×W to B."""


@runtime_checkable
class Generates(Protocol):
    """A model that draws images without being told a class.

    Example:
        >>> from latent_transfer.models import Generates, mlp_gan
        >>> isinstance(mlp_gan((1, 8, 8)), Generates)
        True
    """

    def generate(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw images count×C×H×W in pixel range, the same ones everywhere from a generator."""


@runtime_checkable
class Reconstructs(Protocol):
    """A model that returns images from their codes, such as an autoencoder or a VAE.

    Example:
        >>> from latent_transfer.models import Reconstructs, mlp_autoencoder
        >>> isinstance(mlp_autoencoder((1, 8, 8), (16,), 2), Reconstructs)
        True
    """

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to B×C×H×W, both in pixel range."""


def log_prior(model: HasPosterior, latents: torch.Tensor) -> torch.Tensor:
    """Return log p(z) in nats, …×D to …: of the model's own prior, or N(0, I) if it has none.

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
    """Return log p(x, z) in nats per image: B×C×H×W and latents …×B×D to …×B.

    A model's own ``log_joint`` is asked, if it has one; else it is log p(x | z) + log p(z).

    Example:
        >>> import torch
        >>> from latent_transfer.models import log_joint, mlp_vae
        >>> vae, images = mlp_vae((1, 8, 8), (16,), 2), torch.rand(3, 1, 8, 8)
        >>> log_joint(vae, images, torch.zeros(5, 3, 2)).shape
        torch.Size([5, 3])
    """
    own: Callable[..., torch.Tensor] | None = getattr(model, "log_joint", None)
    if own is not None:
        return own(images, latents)
    return model.log_likelihood(images, latents) + log_prior(model, latents)


def posterior_of(model: Encodes, images: torch.Tensor) -> Gaussian:
    """Return q(z | x) of a batch, a Gaussian of B×D, from whatever model infers one.

    Raises:
        TypeError: If the model answers with anything else.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae, posterior_of
        >>> posterior_of(mlp_vae((1, 8, 8), (16,), 2), torch.rand(3, 1, 8, 8)).mean.shape
        torch.Size([3, 2])
    """
    belief: object = model.posterior(images)
    parts = tuple(belief) if isinstance(belief, tuple) else ()
    shapes = [tuple(part.shape) for part in parts if isinstance(part, torch.Tensor)]
    pair = len(parts) == len(shapes) == 2 and shapes[0] == shapes[1]
    if not pair or len(shapes[0]) != 2 or shapes[0][0] != len(images):
        found = " and ".join(str(shape) for shape in shapes) or type(belief).__name__
        raise TypeError(
            f"One posterior per image is needed, mean and log-variance of {len(images)}×D each, "
            f"but {type(model).__name__}.posterior gave {found}."
        )
    return Gaussian(*parts)


def require(model: object, protocol: type, purpose: str) -> None:
    """Refuse a model that lacks the methods of a protocol.

    Args:
        model: The model.
        protocol: Such as :class:`HasPosterior`.
        purpose: What needs the methods, the subject of the error's sentence.

    Raises:
        TypeError: If the model lacks one.

    Example:
        >>> from latent_transfer.models import NADE, Encodes, require
        >>> require(NADE((1, 8, 8), 4), Encodes, "encode")
        Traceback (most recent call last):
        TypeError: encode needs a model with the method posterior, which NADE lacks.
    """
    missing = [name for name in _methods(protocol) if not callable(getattr(model, name, None))]
    if missing:
        noun = "method" if len(missing) == 1 else "methods"
        raise TypeError(
            f"{purpose} needs a model with the {noun} {' and '.join(missing)}, "
            f"which {type(model).__name__} lacks."
        )


@functools.cache  # losses ask at every step
def _methods(protocol: type) -> tuple[str, ...]:
    return tuple(name for name in dir(protocol) if not name.startswith("_"))
