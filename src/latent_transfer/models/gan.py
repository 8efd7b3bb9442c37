"""Generative adversarial nets: a generator that makes images, a discriminator that judges them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from latent_transfer.nets import (
    ConvDecoder,
    ConvEncoder,
    MLPDecoder,
    MLPEncoder,
    Shape,
    device_of,
    dtype_of,
    normalise_spectra,
)
from latent_transfer.nets.recipes import remembers

leaky_relu = partial(nn.LeakyReLU, 0.2)


@remembers
class GAN(nn.Module):
    """Two nets that are trained against each other (Goodfellow et al. 2014).

    The generator that is trained swings with every step of its opponent; what is drawn from the
    model afterwards comes from a moving average of its weights. Called with noise, the model gives
    the images of the generator that is trained.

    Args:
        generator: B×D noise to B×C×H×W logits of pixels.
        discriminator: B×C×H×W to B×1 scores: high for what it takes to be data.
        latent_size: D.
        averaging: Decay of the moving average, in [0, 1); 0 keeps the last weights.
        output: Maps logits to pixels; sigmoid for pixels in [0, 1].

    Example:
        >>> import torch
        >>> from latent_transfer.models import GAN
        >>> from latent_transfer.nets import ConvEncoder, MLPDecoder
        >>> shape = (1, 8, 8)
        >>> gan = GAN(MLPDecoder(3, (16,), shape), ConvEncoder(shape, (4, 8), 1), latent_size=3)
        >>> gan(torch.randn(5, 3)).shape, gan.discriminate(torch.rand(5, *shape)).shape
        (torch.Size([5, 1, 8, 8]), torch.Size([5]))
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        averaging: float = 0.995,
        output: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= averaging < 1:
            raise ValueError(f"The decay of an average lies in [0, 1), not at {averaging}.")
        self.generator, self.discriminator = generator, discriminator
        self.latent_size = latent_size
        self.output = output or nn.Sigmoid()
        # With use_buffers the statistics of the batch norms are averaged like the weights.
        average = get_ema_multi_avg_fn(averaging)
        self.average = AveragedModel(generator, multi_avg_fn=average, use_buffers=True)
        self.average.requires_grad_(False)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Map B×D to images B×C×H×W in pixel range, by the generator that is trained.

        The averaged generator, which draws the images in the end, is called by :meth:`decode`.
        """
        images: torch.Tensor = self.output(self.generator(latents))
        return images

    def sample(self, count: int) -> torch.Tensor:
        """Draw images, count×C×H×W, by the generator that is trained; noise is PyTorch's own."""
        device, dtype = device_of(self.generator), dtype_of(self.generator)
        latents = torch.randn(count, self.latent_size, device=device, dtype=dtype)
        images: torch.Tensor = self(latents)
        return images

    def discriminate(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to scores B: the logit of "this is data"."""
        scores: torch.Tensor = self.discriminator(images)
        return scores.squeeze(-1)

    def update_average(self) -> None:
        """Let the moving average take in the generator's weights as they are.

        Equation: eq-moving-average.
        """
        self.average.update_parameters(self.generator)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Map B×D to B×C×H×W in pixel range, by the averaged generator."""
        images: torch.Tensor = self.output(self.average(latents))
        return images

    def generate(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return images at ``count`` draws from N(0, I), count×C×H×W, by the averaged generator."""
        # Drawn on the CPU in one precision, so that one seed gives the same images everywhere.
        latents = torch.randn(count, self.latent_size, dtype=torch.float32, generator=generator)
        return self.decode(latents.to(device_of(self.generator), dtype_of(self.generator)))


@remembers
def conv_gan(
    shape: Shape = (1, 28, 28),
    channels: Sequence[int] = (64, 128, 256),
    latent_size: int = 64,
    *,
    averaging: float = 0.995,
) -> GAN:
    """Make a convolutional GAN: a VAE's decoder with batch norm against an encoder of one output.

    The layers follow Radford et al. (2016); the discriminator's are spectrally normalised and
    have no batch norm (Miyato et al. 2018).

    Args:
        shape: C, H, W of the images.
        channels: Of the discriminator's convolutions; the generator mirrors them.
        latent_size: D.
        averaging: Decay of the generator's moving average.

    Example:
        >>> from latent_transfer.models import conv_gan
        >>> conv_gan((1, 8, 8), (4, 8), latent_size=3).generate(5).shape
        torch.Size([5, 1, 8, 8])
    """
    generator = ConvDecoder(latent_size, tuple(reversed(channels)), shape, nn.BatchNorm2d, kernel=4)
    discriminator = ConvEncoder(shape, channels, 1, leaky_relu)
    normalise_spectra(discriminator)
    return GAN(generator, discriminator, latent_size, averaging=averaging)


@remembers
def mlp_gan(
    shape: Shape,
    hidden: Sequence[int] = (128, 128),
    latent_size: int = 16,
    *,
    averaging: float = 0.995,
    output: nn.Module | None = None,
) -> GAN:
    """Make a fully connected GAN without normalisations.

    Args:
        shape: C, H, W of the images; (D, 1, 1) for rows of a table.
        hidden: Hidden widths of both nets.
        latent_size: D.
        averaging: Decay of the generator's moving average.
        output: Maps logits to pixels; ``nn.Identity()`` for values without bounds.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.models import mlp_gan
        >>> mlp_gan((2, 1, 1), output=nn.Identity()).generate(5).shape  # rows of a table
        torch.Size([5, 2, 1, 1])
    """
    generator = MLPDecoder(latent_size, hidden, shape)
    discriminator = MLPEncoder(shape, hidden, 1, leaky_relu)
    return GAN(generator, discriminator, latent_size, averaging=averaging, output=output)
