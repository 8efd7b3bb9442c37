"""A named feature space for scores of samples, and training one on the domain's own labels."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch
from torch import nn

from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.inference import over
from latent_transfer.models import Classifier
from latent_transfer.nets import ConvEncoder, he_initialise
from latent_transfer.objectives import classification_loss
from latent_transfer.training.loop import fit
from latent_transfer.training.schedules import cosine_schedule


@dataclass(frozen=True)
class FeatureSpace:
    """A net whose features images are compared in; a score means nothing without its name.

    The net runs in evaluation mode whatever mode it was left in: in training mode the features of
    an image would depend on the images beside it.

    Attributes:
        name: Said wherever a score is quoted.
        net: Has a method ``features``, or is called itself: B×C×H×W in [0, 1] to B×D.
        scale: Features are divided by it; the distances' unit.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8).test
        >>> net = lt.models.mlp_classifier(digits.shape, 10, (12,))
        >>> space = lt.training.FeatureSpace("a classifier that learnt nothing", net)
        >>> tuple(space(digits).shape)
        (360, 12)
    """

    name: str
    net: nn.Module
    scale: float = 1.0

    def __call__(self, images: ImageSet | torch.Tensor, *, batch_size: int = 500) -> torch.Tensor:
        """Features of N images or pixels N×C×H×W, N×D."""
        features = getattr(self.net, "features", self.net)
        return over(
            self.net,
            images,
            lambda pixels: features(pixels).flatten(1) / self.scale,
            batch_size=batch_size,
        )


def train_feature_space(
    name: str,
    train: ImageSet,
    *,
    channels: tuple[int, ...] = (32, 64, 128),
    size: int = 64,
    steps: int = 600,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> FeatureSpace:
    """A feature space of the domain's own: the last layer but one of a classifier trained on it.

    Its unit is the root mean square of the training images' features, so that scores of different
    domains are of one size.

    Args:
        name: Of the space.
        train: Labelled images; not those that samples will be compared with.
        channels: Of the classifier's convolutions.
        size: D, of the features.
        steps: Gradient steps, rounded up to whole passes.
        seed: Decides starting weights and order.
        checkpoint: File to keep the classifier in; a finished one is read, not trained again.
        progress: Whether to show the progress bar.

    Raises:
        ValueError: If the images belong to one class only.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8)
        >>> space = lt.training.train_feature_space(
        ...     "digits", digits.train, channels=(4,), size=6, steps=2
        ... )
        >>> round(space(digits.train).square().mean().item(), 3)
        1.0
    """
    train.require_classes("A feature space")
    batch_size = 100
    with seeded(seed):
        encoder = ConvEncoder(train.shape, channels, size)
        net = he_initialise(Classifier(encoder, size, len(train.classes)))
    fit(
        net.to(train.device),
        train,
        classification_loss,
        epochs=ceil(steps / ceil(len(train) / batch_size)),
        batch_size=batch_size,
        learning_rate=3e-3,  # falls to zero along the cosine
        schedule=cosine_schedule,
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
    )
    scale = FeatureSpace(name, net)(train).square().mean().sqrt().item()
    return FeatureSpace(name, net, scale)
