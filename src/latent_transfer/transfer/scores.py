"""Scores that judge features before a transfer: LEEP, LogME, the H-score and linear CKA."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch.nn.functional import one_hot

_EPSILON = torch.finfo(torch.float64).eps


def leep(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the log expected empirical prediction in nats per image, at most 0; higher is better.

    The source classifier names the target class through its own classes: z is drawn from its
    probabilities, then y from the frequency of the target labels among the images it calls z.

    Equation: eq-leep (Nguyen et al. 2020).

    Args:
        probabilities: N×Z, the source classifier's class probabilities on the target images.
        labels: N target labels, integers from 0.

    Raises:
        ValueError: If the shapes do not fit, a row is not a distribution, a label is negative or
            no integer, or there is only one class.

    Example:
        >>> import torch
        >>> from latent_transfer.transfer import leep
        >>> seen = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
        >>> round(leep(seen, torch.tensor([1, 1, 0])), 2)
        -0.24
    """
    given = _matrix(probabilities, "probabilities")
    # A row of a float32 softmax misses one by its rounding.
    if (given < 0).any() or (given.sum(1) - 1).abs().max() > 1e-4:
        raise ValueError("Each row of the probabilities must be nonnegative and sum to one.")
    targets = _indicators(labels, len(given))  # N×C
    joint = targets.T @ given / len(given)  # C×Z
    # A source class that never has any probability says nothing; avoid 0/0.
    conditional = joint / joint.sum(0).clamp(min=torch.finfo(joint.dtype).tiny)  # p(y | z)
    predicted = (targets * (given @ conditional.T)).sum(1)  # N
    return predicted.log().mean().clamp(max=0).item()


def log_me(features: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the greatest log evidence of a Bayesian linear model, in nats per image and class.

    For each class the model is y = Fw + noise, where y is 1 on the images of the class and 0
    elsewhere, w ~ N(0, I/α) and the noise is N(0, I/β); α and β maximise log p(y | F, α, β).
    The labels count as real numbers, so the value is a log density and may be positive. It is
    ``inf`` if the features fit a class without error in fewer than N dimensions.

    Equation: eq-log-me (You et al. 2021), with the fixed point of α/β of You et al. (2022).

    Args:
        features: N×D; add a constant column to give the linear model an intercept.
        labels: N labels, integers from 0.

    Raises:
        ValueError: If the shapes do not fit, a feature is not finite, a label is negative or no
            integer, or there is only one class.

    Example:
        >>> import torch
        >>> from latent_transfer.transfer import log_me
        >>> features = torch.tensor([[0.9], [1.1], [-1.0], [-0.9]])
        >>> apart, mixed = torch.tensor([1, 1, 0, 0]), torch.tensor([1, 0, 1, 0])
        >>> log_me(features, apart) > log_me(features, mixed)
        True
    """
    matrix = _matrix(features, "features")
    targets = _indicators(labels, len(matrix))  # N×C
    basis, scales = _column_space(matrix)  # N×R, R
    explained = basis.T @ targets  # R×C
    misfit = (targets - basis @ explained).square().sum(0)  # C
    rounding = (max(matrix.shape) * _EPSILON) ** 2 * targets.sum(0)
    exact = misfit <= rounding
    # The evidence does not depend on the unit of the features: measure them by the largest scale.
    spectrum = (scales / scales.amax()).square() if len(scales) else scales
    model = _LinearModel(
        spectrum[:, None], explained.square(), misfit.masked_fill(exact, 0), len(matrix)
    )
    evidence = model.log_evidence(model.best_ratio())
    if len(scales) < len(matrix):
        evidence = evidence.masked_fill(exact, math.inf)
    return evidence.mean().item() / len(matrix)


def h_score(features: torch.Tensor, labels: torch.Tensor) -> float:
    """Return tr(cov(f)⁻¹ cov(E[f | y])), the variance of whitened features that classes explain.

    It lies between 0 and its maximum, the smaller of the rank of the features and the number of
    classes less 1. Any labels reach the maximum once N images have N − 1 independent features, so
    compare features only where N is much greater than D. A singular covariance is inverted by its
    pseudo-inverse.

    Equation: eq-h-score (Bao et al. 2019).

    Args:
        features: N×D.
        labels: N labels, integers from 0.

    Raises:
        ValueError: If the shapes do not fit, a feature is not finite, a label is negative or no
            integer, or there is only one class.

    Example:
        >>> import torch
        >>> from latent_transfer.transfer import h_score
        >>> features = torch.tensor([[0.9], [1.1], [-1.0], [-0.9]])
        >>> round(h_score(features, torch.tensor([1, 1, 0, 0])), 2)
        0.99
    """
    matrix = _matrix(features, "features")
    targets = _indicators(labels, len(matrix))  # N×C
    whitened, _ = _column_space(_centred(matrix))  # N×R, orthonormal columns of mean 0
    totals = whitened.T @ targets  # R×C, sums over the images of a class
    return (totals.square().sum(0) / targets.sum(0)).sum().item()


def linear_cka(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the linear centred kernel alignment of two sets of features: 0 unrelated, 1 the same.

    Rotating, shifting or rescaling the features does not change it; other linear maps do. It is
    biased upwards unless N is much greater than the dimensions.

    Equation: eq-cka (Kornblith et al. 2019).

    Args:
        first: N×D₁ features.
        second: N×D₂ features of the same images, in the same order.

    Raises:
        ValueError: If the shapes do not fit, or features are not finite or have no variance.

    Example:
        >>> import torch
        >>> from latent_transfer.transfer import linear_cka
        >>> features = torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]])
        >>> round(linear_cka(features, 5 * features.flip(1) + 1), 2)
        1.0
    """
    pair = [_centred(_matrix(features, "features")) for features in (first, second)]
    if len(pair[0]) != len(pair[1]):
        raise ValueError(
            f"Both features must be of the same images, not of {len(pair[0])} and {len(pair[1])}."
        )
    if not all(centred.any() for centred in pair):
        raise ValueError("CKA needs features that vary from image to image.")
    # Without the norms, fourth powers of tiny or huge features would leave the range of float64.
    x, y = (centred / torch.linalg.matrix_norm(centred) for centred in pair)
    alignment = _alignment(x, y) / (_alignment(x, x) * _alignment(y, y)).sqrt()
    return alignment.clamp(max=1).item()


class _LinearModel(NamedTuple):
    """All that the evidence of C linear models y = Fw + noise on the same N×D features needs."""

    spectrum: torch.Tensor  # R×1, squared singular values σ² of F, the largest 1
    explained: torch.Tensor  # R×C, squared coordinates of y along F's left singular vectors
    misfit: torch.Tensor  # C, squared distance of y from the column space of F
    images: int  # N

    def log_evidence(self, ratio: torch.Tensor) -> torch.Tensor:
        """Return log p(y | F, α, β) at α/β = ``ratio`` and its best β, in nats: C to C."""
        shrinkage = ratio / (self.spectrum + ratio)  # R×C
        energy = self.misfit + (self.explained * shrinkage).sum(0)  # N/β
        volume = torch.log1p(self.spectrum / ratio).sum(0)
        return -0.5 * (
            self.images * torch.log(2 * math.pi * math.e * energy / self.images) + volume
        )

    def best_ratio(self) -> torch.Tensor:
        """Return the α/β of the greatest evidence, one per class: C."""
        # The evidence may have several maxima: climb the one above the best point of a grid.
        grid = torch.logspace(-20, 5, 251, dtype=torch.float64)
        grid = grid[:, None].expand(-1, len(self.misfit))  # G×C
        values = torch.stack([self.log_evidence(ratio) for ratio in grid])
        ratio = grid.gather(0, values.argmax(0, keepdim=True))[0]
        for _ in range(1000):
            previous, ratio = ratio, self._update(ratio)
            # The evidence is flat at the top: this leaves an error of about its square.
            if ((ratio / previous - 1).abs() < 1e-8).all():
                break
        return ratio

    def _update(self, ratio: torch.Tensor) -> torch.Tensor:
        """Make one step of the fixed-point iteration α/β = γ/(N − γ) · ‖Fm − y‖²/‖m‖²: C to C."""
        shrinkage = ratio / (self.spectrum + ratio)  # R×C
        effective = (self.spectrum / (self.spectrum + ratio)).sum(0)  # γ, parameters in use
        rest = self.images - len(self.spectrum) + shrinkage.sum(0)  # N − γ, without cancellation
        residual = self.misfit + (self.explained * shrinkage.square()).sum(0)
        weights = self.explained * self.spectrum / (self.spectrum + ratio).square()  # R×C, m²
        # Where the features say nothing about a class, the m are 0 and the best α is infinite.
        updated = effective / rest * residual / weights.sum(0).clamp(min=1e-200)
        # Likewise for β and an exact fit: the evidence reaches its limit long before these bounds.
        return updated.clamp(1e-60, 1e60)


def _matrix(values: torch.Tensor, name: str) -> torch.Tensor:
    _require_tensor(values, name)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"The {name} must be a matrix, one row per image, not {[*values.shape]}.")
    if not values.isfinite().all():
        raise ValueError(f"The {name} must be finite.")
    return values.detach().to("cpu", torch.float64)


