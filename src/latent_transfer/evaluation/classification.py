"""How often a classifier is wrong."""

from __future__ import annotations

import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.evaluation._checks import check_labels, check_logits
from latent_transfer.evaluation.estimates import Estimate
from latent_transfer.inference import predict_logits


def classification_error(model: nn.Module, images: ImageSet) -> Estimate:
    """Wrong answers in per cent, and the standard error that the number of images leaves.

    Args:
        model: B×C×H×W to logits B×K.
        images: Usually the test set.

    Raises:
        ValueError: If the logits are not N×K and finite, or a label lies beyond the K classes.
    """
    return Estimate.of(100.0 * _wrong(model, images))


def balanced_error(model: nn.Module, images: ImageSet) -> float:
    """Wrong answers in per cent of each class, averaged over the classes.

    Where one class is frequent, always guessing it has a small error but no small balanced one.

    Args:
        model: B×C×H×W to logits B×K.
        images: Usually the test set; classes without images do not count.

    Raises:
        ValueError: If the logits are not N×K and finite, or a label lies beyond the K classes.
    """
    wrong, labels = _wrong(model, images), images.labels
    errors = [100.0 * wrong[labels == label].double().mean() for label in labels.unique()]
    return torch.stack(errors).mean().item()


def _wrong(model: nn.Module, images: ImageSet) -> torch.Tensor:
    logits = predict_logits(model, images)
    check_logits("Logits", logits)
    check_labels("Labels", images.labels, len(logits), logits.shape[1])
    return logits.argmax(-1) != images.labels
