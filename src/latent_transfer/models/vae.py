"""The variational autoencoder: p(z) = N(0, I), a decoder p(x | z), an encoder q(z | x)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from latent_transfer.densities import Gaussian
from latent_transfer.models.likelihoods import BernoulliLikelihood, Likelihood
from latent_transfer.models.protocols import log_prior
from latent_transfer.nets import (
    ConvDecoder,
    ConvEncoder,
    MLPDecoder,
    MLPEncoder,
    Shape,
    device_of,
    dtype_of,
)
from latent_transfer.nets.recipes import remembers


@remembers
class VAE(nn.Module):
    """A latent-variable model of images with an amortised Gaussian posterior.

    Called like an autoencoder, it gives the likelihood's parameters at the posterior mean.

    Args:
        encoder: B×C×H×W to B×2D: means and log-variances of q(z | x), side by side.
        decoder: …×D to …×C×H×W: what ``likelihood`` takes.
        latent_size: D.
        likelihood: p(x | z); Bernoulli unless told otherwise.

    Example:
        >>> import torch
        >>> from latent_transfer.models import VAE
        >>> from latent_transfer.nets import ConvEncoder, MLPDecoder
        >>> shape = (1, 8, 8)
        >>> vae = VAE(ConvEncoder(shape, (4, 8), 2 * 3), MLPDecoder(3, (16,), shape), latent_size=3)
        >>> vae.posterior(torch.rand(5, *shape)).mean.shape, vae.generate(2).shape
        (torch.Size([5, 3]), torch.Size([2, 1, 8, 8]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent_size: int,
        likelihood: Likelihood | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.latent_size = latent_size
        self.likelihood = likelihood or BernoulliLikelihood()

    def posterior(self, images: torch.Tensor) -> Gaussian:
        """Return q(z | x) for a batch: B×C×H×W to a Gaussian of B×D. No decoder, no noise.

        Raises:
            ValueError: If the encoder's output is not B×2D.
        """
        # Back to the images' precision: under bfloat16 autocast the KL is still a float32 sum.
        output = self.encoder(images).to(images.dtype)  # B×2D
        if output.shape[1:] != (2 * self.latent_size,):
            raise ValueError(
                f"The encoder of a VAE with {self.latent_size} latents gives means and "
                f"log-variances, B×{2 * self.latent_size}, not {tuple(output.shape)}."
            )
        mean, log_variance = output.chunk(2, dim=-1)  # B×D each
        return Gaussian(mean, log_variance)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the posterior means, B×C×H×W to B×D: what another model may build on."""
        return self.posterior(images).mean

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Map …×D to the likelihood's parameters, …×C×H×W (logits for Bernoulli pixels)."""
        output: torch.Tensor = self.decoder(latents)
        return output

    def log_likelihood(self, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(x | z) in nats per image: images B×C×H×W, latents …×B×D, result …×B."""
        return self.likelihood.log_density(self.decode(latents), images)

    def log_joint(self, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(x, z) = log p(x | z) + log p(z) in nats per image: …×B."""
        return self.log_likelihood(images, latents) + log_prior(self, latents)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the likelihood's parameters at the posterior mean, B×C×H×W to B×C×H×W: no noise.

        A loss needs draws of z instead; ``objectives.negative_elbo`` makes them.
        """
        return self.decode(self.posterior(images).mean)

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Return the expected image at the posterior mean, B×C×H×W in pixel range."""
        return self.likelihood.mean(self(images))

    def generate(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return expected images at ``count`` draws from the prior, count×C×H×W in pixel range."""
        # Drawn on the CPU in one precision, so that one seed gives the same images everywhere.
        latents = torch.randn(count, self.latent_size, dtype=torch.float32, generator=generator)
        return self.likelihood.mean(self.decode(latents.to(device_of(self), dtype_of(self))))


@remembers
def mlp_vae(
    shape: Shape = (1, 28, 28),
    hidden: Sequence[int] = (500, 500),
    latent_size: int = 50,
    *,
    likelihood: Likelihood | None = None,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> VAE:
    """Make a fully connected VAE; the default is 784-500-500-50.

    Args:
        shape: C, H, W of the images.
        hidden: Hidden widths of the encoder; the decoder mirrors them.
        latent_size: D.
        likelihood: p(x | z); Bernoulli unless told otherwise.
        activation: Makes the nonlinearity of the hidden layers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae
        >>> vae = mlp_vae((1, 8, 8), hidden=(16,), latent_size=2)
        >>> vae.reconstruct(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 1, 8, 8])
    """
    encoder = MLPEncoder(shape, hidden, 2 * latent_size, activation)
    decoder = MLPDecoder(latent_size, tuple(reversed(hidden)), shape, activation)
    return VAE(encoder, decoder, latent_size, likelihood)


@remembers
def conv_vae(
    shape: Shape = (1, 28, 28),
    channels: Sequence[int] = (32, 64, 128, 256),
    latent_size: int = 50,
    *,
    likelihood: Likelihood | None = None,
) -> VAE:
    """Make a convolutional VAE on the layers of :func:`conv_autoencoder`.

    Args:
        shape: C, H, W of the images.
        channels: Channels of the encoder's convolutions; the decoder mirrors them.
        latent_size: D.
        likelihood: p(x | z); Bernoulli unless told otherwise.

    Example:
        >>> from latent_transfer.models import conv_vae
        >>> conv_vae((3, 8, 8), channels=(4, 8), latent_size=2).generate(5).shape
        torch.Size([5, 3, 8, 8])
    """
    encoder = ConvEncoder(shape, channels, 2 * latent_size)
    decoder = ConvDecoder(latent_size, tuple(reversed(channels)), shape)
    return VAE(encoder, decoder, latent_size, likelihood)
