"""An autoencoder on frozen features, judged by a discriminator, with a prior over its code."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt

import torch
from torch import nn

from latent_transfer.models.autoencoders import Autoencoder
from latent_transfer.models.gan import leaky_relu
from latent_transfer.nets import ConvEncoder, Shape, VGGFeatures, normalise_spectra
from latent_transfer.nets.recipes import remembers


@remembers
class AdversarialAutoencoder(Autoencoder):
    """Encoder, decoder, a discriminator of the reconstructions, and a Gaussian over the codes.

    An autoencoder returns images and makes none. It generates once its codes have a distribution
    to draw from: here the Gaussian with the mean and the covariance of the codes of given images,
    fitted after training (Ghosh et al. 2020).

    Args:
        encoder: B×C×H×W to B×D.
        decoder: B×D to B×C×H×W logits.
        discriminator: B×C×H×W to B×1 scores: high for what it takes to be data.

    Example:
        >>> import torch
        >>> from latent_transfer.models import feature_autoencoder
        >>> from latent_transfer.nets import small_vgg_features
        >>> model = feature_autoencoder(small_vgg_features((4, 8)), (1, 8, 8), 4, channels=(4, 8))
        >>> model.fit_prior(torch.rand(5, 1, 8, 8))
        >>> model.generate(3).shape
        torch.Size([3, 1, 8, 8])
    """

    code_mean: torch.Tensor
    code_factors: torch.Tensor

    def __init__(self, encoder: nn.Module, decoder: nn.Module, discriminator: nn.Module) -> None:
        super().__init__(encoder, decoder)
        self.discriminator = discriminator
        # Not saved: they follow from the weights and the images.
        self.register_buffer("code_mean", torch.empty(0), persistent=False)
        self.register_buffer("code_factors", torch.empty(0, 0), persistent=False)

    def discriminate(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to scores B: the logit of "this is data"."""
        scores: torch.Tensor = self.discriminator(images)
        return scores.squeeze(-1)

    @torch.no_grad()
    def fit_prior(self, images: torch.Tensor) -> None:
        """Take the mean and the covariance of the codes of N ≥ 2 images as those of the prior.

        The covariance of N codes has rank N − 1 at most, so it is kept as N factors of length D:
        with C the codes less their mean, Cᵀε/√(N − 1) for ε ~ N(0, I) has it exactly.

        Args:
            images: N×C×H×W.

        Raises:
            ValueError: If there are fewer than two images.
        """
        if len(images) < 2:
            raise ValueError("The prior needs the codes of at least two images.")
        codes = self.encode(images)  # N×D
        self.code_mean = codes.mean(0)
        self.code_factors = (codes - self.code_mean) / sqrt(len(codes) - 1)  # N×D

    def generate(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return images at ``count`` draws from the prior over codes, count×C×H×W in pixel range.

        Raises:
            ValueError: If the prior has not been fitted.
        """
        if not len(self.code_mean):
            raise ValueError(
                "An autoencoder has no prior of its own: call fit_prior(images) after training."
            )
        # Drawn on the CPU in one precision, so that one seed gives the same images everywhere.
        size = (count, len(self.code_factors))
        noise = torch.randn(size, dtype=torch.float32, generator=generator)
        codes = self.code_mean + noise.to(self.code_mean) @ self.code_factors
        pixels: torch.Tensor = self.output(self.decode(codes))
        return pixels


@remembers
def feature_autoencoder(
    features: VGGFeatures,
    shape: Shape = (3, 32, 32),
    code_channels: int = 256,
    *,
    channels: Sequence[int] = (64, 128),
) -> AdversarialAutoencoder:
    """Make frozen features of a classifier, a new linear layer to 256×8×8, and an image decoder.

    Args:
        features: The first blocks of an image classifier; frozen here, whatever they were.
        shape: C, H, W of the images; 8×8 is a quarter of 32×32, and 28×28 gives 7×7.
        code_channels: 256 of the code's 256×8×8.
        channels: Of the discriminator's convolutions; the decoder has their first between the
            code and the image.

    Raises:
        ValueError: If height or width is no multiple of 4.

    Example:
        >>> import torch
        >>> from latent_transfer.models import feature_autoencoder
        >>> from latent_transfer.nets import small_vgg_features
        >>> model = feature_autoencoder(small_vgg_features((4, 8)), (1, 8, 8), 4, channels=(4, 8))
        >>> model.encode(torch.rand(5, 1, 8, 8)).shape  # 4×2×2
        torch.Size([5, 16])
    """
    channels_out, height, width = shape
    if height % 4 or width % 4:
        raise ValueError(f"Height and width must be multiples of 4, not {height} and {width}.")
    code = (code_channels, height // 4, width // 4)
    features.requires_grad_(False)
    maps = features(torch.zeros(1, *shape)).flatten(1)
    encoder = nn.Sequential(features, nn.Flatten(), nn.Linear(maps.shape[1], prod(code)))
    decoder = nn.Sequential(
        nn.Unflatten(1, code),
        nn.ReLU(),
        nn.ConvTranspose2d(code_channels, channels[0], 4, stride=2, padding=1),  # doubles the size
        nn.ReLU(),
        nn.ConvTranspose2d(channels[0], channels_out, 4, stride=2, padding=1),
    )
    discriminator = ConvEncoder(shape, channels, 1, leaky_relu)
    normalise_spectra(discriminator)
    return AdversarialAutoencoder(encoder, decoder, discriminator)
