"""How often a classifier is wrong."""

from __future__ import annotations

import torch
from torch import nn

from latent_transfer.data import Source
from latent_transfer.evaluation._checks import check_labels, check_logits
from latent_transfer.evaluation.estimates import Estimate
from latent_transfer.inference import over_labelled


def classification_error(model: nn.Module, images: Source) -> Estimate:
    """Return the wrong answers in per cent, with the standard error of so many images.

    Args:
        model: B×C×H×W to logits B×K.
        images: Usually the test set; with labels.

    Raises:
        ValueError: If the logits are not N×K and finite, or a label lies beyond the K classes.

    Example:
        >>> from latent_transfer.data import load
        >>> from latent_transfer.evaluation import classification_error
        >>> from latent_transfer.models import mlp_classifier
        >>> digits = load("digits", size=8).test
        >>> classification_error(mlp_classifier((1, 8, 8), 10, (16,)), digits).count == len(digits)
        True
    """
    return Estimate.of(100.0 * _wrong(model, images)[0])


def balanced_error(model: nn.Module, images: Source) -> float:
    """Return the wrong answers in per cent of each class, averaged over the classes.

    Where one class is frequent, always guessing it has a small error but no small balanced one.

    Args:
        model: B×C×H×W to logits B×K.
        images: Usually the test set; classes without images do not count.

    Raises:
        ValueError: If the logits are not N×K and finite, or a label lies beyond the K classes.

    Example:
        >>> import torch
        >>> from latent_transfer.data import ImageSet
        >>> from latent_transfer.evaluation import balanced_error
        >>> pixels, labels = torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 0, 1])
        >>> always_the_first = lambda images: torch.tensor([[1.0, 0.0]]).expand(len(images), 2)
        >>> balanced_error(always_the_first, ImageSet(pixels, labels, ("frequent", "rare")))
        50.0
    """
    wrong, labels = _wrong(model, images)
    errors = [100.0 * wrong[labels == label].double().mean() for label in labels.unique()]
    return torch.stack(errors).mean().item()


def _wrong(model: nn.Module, images: Source) -> tuple[torch.Tensor, torch.Tensor]:
    """Which answers are wrong, and the labels: N booleans and N class numbers."""
    logits, labels = over_labelled(model, images, model)
    if labels is None:
        raise ValueError("An error needs labels, and these images have none.")
    check_logits("Logits", logits)
    check_labels("Labels", labels, len(logits), logits.shape[1])
    return logits.argmax(-1) != labels, labels
