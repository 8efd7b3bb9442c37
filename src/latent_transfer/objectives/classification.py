"""How surprised a classifier is by the true class."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from latent_transfer.data import Batch
from latent_transfer.objectives.reconstruction import Terms


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """−log p(y | x) in nats per image: B×K logits and B labels to B.

    Equation: eq-cross-entropy.

    Raises:
        ValueError: If a label has no logit.
    """
    # One decision, on which all replicas of a vectorised training agree.
    if ((labels < 0) | (labels >= logits.shape[-1])).any():
        low, high = (int(end) for end in labels.aminmax())
        raise ValueError(
            f"Labels run from {low} to {high}, but there are logits "
            f"for {logits.shape[-1]} classes; give the head as many outputs as there are classes."
        )
    return F.cross_entropy(logits, labels, reduction="none")


def classification_loss(model: nn.Module, batch: Batch) -> Terms:
    """Batch mean of the cross-entropy of a classifier.

    Args:
        model: B×C×H×W to logits B×K.
        batch: Images B×C×H×W in [0, 1] with their labels.

    Returns:
        ``loss`` in nats per image, and ``error``, the share of wrong answers in per cent.
    """
    labels = Batch.of(batch).require_labels()
    logits = model(batch.images)  # B×K
    wrong = (logits.argmax(-1) != labels).float()
    return {"loss": cross_entropy(logits, labels).mean(), "error": 100 * wrong.mean()}
