"""Autoencoders: an encoder, a decoder, and the map from the decoder's logits to pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from latent_transfer.nets import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder, Shape
from latent_transfer.nets.recipes import remembers

SEED_HIDDEN = (128, 64, 32, 16)  # between 784 pixels and 8 code units


@remembers
class Autoencoder(nn.Module):
    """Encoder and decoder trained to return their input.

    Args:
        encoder: B×C×H×W to B×D.
        decoder: B×D to B×C×H×W logits.
        code_activation: Applied to the encoder's output; identity unless the code must be bounded.
        output: Maps logits to pixels; sigmoid for pixels in [0, 1].

    Example:
        >>> import torch
        >>> from latent_transfer.models import Autoencoder
        >>> from latent_transfer.nets import ConvEncoder, MLPDecoder
        >>> shape = (1, 8, 8)
        >>> model = Autoencoder(ConvEncoder(shape, (4, 8), 3), MLPDecoder(3, (16,), shape))
        >>> model.reconstruct(torch.rand(5, *shape)).shape
        torch.Size([5, 1, 8, 8])
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        code_activation: nn.Module | None = None,
        output: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.code_activation = code_activation or nn.Identity()
        self.output = output or nn.Sigmoid()

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to codes B×D."""
        codes: torch.Tensor = self.code_activation(self.encoder(images))
        return codes

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the codes, B×C×H×W to B×D: what another model may build on."""
        return self.encode(images)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Map codes …×D to logits …×C×H×W."""
        logits: torch.Tensor = self.decoder(codes)
        return logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to the logits of its reconstruction, B×C×H×W."""
        return self.decode(self.encode(images))

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to its reconstruction in pixel range."""
        pixels: torch.Tensor = self.output(self(images))
        return pixels


@remembers
def mlp_autoencoder(
    shape: Shape = (1, 28, 28),
    hidden: Sequence[int] = SEED_HIDDEN,
    code_size: int = 8,
    *,
    activation: Callable[[], nn.Module] = nn.ReLU,
    code_activation: nn.Module | None = None,
    output: nn.Module | None = None,
) -> Autoencoder:
    """Make the deep fully connected autoencoder, 784-128-64-32-16-8 and back by default.

    Args:
        shape: C, H, W of the images.
        hidden: Hidden widths of the encoder; the decoder mirrors them. Empty: a linear one.
        code_size: D, the width of the code.
        activation: Makes the nonlinearity of the hidden layers.
        code_activation: Applied to the code, e.g. ``nn.ReLU()``; none by default.
        output: Maps logits to pixels; ``nn.Identity()`` for a linear output.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_autoencoder
        >>> mlp_autoencoder().encode(torch.rand(5, 1, 28, 28)).shape
        torch.Size([5, 8])
    """
    encoder = MLPEncoder(shape, hidden, code_size, activation)
    decoder = MLPDecoder(code_size, tuple(reversed(hidden)), shape, activation)
    return Autoencoder(encoder, decoder, code_activation, output)


@remembers
def conv_autoencoder(
    shape: Shape = (1, 28, 28),
    channels: Sequence[int] = (32, 64, 128, 256),
    code_size: int = 128,
) -> Autoencoder:
    """Make the four-layer convolutional autoencoder with a 128-dimensional code.

    Args:
        shape: C, H, W; 28×28 and 32×32, one or three channels, all fit.
        channels: Channels of the encoder's convolutions; the decoder mirrors them.
        code_size: D, the width of the code.

    Example:
        >>> import torch
        >>> from latent_transfer.models import conv_autoencoder
        >>> conv_autoencoder((3, 8, 8), (4, 8), 6).encode(torch.rand(5, 3, 8, 8)).shape
        torch.Size([5, 6])
    """
    encoder = ConvEncoder(shape, channels, code_size)
    decoder = ConvDecoder(code_size, tuple(reversed(channels)), shape)
    return Autoencoder(encoder, decoder)


@remembers
def sparse_autoencoder(
    shape: Shape = (1, 28, 28),
    code_size: int = 256,
    *,
    code_activation: nn.Module | None = None,
    unit_features: bool = False,
) -> Autoencoder:
    """Make one wide layer, useful by a sparsity penalty instead of a narrow code.

    The decoder is linear: a reconstruction is b + Σⱼ hⱼwⱼ, a sum of features wⱼ (the columns of the
    decoder's weight) in the amounts hⱼ.

    Args:
        shape: C, H, W of the images.
        code_size: D, the number of code units.
        code_activation: Sigmoid by default, activations in (0, 1) as KL sparsity needs;
            ``nn.ReLU()`` for an L1 norm, because a ReLU reaches exactly zero.
        unit_features: Keep every feature at length 1, so that codes cannot shrink, and an L1
            penalty with them, while the decoder's weights grow.

    Example:
        >>> import torch
        >>> from latent_transfer.models import sparse_autoencoder
        >>> model = sparse_autoencoder((1, 8, 8), 100, unit_features=True)
        >>> model.decoder.layers[0].weight.norm(dim=0).round().unique().tolist()
        [1.0]
    """
    activation = code_activation or nn.Sigmoid()
    model = mlp_autoencoder(shape, (), code_size, code_activation=activation, output=nn.Identity())
    if unit_features:
        dictionary = model.get_submodule("decoder.layers.0")
        parametrize.register_parametrization(dictionary, "weight", _UnitColumns())
    return model


class _UnitColumns(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight / weight.norm(dim=0, keepdim=True)  # P×D
