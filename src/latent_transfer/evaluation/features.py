"""Are features worth anything? A linear classifier on few labels, and the angle of subspaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from latent_transfer.data import ImageSet
from latent_transfer.evaluation._checks import (
    check_count,
    check_features,
    check_finite,
    check_labels,
)

Features = Callable[[torch.Tensor], torch.Tensor]


@torch.no_grad()
def few_label_errors(
    features: Features,
    train: ImageSet,
    test: ImageSet,
    *,
    per_class: int,
    draws: int = 10,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return test errors in per cent of logistic regression on few labelled images, one per draw.

    The same generator state gives the same labelled images, whatever the features: compare
    methods on common draws.

    Args:
        features: B×C×H×W pixels to B×D.
        train: Labelled images to draw from.
        test: Images to test on.
        per_class: Labelled images of each class in a draw.
        draws: How many independent draws.
        generator: Decides the draws.

    Returns:
        ``draws`` errors in per cent.

    Raises:
        ValueError: If the set has one class only, or fewer images of a class than asked for.

    Example:
        >>> import torch
        >>> from latent_transfer.data import load
        >>> from latent_transfer.evaluation import few_label_errors
        >>> digits, generator = load("digits", size=8), torch.Generator().manual_seed(0)
        >>> pixels = lambda images: images.flatten(1)
        >>> few_label_errors(
        ...     pixels, digits.train, digits.test, per_class=1, draws=2, generator=generator
        ... ).shape
        torch.Size([2])
    """
    check_count("draws", draws)
    train.require_classes("A classifier")
    test_features = features(test.pixels())
    errors = []
    for _ in range(draws):
        few = train.few(per_class, generator)
        drawn = features(few.pixels())
        errors.append(linear_probe(drawn, few.labels, test_features, test.labels))
    return torch.tensor(errors)


def linear_probe(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
) -> float:
    """Return the test error in per cent of logistic regression on standardised features.

    Args:
        train_features: N×D.
        train_labels: N.
        test_features: M×D.
        test_labels: M.

    Raises:
        ValueError: If the training images belong to one class only, features are not finite or
            of other sizes, or labels do not fit them.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import linear_probe
        >>> features, labels = torch.arange(6.0).view(6, 1), torch.tensor([0, 0, 0, 1, 1, 1])
        >>> linear_probe(features, labels, features, labels)
        0.0
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for name, features, labels in (
        ("Training", train_features, train_labels),
        ("Test", test_features, test_labels),
    ):
        check_labels(f"{name} labels", labels, len(features))
    check_features("Features", train_features.flatten(1), test_features.flatten(1))
    if len(train_labels.unique()) < 2:
        raise ValueError("A linear probe needs labelled images of at least two classes.")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(_as_array(train_features), train_labels.cpu().numpy())
    return 100 * float(1 - classifier.score(_as_array(test_features), test_labels.cpu().numpy()))


def subspace_angle(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the largest principal angle of two subspaces, in degrees; 0 if they are the same.

    Equation: eq-subspace-angle (Björck & Golub 1973).

    Args:
        first: P×D, its columns span the first subspace.
        second: P×D, likewise.

    Raises:
        ValueError: If P differs or a number is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import subspace_angle
        >>> axes = torch.eye(3)
        >>> round(subspace_angle(axes[:, :1], axes[:, 1:2]), 1)
        90.0
    """
    if first.dim() != 2 or second.dim() != 2 or len(first) != len(second):
        raise ValueError(
            "Two subspaces of one space are compared, P×D each with the same P, "
            f"not {tuple(first.shape)} and {tuple(second.shape)}."
        )
    for basis in (first, second):
        check_finite("Columns", basis)
    bases = [torch.linalg.qr(columns.double()).Q for columns in (first, second)]  # P×D each
    # The sine stays accurate for small angles, where the cosine rounds to one.
    residual = bases[1] - bases[0] @ (bases[0].T @ bases[1])
    sine = torch.linalg.matrix_norm(residual, ord=2).clamp(max=1)
    return torch.rad2deg(torch.asin(sine)).item()


def _as_array(features: torch.Tensor) -> NDArray[np.float32]:
    return features.detach().flatten(1).cpu().numpy()
