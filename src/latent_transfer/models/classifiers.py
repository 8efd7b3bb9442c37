"""Classifiers: an encoder, which may come from elsewhere, and a head, which never does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from latent_transfer.nets import fully_connected


class Classifier(nn.Module):
    """Class logits from the features of an encoder.

    Args:
        encoder: B×C×H×W to B×E.
        feature_size: D ≤ E; the head sees the first D outputs of the encoder, which are the
            posterior means if the encoder is a VAE's.
        classes: K, the number of classes.
        hidden: Widths of the head's hidden layers; none makes the head linear.
    """

    def __init__(
        self, encoder: nn.Module, feature_size: int, classes: int, hidden: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.encoder, self.feature_size = encoder, feature_size
        self.head = fully_connected([feature_size, *hidden, classes])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """B×C×H×W to what the head sees, B×D."""
        outputs: torch.Tensor = self.encoder(images)
        return outputs[:, : self.feature_size]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B×C×H×W to class logits, B×K."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits
