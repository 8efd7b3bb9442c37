"""The cross-entropy of a classifier with the true classes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from latent_transfer.data import Batch
from latent_transfer.objectives._checks import checked, require_labels
from latent_transfer.objectives.reconstruction import Terms


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return −log p(y | x) in nats per image: B×K logits and B labels to B.

    Equation: eq-cross-entropy.

    Args:
        logits: B×K; never probabilities.
        labels: B, integers in [0, K).

    Raises:
        ValueError: If the labels are not integers, not one per image, or one has no logit.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import cross_entropy
        >>> cross_entropy(torch.zeros(3, 4), torch.tensor([0, 1, 3]))  # log 4
        tensor([1.3863, 1.3863, 1.3863])
    """
    if logits.dim() != 2:
        raise ValueError(f"Logits must be one row per image, not of shape {tuple(logits.shape)}.")
    require_labels(labels, *logits.shape)
    return F.cross_entropy(logits, labels.long(), reduction="none")


def classification_loss(model: nn.Module, batch: Batch) -> Terms:
    """Return the batch mean of the cross-entropy of a classifier.

    Args:
        model: B×C×H×W to logits B×K.
        batch: Images B×C×H×W in [0, 1] with their labels.

    Returns:
        ``loss`` in nats per image, and ``error``, the share of wrong answers in per cent.

    Raises:
        ValueError: If there is no image, its pixels are integers, or labels are missing or wrong.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Batch
        >>> from latent_transfer.models import mlp_classifier
        >>> from latent_transfer.objectives import classification_loss
        >>> model, images = mlp_classifier((1, 4, 4), 3, (8,)), torch.rand(6, 1, 4, 4)
        >>> sorted(classification_loss(model, Batch(images, torch.arange(6) % 3)))
        ['error', 'loss']
    """
    batch = checked(batch)
    labels = batch.require_labels()
    logits = model(batch.images)  # B×K
    surprise = cross_entropy(logits, labels).mean()
    wrong = (logits.argmax(-1) != labels).float()
    return {"loss": surprise, "error": 100 * wrong.mean()}
