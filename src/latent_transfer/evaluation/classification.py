"""How often a classifier is wrong."""

from __future__ import annotations

import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.evaluation.estimates import Estimate
from latent_transfer.inference import predict_logits


def classification_error(model: nn.Module, images: ImageSet) -> Estimate:
    """Wrong answers in per cent, and the standard error that the number of images leaves.

    Args:
        model: B×C×H×W to logits B×K.
        images: Usually the test set.
    """
    answers = predict_logits(model, images).argmax(-1).cpu()
    return Estimate.of(100.0 * (answers != images.labels.cpu()))


def balanced_error(model: nn.Module, images: ImageSet) -> float:
    """Wrong answers in per cent of each class, averaged over the classes.

    Where one class is frequent, always guessing it has a small error but no small balanced one.

    Args:
        model: B×C×H×W to logits B×K.
        images: Usually the test set; classes without images do not count.
    """
    wrong = predict_logits(model, images).argmax(-1).cpu() != images.labels.cpu()
    labels = images.labels.cpu()
    errors = [100.0 * wrong[labels == label].double().mean() for label in labels.unique()]
    return torch.stack(errors).mean().item()
