"""What a student copies from a teacher: beliefs, logits, features."""

from __future__ import annotations

import warnings
from math import isfinite

import torch
from torch import nn
from torch.nn import functional as F

from latent_transfer.data import Batch
from latent_transfer.densities import known_to_hold
from latent_transfer.models import VAE
from latent_transfer.objectives._checks import (
    checked,
    require_between,
    require_labels,
    require_same_shape,
)
from latent_transfer.objectives.classification import cross_entropy
from latent_transfer.objectives.reconstruction import Terms
from latent_transfer.objectives.variational import gaussian_divergence


def soft_targets(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the softmax of logits / T: the higher T, the more even the beliefs.

    Equation: eq-soft-targets (Hinton, Vinyals & Dean 2015).

    Args:
        logits: …×K; never probabilities.
        temperature: T > 0, without a unit.

    Returns:
        …×K, probabilities.

    Raises:
        ValueError: If the temperature is not positive and finite.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import soft_targets
        >>> soft_targets(torch.tensor([[4.0, 0.0]]), temperature=4.0)
        tensor([[0.7311, 0.2689]])
    """
    return (logits / _positive(temperature)).softmax(-1)


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return −Σ_k p_k·log q_k in nats per image, for targets that are beliefs and not labels.

    Equation: eq-soft-cross-entropy.

    Args:
        logits: Of q, B×K; never probabilities.
        targets: p, B×K, each row a distribution.

    Returns:
        B.

    Raises:
        ValueError: If the shapes differ, or a row of targets is not a distribution.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import soft_cross_entropy
        >>> soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.9, 0.1]]))  # log 2
        tensor([0.6931])
    """
    _check_classes(logits, targets)
    if known_to_hold(~_distributions(targets).all()):
        raise ValueError(
            "Each row of the targets must be nonnegative and sum to one; "
            "soft_targets makes such rows of logits."
        )
    return F.cross_entropy(logits, targets, reduction="none")


def smoothed_labels(labels: torch.Tensor, classes: int, smoothing: float) -> torch.Tensor:
    """Mix one-hot labels with a uniform distribution: (1 − ε)·onehot(y) + ε/K.

    Equation: eq-label-smoothing (Szegedy et al. 2016).

    Args:
        labels: B, integers in [0, K).
        classes: K.
        smoothing: ε in [0, 1].

    Returns:
        B×K, targets for :func:`soft_cross_entropy`.

    Raises:
        ValueError: If a label is not a class, or the smoothing lies outside [0, 1].

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import smoothed_labels
        >>> smoothed_labels(torch.tensor([1]), classes=4, smoothing=0.2)
        tensor([[0.0500, 0.8500, 0.0500, 0.0500]])
    """
    require_between("smoothing", smoothing, high=1)
    require_labels(labels, len(labels), classes)
    return (1 - smoothing) * F.one_hot(labels, classes).float() + smoothing / classes


def distillation_divergence(
    student_logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return T²·KL(p ‖ q) in nats per image, where p and q are the beliefs at temperature T.

    The gradient in the student's logits shrinks as 1/T² when T grows. The factor undoes that, so
    the term keeps its size beside a cross-entropy with labels. A teacher whose "logits" are
    probabilities gives a warning.

    Equation: eq-distillation (Hinton, Vinyals & Dean 2015).

    Args:
        student_logits: B×K.
        teacher_logits: B×K; no gradient flows into them.
        temperature: T > 0.

    Returns:
        B.

    Raises:
        ValueError: If the shapes differ, the temperature is not positive and finite, or a logit
            of the teacher is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import distillation_divergence
        >>> student, teacher = torch.zeros(1, 2), torch.tensor([[4.0, 0.0]])
        >>> distillation_divergence(student, teacher, temperature=4.0)
        tensor([1.7751])
    """
    _check_classes(student_logits, teacher_logits)
    check_teacher(teacher_logits)
    # Under bfloat16 autocast the beliefs are still float32: rounded ones do not sum to one, and
    # the missing part shifts all logits of the student together, which no belief shows.
    logits = student_logits.to(teacher_logits.dtype)
    log_q = (logits / _positive(temperature)).log_softmax(-1)  # B×K
    log_p = (teacher_logits.detach() / temperature).log_softmax(-1)  # B×K
    # Written out: vmap has no rule for F.kl_div.
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)


def logit_matching(student_logits: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
    """Return Σ_k (z_k − v_k)² / 2K per image, logits centred: the limit of T²·KL for T → ∞.

    Equation: eq-logit-matching (Hinton, Vinyals & Dean 2015, for logits that are not yet centred).

    Args:
        student_logits: z, B×K.
        teacher_logits: v, B×K; no gradient flows into them.

    Returns:
        B.

    Raises:
        ValueError: If the shapes differ or a logit of the teacher is not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import logit_matching
        >>> logit_matching(torch.tensor([[1.0, 3.0]]), torch.tensor([[9.0, 9.0]]))
        tensor([0.5000])
    """
    _check_classes(student_logits, teacher_logits)
    check_teacher(teacher_logits)
    # A constant added to all logits changes no belief, so it does not count.
    difference = student_logits - teacher_logits.detach()
    centred = difference - difference.mean(-1, keepdim=True)
    return centred.square().mean(-1) / 2


def feature_distance(features: torch.Tensor, hints: torch.Tensor) -> torch.Tensor:
    """Return ½‖f − h‖² per image between features of the student and hints of the teacher.

    Equation: eq-hint (Romero et al. 2015).

    Args:
        features: Of the student, after an adapter that gives them the teacher's width: B×D.
        hints: Features of the teacher, B×D; no gradient flows into them.

    Returns:
        B.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import feature_distance
        >>> feature_distance(torch.zeros(2, 3), torch.ones(2, 3))
        tensor([1.5000, 1.5000])
    """
    if features.shape != hints.shape:
        raise ValueError(
            f"The student's features have shape {tuple(features.shape)}, the teacher's "
            f"{tuple(hints.shape)}; put a linear adapter on the student."
        )
    return (features - hints.detach()).square().sum(-1) / 2


def similarity_distance(features: torch.Tensor, hints: torch.Tensor) -> torch.Tensor:
    """Return how differently student and teacher judge which images are alike: a scalar.

    Each side's matrix of inner products between images, B×B, has its rows scaled to length one;
    their squared distance is divided by B². The widths may differ, so no adapter is needed.

    Equation: eq-similarity (Tung & Mori 2019).

    Args:
        features: Of the student, B×D.
        hints: Features of the teacher, B×E; no gradient flows into them.

    Raises:
        ValueError: If the two are not matrices with one row for each of the same images.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import similarity_distance
        >>> features = torch.eye(2)
        >>> similarity_distance(features, 5 * features), similarity_distance(features, features + 1)
        (tensor(0.), tensor(0.2191))
    """
    if features.dim() != 2 or hints.dim() != 2 or len(features) != len(hints):
        raise ValueError(
            "Both sides need a matrix of features of the same images, not shapes "
            f"{tuple(features.shape)} and {tuple(hints.shape)}."
        )
    own, given = (F.normalize(side @ side.T, dim=1) for side in (features, hints.detach()))
    return (own - given).square().mean()


def distillation_loss(
    model: nn.Module,
    batch: Batch | torch.Tensor,
    *,
    teacher_logits: torch.Tensor,
    temperature: float,
    label_weight: float = 0.0,
) -> Terms:
    """Return the batch mean of a mixture of the teacher's beliefs and the labels.

    A teacher whose "logits" are probabilities gives a warning: a second softmax would teach the
    student to be sure of nothing.

    Equation: eq-distillation-objective (Hinton, Vinyals & Dean 2015).

    Args:
        model: The student, B×C×H×W to logits B×K.
        batch: Images B×C×H×W in [0, 1]; their labels matter only beside a ``label_weight``.
        teacher_logits: B×K.
        temperature: T > 0.
        label_weight: w in [0, 1]: w·cross-entropy + (1 − w)·T²·KL.

    Returns:
        ``loss`` and ``divergence`` in nats per image, and ``cross_entropy`` if labels count.

    Raises:
        ValueError: As :func:`distillation_divergence`, and for a weight outside [0, 1] or a batch
            that is empty or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_classifier
        >>> from latent_transfer.objectives import distillation_loss
        >>> student, images = mlp_classifier((1, 4, 4), 3, (8,)), torch.rand(5, 1, 4, 4)
        >>> teacher_logits = torch.randn(5, 3)
        >>> options = {"teacher_logits": teacher_logits, "temperature": 4.0}
        >>> sorted(distillation_loss(student, images, **options))
        ['divergence', 'loss']
    """
    require_between("label_weight", label_weight, high=1)
    batch = checked(batch)
    logits = model(batch.images)  # B×K
    divergence = distillation_divergence(logits, teacher_logits, temperature).mean()
    if not label_weight:
        return {"loss": divergence, "divergence": divergence}
    surprise = cross_entropy(logits, batch.require_labels()).mean()
    loss = label_weight * surprise + (1 - label_weight) * divergence
    return {"loss": loss, "divergence": divergence, "cross_entropy": surprise}


def bernoulli_divergence(logits: torch.Tensor, other_logits: torch.Tensor) -> torch.Tensor:
    """Return the KL between images of independent binary pixels, in nats: two …×C×H×W to ….

    Equation: eq-bernoulli-divergence.

    Args:
        logits: Of the first distribution, over which the expectation is taken.
        other_logits: Of the second.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import bernoulli_divergence
        >>> bernoulli_divergence(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
        tensor([0.4805])
    """
    require_same_shape(logits, other_logits, "The logits of both images")
    # p·log(p/q) + (1 − p)·log((1 − p)/(1 − q)), with log(1 − p) = −softplus(logit).
    difference = torch.sigmoid(logits) * (logits - other_logits)
    divergence = difference - F.softplus(logits) + F.softplus(other_logits)
    return divergence.flatten(-3).sum(-1)


def decoder_divergence(student: VAE, teacher: VAE, latents: torch.Tensor) -> torch.Tensor:
    """Return KL(p_T(x | z) ‖ p_S(x | z)) in nats for each z, between decoders of binary pixels: B.

    Averaged over z ~ p(z), it bounds KL(p_T(x) ‖ p_S(x)), how far apart the two generate.

    Equation: eq-decoder-divergence.

    Args:
        student: With the teacher's latent size.
        teacher: No gradient flows into it.
        latents: z, B×D.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.objectives import decoder_divergence
        >>> student, teacher = mlp_vae((1, 4, 4), (4,), 2), mlp_vae((1, 4, 4), (8,), 2)
        >>> decoder_divergence(student, teacher, torch.randn(5, 2)).shape
        torch.Size([5])
    """
    with torch.no_grad():
        wanted = teacher.decode(latents)
    return bernoulli_divergence(wanted, student.decode(latents))


def posterior_divergence(student: VAE, teacher: VAE, images: torch.Tensor) -> torch.Tensor:
    """Return KL(q_T(z | x) ‖ q_S(z | x)) in nats per image: B.

    Equation: eq-gaussian-divergence, of the two posteriors.

    Args:
        student: With the teacher's latent size.
        teacher: No gradient flows into it.
        images: B×C×H×W in [0, 1].

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.objectives import posterior_divergence
        >>> student, teacher = mlp_vae((1, 4, 4), (4,), 2), mlp_vae((1, 4, 4), (8,), 2)
        >>> posterior_divergence(student, teacher, torch.rand(5, 1, 4, 4)).shape
        torch.Size([5])
    """
    with torch.no_grad():
        wanted = teacher.posterior(images)
    return gaussian_divergence(wanted, student.posterior(images))


def check_teacher(logits: torch.Tensor) -> None:
    """Refuse logits of a teacher that are not finite, and warn of probabilities in their place.

    Args:
        logits: N×K.

    Raises:
        ValueError: If one is NaN or infinite.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives.distillation import check_teacher
        >>> check_teacher(torch.tensor([[1.0, torch.nan], [0.0, 2.0]]))
        Traceback (most recent call last):
        ValueError: The teacher's outputs are not finite for 1 of 2 images; ...
    """
    if known_to_hold(~torch.isfinite(logits).all()):
        wrong = int((~torch.isfinite(logits)).any(-1).sum())
        raise ValueError(
            f"The teacher's outputs are not finite for {wrong} of {len(logits)} images; "
            "its training may have diverged."
        )
    if logits.numel() and known_to_hold(_distributions(logits).all()):
        # No stack level: Python then shows the warning once, not again for every batch.
        warnings.warn(
            "The teacher's logits look like probabilities (each row is nonnegative and sums to "
            "one); give the outputs before the softmax, or their logarithms.",
            UserWarning,
            stacklevel=1,
        )


def _distributions(rows: torch.Tensor) -> torch.Tensor:
    """Tell which rows, …×K, are nonnegative and sum to one up to the rounding of bfloat16: …."""
    return (rows >= 0).all(-1) & ((rows.sum(-1) - 1).abs() < 1e-2)


def _positive(temperature: float) -> float:
    if not (temperature > 0 and isfinite(temperature)):
        raise ValueError(f"temperature must be positive and finite, but is {temperature}.")
    return temperature


def _check_classes(student: torch.Tensor, teacher: torch.Tensor) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"The student's outputs have shape {tuple(student.shape)}, the teacher's "
            f"{tuple(teacher.shape)}; both need the same images and the same classes."
        )
