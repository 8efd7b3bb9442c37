"""Whether beliefs can be trusted, and whether two classifiers say the same."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

from latent_transfer import _torchvision
from latent_transfer.evaluation._checks import check_count, check_labels, check_logits


def calibration_error(logits: torch.Tensor, labels: torch.Tensor, *, bins: int = 15) -> float:
    """Return the expected calibration error in per cent: how far confidence and accuracy differ.

    Images are sorted into bins by the confidence of their answer; in each bin the mean confidence
    is compared with the share of right answers, and the gaps are averaged, weighted by their
    images. Measured by torchmetrics.

    Equation: eq-calibration-error (Guo et al. 2017).

    Args:
        logits: N×K; never probabilities.
        labels: N.
        bins: Of equal width in [0, 1].

    Raises:
        ValueError: If the logits are not N×K and finite, or the labels do not fit them.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import calibration_error
        >>> logits = torch.tensor([[9.0, -9.0], [9.0, -9.0]])  # sure, and wrong once
        >>> round(calibration_error(logits, torch.tensor([0, 1])), 1)
        50.0
    """
    check_logits("Logits", logits)
    check_labels("Labels", labels, len(logits), logits.shape[1])
    check_count("bins", bins)
    classification = _metrics()
    error = classification.multiclass_calibration_error(
        logits.softmax(-1), labels, num_classes=logits.shape[-1], n_bins=bins, norm="l1"
    )
    return 100 * float(error)


def agreement(logits: torch.Tensor, others: torch.Tensor) -> float:
    """Return the share of images, in per cent, to which two classifiers give the same answer.

    Args:
        logits: Of one, N×K.
        others: Of the other, N×K.

    Raises:
        ValueError: If the logits differ in shape, are not N×K, or are not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import agreement
        >>> agreement(torch.eye(4), torch.eye(4).roll(1, dims=0))
        0.0
    """
    check_logits("Logits", logits)
    check_logits("The other logits", others)
    if logits.shape != others.shape:
        raise ValueError(
            "Two classifiers of the same images and classes are compared, "
            f"not logits of {tuple(logits.shape)} and {tuple(others.shape)}."
        )
    same = logits.argmax(-1) == others.argmax(-1)  # N
    return 100 * same.double().mean().item()


def _metrics() -> ModuleType:
    _torchvision.load()  # torchmetrics imports it, and fails where its operators do not load
    return importlib.import_module("torchmetrics.functional.classification")