def _indicators(labels: torch.Tensor, count: int) -> torch.Tensor:
    """Return the classes that occur as N×C columns of zeros and ones."""
    _require_tensor(labels, "labels")
    if labels.shape != (count,):
        raise ValueError(
            f"There must be one label per image, here [{count}], not {[*labels.shape]}."
        )
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"The labels must be integers, not {labels.dtype}.")
    classes, indices = labels.detach().cpu().unique(return_inverse=True)
    if classes[0] < 0:
        raise ValueError(
            f"Labels are classes from 0, not {int(classes[0])}; leave out images without a label."
        )
    if len(classes) < 2:
        raise ValueError("A score needs labels of at least two classes.")
    return one_hot(indices, len(classes)).double()


def _require_tensor(values: object, name: str) -> None:
    if not isinstance(values, torch.Tensor):
        raise TypeError(f"The {name} must be a tensor, not {type(values).__name__}.")


def _centred(matrix: torch.Tensor) -> torch.Tensor:
    shifted = matrix - matrix[0]  # a constant column is now 0 exactly, without rounding
    return shifted - shifted.mean(0)


def _column_space(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return left singular vectors, N×R, and the R singular values above rounding."""
    vectors, scales, _ = torch.linalg.svd(matrix, full_matrices=False)
    kept = scales > max(matrix.shape) * _EPSILON * scales.amax()
    return vectors[:, kept], scales[kept]


def _alignment(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """‖xᵀy‖² = tr(xxᵀyyᵀ) in the smaller of the two spaces: N×D₁ and N×D₂ to a scalar."""
    if max(x.shape[1], y.shape[1]) <= len(x):
        return (x.T @ y).square().sum()
    return ((x @ x.T) * (y @ y.T)).sum()
