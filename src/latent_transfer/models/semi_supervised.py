"""Generative models with a class in them: M2, and M2 on the latents of another VAE.

Both are of Kingma, Rezende, Mohamed & Welling (2014). Where a method takes ``labels``, ``None``
means every class at once, and the result has a leading axis of K.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, prod

import torch
from torch import nn

from latent_transfer.densities import Gaussian
from latent_transfer.models._inputs import check_classes
from latent_transfer.models.likelihoods import (
    BernoulliLikelihood,
    Likelihood,
    PredictedGaussianLikelihood,
)
from latent_transfer.models.vae import VAE
from latent_transfer.nets import ConditionalMLP, Shape, dtype_of, fully_connected
from latent_transfer.nets.recipes import remembers


@remembers
class M2(nn.Module):
    """p(y) uniform, p(z) = N(0, I), p(x | y, z); q(y | x) and q(z | x, y) to infer them.

    Called like a classifier, it gives the logits of q(y | x).

    Args:
        classifier: B×P to logits of q(y | x), B×K.
        encoder: B×P and labels to …×B×2D: means and log-variances of q(z | x, y).
        decoder: …×B×D and labels to what ``likelihood`` takes, flat.
        classes: K.
        latent_size: D.
        shape: Of one input; C×H×W for images.
        likelihood: p(x | y, z); Bernoulli unless told otherwise.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_m2
        >>> m2, images = mlp_m2((1, 8, 8), 10, (16,), 2), torch.rand(5, 1, 8, 8)
        >>> m2(images).shape, m2.posterior(images).mean.shape  # for every class
        (torch.Size([5, 10]), torch.Size([10, 5, 2]))
    """

    def __init__(
        self,
        classifier: nn.Module,
        encoder: ConditionalMLP,
        decoder: ConditionalMLP,
        *,
        classes: int,
        latent_size: int,
        shape: Sequence[int],
        likelihood: Likelihood | None = None,
    ) -> None:
        super().__init__()
        self.classifier, self.encoder, self.decoder = classifier, encoder, decoder
        self.classes, self.latent_size, self.shape = classes, latent_size, tuple(shape)
        self.likelihood = likelihood or BernoulliLikelihood()

    @property
    def log_class_prior(self) -> float:
        """Log p(y) in nats, the same for each class."""
        return -log(self.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of q(y | x): B×… to B×K."""
        logits: torch.Tensor = self.classifier(self._flat(images)).to(images.dtype)
        return logits

    def posterior(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> Gaussian:
        """Return q(z | x, y): B×… and labels B to a Gaussian of B×D; for every class, K×B×D."""
        output = self.encoder(self._flat(images), labels).to(images.dtype)
        mean, log_variance = output.chunk(2, dim=-1)
        return Gaussian(mean, log_variance)

    def decode(self, latents: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map …×B×D and labels B to the likelihood's parameters, …×B×…; for every class, K×B×…."""
        output: torch.Tensor = self.decoder(latents, labels)
        return output.unflatten(-1, (-1, *self.shape[1:]))

    def log_likelihood(
        self, images: torch.Tensor, latents: torch.Tensor, labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return log p(x | y, z) in nats per image, …×B; for every class, K×B."""
        return self.likelihood.log_density(self.decode(latents, labels), images)

    def generate(
        self, labels: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return the expected image of each label at a draw of z from the prior: B to B×….

        Raises:
            TypeError: If the labels are no list of whole numbers.
            ValueError: If one is beyond the classes.
        """
        check_classes("label", labels, self.classes)
        # Drawn on the CPU in one precision, so that one seed gives the same images everywhere.
        size = (len(labels), self.latent_size)
        latents = torch.randn(size, dtype=torch.float32, generator=generator)
        latents = latents.to(labels.device, dtype_of(self))
        return self.likelihood.mean(self.decode(latents, labels))

    def analogies(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return each image's style in every class: B×… and labels B to K×B×…, expected."""
        styles = self.posterior(images, labels).mean  # B×D
        return self.likelihood.mean(self.decode(styles))

    def _flat(self, images: torch.Tensor) -> torch.Tensor:
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(
                f"This model takes inputs of shape {self.shape}, "
                f"not {tuple(images.shape[1:])}; ImageSet.conform makes images fit."
            )
        return images.flatten(1)


@remembers
class M1M2(nn.Module):
    """M2 on the latents of M1, a trained VAE that stays as it is.

    Called like a classifier, it gives the logits of q(y | z1) at the mean of q(z1 | x).

    Args:
        m1: The VAE; its parameters are frozen here.
        m2: A model of A-vectors.
        kept: Numbers of the A dimensions of M1 that carry something.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae, stack_m2
        >>> m1m2 = stack_m2(mlp_vae((1, 8, 8), (16,), 3), torch.tensor([0, 2]), 10, (8,), 2)
        >>> m1m2.generate(torch.tensor([4, 4, 7])).shape
        torch.Size([3, 1, 8, 8])
    """

    kept: torch.Tensor

    def __init__(self, m1: VAE, m2: M2, kept: torch.Tensor) -> None:
        super().__init__()
        if m2.shape != (len(kept),):
            raise ValueError(f"{len(kept)} latents are kept, but M2 takes inputs of {m2.shape}.")
        self.m1, self.m2 = m1.requires_grad_(False), m2
        self.register_buffer("kept", kept)

    def posterior(self, images: torch.Tensor) -> Gaussian:
        """Return q(z1 | x) in the kept dimensions: B×C×H×W to a Gaussian of B×A."""
        with torch.no_grad():
            mean, log_variance = self.m1.posterior(images)
        return Gaussian(mean[:, self.kept], log_variance[:, self.kept])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of q(y | z1) at the posterior mean: B×C×H×W to B×K."""
        logits: torch.Tensor = self.m2(self.posterior(images).mean)
        return logits

    def generate(
        self, labels: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return the expected image of each label at a draw of z2: B to B×C×H×W."""
        return self._images(self.m2.generate(labels, generator))

    def analogies(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return each image's style in every class: B×C×H×W and labels B to K×B×C×H×W."""
        return self._images(self.m2.analogies(self.posterior(images).mean, labels))

    def _images(self, latents: torch.Tensor) -> torch.Tensor:
        # A dimension that carries nothing has the prior as its posterior: zero is its mean.
        full = latents.new_zeros(*latents.shape[:-1], self.m1.latent_size)
        full[..., self.kept] = latents
        return self.m1.likelihood.mean(self.m1.decode(full))


@remembers
def mlp_m2(
    shape: Shape = (1, 28, 28),
    classes: int = 10,
    hidden: Sequence[int] = (500,),
    latent_size: int = 50,
    *,
    likelihood: Likelihood | None = None,
    activation: Callable[[], nn.Module] = nn.Softplus,
) -> M2:
    """Make a fully connected M2 of images; all three nets have the same hidden widths.

    Args:
        shape: C, H, W of the images.
        classes: K.
        hidden: Hidden widths of the classifier and the encoder; the decoder mirrors them.
        latent_size: D.
        likelihood: p(x | y, z); Bernoulli unless told otherwise.
        activation: Makes the nonlinearity of the hidden layers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_m2
        >>> mlp_m2((1, 8, 8), 10, (16,), 2).generate(torch.arange(10)).shape
        torch.Size([10, 1, 8, 8])
    """
    return _mlp_m2(shape, classes, hidden, latent_size, prod(shape), likelihood, activation)


@remembers
def stack_m2(
    m1: VAE,
    kept: torch.Tensor,
    classes: int = 10,
    hidden: Sequence[int] = (500,),
    latent_size: int = 50,
    *,
    activation: Callable[[], nn.Module] = nn.Softplus,
) -> M1M2:
    """Make M1+M2: an M2 with Gaussian p(z1 | y, z2) on the kept latents of ``m1``.

    Args:
        m1: A trained VAE.
        kept: Numbers of its A dimensions to build on, as ``evaluation.active_units`` finds.
        classes: K.
        hidden: Hidden widths of M2's nets.
        latent_size: Size of z2.
        activation: Makes the nonlinearity of the hidden layers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae, stack_m2
        >>> m1m2 = stack_m2(mlp_vae((1, 8, 8), (16,), 3), torch.tensor([0, 2]), 10, (8,), 2)
        >>> m1m2(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    size = len(kept)
    likelihood = PredictedGaussianLikelihood()
    m2 = _mlp_m2((size,), classes, hidden, latent_size, 2 * size, likelihood, activation)
    return M1M2(m1, m2, kept)


def _mlp_m2(
    shape: Sequence[int],
    classes: int,
    hidden: Sequence[int],
    latent_size: int,
    decoded: int,
    likelihood: Likelihood | None,
    activation: Callable[[], nn.Module],
) -> M2:
    inputs, mirrored = prod(shape), tuple(reversed(hidden))
    return M2(
        fully_connected([inputs, *hidden, classes], activation),
        ConditionalMLP(inputs, classes, hidden, 2 * latent_size, activation),
        ConditionalMLP(latent_size, classes, mirrored, decoded, activation),
        classes=classes,
        latent_size=latent_size,
        shape=shape,
        likelihood=likelihood,
    )
