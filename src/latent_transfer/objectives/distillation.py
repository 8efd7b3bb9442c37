"""What a student is asked to copy from a teacher: beliefs, logits, features."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from latent_transfer.data import Batch
from latent_transfer.models import VAE
from latent_transfer.objectives.classification import cross_entropy
from latent_transfer.objectives.reconstruction import Terms
from latent_transfer.objectives.variational import gaussian_divergence


def soft_targets(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Softmax of logits / T: the higher T, the more even the beliefs.

    Equation: eq-soft-targets (Hinton, Vinyals & Dean 2015).

    Args:
        logits: …×K; never probabilities.
        temperature: T > 0, without a unit.

    Returns:
        …×K, probabilities.

    Raises:
        ValueError: If the temperature is not positive.
    """
    return (logits / _positive(temperature)).softmax(-1)


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """−Σ_k p_k·log q_k in nats per image, for targets that are beliefs and not labels.

    Equation: eq-soft-cross-entropy.

    Args:
        logits: Of q, B×K; never probabilities.
        targets: p, B×K, each row a distribution.

    Returns:
        B.

    Raises:
        ValueError: If the numbers of classes differ.
    """
    _check_classes(logits, targets)
    return F.cross_entropy(logits, targets, reduction="none")


def smoothed_labels(labels: torch.Tensor, classes: int, smoothing: float) -> torch.Tensor:
    """One-hot labels mixed with a uniform distribution: (1 − ε)·onehot(y) + ε/K.

    Equation: eq-label-smoothing (Szegedy et al. 2016).

    Args:
        labels: B.
        classes: K.
        smoothing: ε in [0, 1].

    Returns:
        B×K, targets for :func:`soft_cross_entropy`.
    """
    return (1 - smoothing) * F.one_hot(labels, classes).float() + smoothing / classes


def distillation_divergence(
    student_logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    """T²·KL(p ‖ q) in nats per image, where p and q are the beliefs at temperature T.

    The gradient in the student's logits shrinks as 1/T² when T grows; the factor undoes that, so
    that the term keeps its size beside a cross-entropy with labels.

    Equation: eq-distillation (Hinton, Vinyals & Dean 2015).

    Args:
        student_logits: B×K.
        teacher_logits: B×K; no gradient flows into them.
        temperature: T > 0.

    Returns:
        B.

    Raises:
        ValueError: If the numbers of classes differ, the temperature is not positive, or a logit
            of the teacher is not finite.
    """
    _check_classes(student_logits, teacher_logits)
    check_teacher(teacher_logits)
    # Under bfloat16 autocast too the beliefs are float32: rounded ones do not add up to one, and
    # what they lack drives all logits of the student away together, which no belief shows.
    logits = student_logits.to(teacher_logits.dtype)
    log_q = (logits / _positive(temperature)).log_softmax(-1)  # B×K
    log_p = (teacher_logits.detach() / temperature).log_softmax(-1)  # B×K
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)


