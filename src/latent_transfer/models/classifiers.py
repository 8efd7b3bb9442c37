"""Classifiers: an encoder, which may come from elsewhere, and a head, which never does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from latent_transfer.nets import MLPEncoder, Shape, fully_connected, limit_norms
from latent_transfer.nets.recipes import remembers


@remembers
class Classifier(nn.Module):
    """Class logits from the features of an encoder.

    Args:
        encoder: B×C×H×W to B×E.
        feature_size: D ≤ E; the head sees the first D outputs of the encoder, which are the
            posterior means if the encoder is a VAE's.
        classes: K, the number of classes.
        hidden: Widths of the head's hidden layers; none makes the head linear.

    Example:
        >>> import torch
        >>> from latent_transfer.models import Classifier, mlp_vae
        >>> vae = mlp_vae((1, 8, 8), (16,), 2)
        >>> Classifier(vae.encoder, feature_size=2, classes=10)(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """

    def __init__(
        self, encoder: nn.Module, feature_size: int, classes: int, hidden: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.encoder, self.feature_size = encoder, feature_size
        self.head = fully_connected([feature_size, *hidden, classes])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to what the head sees, B×D.

        Raises:
            ValueError: If the encoder's output is not B×E with E ≥ D.
        """
        outputs: torch.Tensor = self.encoder(images)
        if outputs.dim() != 2 or outputs.shape[1] < self.feature_size:
            raise ValueError(
                f"The head takes {self.feature_size} features per image, B×{self.feature_size} or "
                f"wider, but the encoder gives {tuple(outputs.shape)}; nn.Flatten makes maps flat."
            )
        return outputs[:, : self.feature_size]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W to class logits, B×K."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits


@remembers
def mlp_classifier(
    shape: Shape = (1, 28, 28),
    classes: int = 10,
    hidden: Sequence[int] = (1200, 1200),
    *,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    max_norm: float | None = None,
) -> Classifier:
    """Make a fully connected classifier with ReLUs, regularised or not.

    Args:
        shape: C, H, W of the images.
        classes: K.
        hidden: Widths of the hidden layers, at least one.
        dropout: Share of each hidden layer's units that is dropped in training.
        input_dropout: Share of the pixels that is dropped in training.
        max_norm: Greatest length of a hidden unit's vector of incoming weights, if any.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_classifier
        >>> model = mlp_classifier((1, 8, 8), 10, (32, 16), dropout=0.5, max_norm=3.0)
        >>> model(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """

    def activation() -> nn.Module:
        return nn.Sequential(nn.ReLU(), nn.Dropout(dropout)) if dropout else nn.ReLU()

    layers = MLPEncoder(shape, hidden[:-1], hidden[-1], activation)
    parts = [nn.Dropout(input_dropout)] if input_dropout else []
    encoder = nn.Sequential(*parts, layers, activation())
    if max_norm is not None:
        limit_norms(encoder, max_norm)
    return Classifier(encoder, hidden[-1], classes)