def logit_matching(student_logits: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
    """Σ_k (z_k − v_k)² / 2K per image, each side's logits centred: the limit of T²·KL for T → ∞.

    Equation: eq-logit-matching (Hinton, Vinyals & Dean 2015, for logits that are not yet centred).

    Args:
        student_logits: z, B×K.
        teacher_logits: v, B×K; no gradient flows into them.

    Returns:
        B.

    Raises:
        ValueError: If the numbers of classes differ or a logit of the teacher is not finite.
    """
    _check_classes(student_logits, teacher_logits)
    check_teacher(teacher_logits)
    # A constant added to all logits changes no belief, so it must not count.
    difference = student_logits - teacher_logits.detach()
    centred = difference - difference.mean(-1, keepdim=True)
    return centred.square().mean(-1) / 2


def feature_distance(features: torch.Tensor, hints: torch.Tensor) -> torch.Tensor:
    """½‖f − h‖² per image between features of the student and hints of the teacher.

    Equation: eq-hint (Romero et al. 2015).

    Args:
        features: Of the student, after an adapter that gives them the teacher's width: B×D.
        hints: Features of the teacher, B×D; no gradient flows into them.

    Returns:
        B.

    Raises:
        ValueError: If the widths differ.
    """
    if features.shape != hints.shape:
        raise ValueError(
            f"The student's features have shape {tuple(features.shape)}, the teacher's "
            f"{tuple(hints.shape)}; put a linear adapter on the student."
        )
    return (features - hints.detach()).square().sum(-1) / 2


def similarity_distance(features: torch.Tensor, hints: torch.Tensor) -> torch.Tensor:
    """How differently student and teacher judge which images of a batch are alike: a scalar.

    Each side's matrix of inner products between images, B×B, has its rows scaled to length one;
    their squared distance is divided by B². No adapter is needed, for widths do not enter.

    Equation: eq-similarity (Tung & Mori 2019).

    Args:
        features: Of the student, B×D.
        hints: Features of the teacher, B×E; no gradient flows into them.
    """
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
    """Batch mean of a mixture of what the teacher believes and what the labels say.

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
        ValueError: As :func:`distillation_divergence`, and for a weight outside [0, 1].
    """
    if not 0 <= label_weight <= 1:
        raise ValueError(f"label_weight must lie in [0, 1], but is {label_weight}.")
    batch = Batch.of(batch)
    logits = model(batch.images)  # B×K
    divergence = distillation_divergence(logits, teacher_logits, temperature).mean()
    if not label_weight:
        return {"loss": divergence, "divergence": divergence}
    surprise = cross_entropy(logits, batch.require_labels()).mean()
    loss = label_weight * surprise + (1 - label_weight) * divergence
    return {"loss": loss, "divergence": divergence, "cross_entropy": surprise}


def bernoulli_divergence(logits: torch.Tensor, other_logits: torch.Tensor) -> torch.Tensor:
    """KL between two images of independent binary pixels, in nats: twice …×C×H×W to ….

    Equation: eq-bernoulli-divergence.

    Args:
        logits: Of the first distribution, over which the expectation is taken.
        other_logits: Of the second.
    """
    # p·log(p/q) + (1 − p)·log((1 − p)/(1 − q)), with log(1 − p) = −softplus(logit).
    difference = torch.sigmoid(logits) * (logits - other_logits)
    divergence = difference - F.softplus(logits) + F.softplus(other_logits)
    return divergence.flatten(-3).sum(-1)


def decoder_divergence(student: VAE, teacher: VAE, latents: torch.Tensor) -> torch.Tensor:
    """KL(p_T(x | z) ‖ p_S(x | z)) in nats for each z, between decoders of binary pixels: B.

    Averaged over z ~ p(z) it bounds KL(p_T(x) ‖ p_S(x)), the distance of what the two generate.

    Equation: eq-decoder-divergence.

    Args:
        student: Of the same latent size as the teacher.
        teacher: No gradient flows into it.
        latents: z, B×D.
    """
    with torch.no_grad():
        wanted = teacher.decode(latents)
    return bernoulli_divergence(wanted, student.decode(latents))


def posterior_divergence(student: VAE, teacher: VAE, images: torch.Tensor) -> torch.Tensor:
    """KL(q_T(z | x) ‖ q_S(z | x)) in nats per image: B.

    Equation: eq-gaussian-divergence, of the two posteriors.

    Args:
        student: Of the same latent size as the teacher.
        teacher: No gradient flows into it.
        images: B×C×H×W in [0, 1].
    """
    with torch.no_grad():
        wanted = teacher.posterior(images)
    return gaussian_divergence(wanted, student.posterior(images))


def check_teacher(logits: torch.Tensor) -> None:
    """Refuse logits of a teacher that are not finite, rather than teach them.

    Raises:
        ValueError: If one is NaN or infinite.
    """
    if not torch.isfinite(logits).all():
        wrong = int((~torch.isfinite(logits)).any(-1).sum())
        raise ValueError(
            f"The teacher's outputs are not finite for {wrong} of {len(logits)} images; "
            "its training may have diverged."
        )


def _positive(temperature: float) -> float:
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, but is {temperature}.")
    return temperature


def _check_classes(student: torch.Tensor, teacher: torch.Tensor) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"The student's outputs have shape {tuple(student.shape)}, the teacher's "
            f"{tuple(teacher.shape)}; both need the same images and the same classes."
        )
