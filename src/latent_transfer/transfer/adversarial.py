"""Domain-adversarial training: features from which nobody can tell the domain (Ganin et al. 2016).

An image set for it holds source images with their labels and target images without; see
:func:`join_domains`.
"""

from __future__ import annotations

from math import exp
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from latent_transfer.data import Batch, ImageSet
from latent_transfer.models import Classifier
from latent_transfer.objectives import cross_entropy


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: torch.Tensor, strength: float) -> torch.Tensor:
        context.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -context.strength * gradients[0], None


def reverse_gradient(values: torch.Tensor, strength: float) -> torch.Tensor:
    """The identity on the way forward; multiplies the gradient by −λ on the way back.

    Equation: eq-gradient-reversal (Ganin et al. 2016).

    Args:
        values: Any shape.
        strength: λ ≥ 0.
    """
    reversed_values: torch.Tensor = _Reversal.apply(values, strength)  # type: ignore[no-untyped-call]
    return reversed_values


def reversal_schedule(progress: float, steepness: float = 10.0) -> float:
    """λ = 2/(1 + e^(−γp)) − 1: no reversal at the start of training, almost full at its end.

    Equation: eq-reversal-schedule (Ganin et al. 2016).

    Args:
        progress: p in [0, 1].
        steepness: γ; 10 in the paper.
    """
    return 2 / (1 + exp(-steepness * progress)) - 1


class DomainAdversarial(nn.Module):
    """A classifier, and a second head that tries to tell the domain from the same features.

    Args:
        classifier: Its encoder learns to please its head and to fool the other one.
        hidden: Width of the domain head's hidden layer.
    """

    def __init__(self, classifier: Classifier, hidden: int = 100) -> None:
        super().__init__()
        self.classifier = classifier
        self.domain_head = nn.Sequential(
            nn.Linear(classifier.feature_size, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )


def join_domains(source: ImageSet, target: ImageSet) -> ImageSet:
    """Labelled source images and unlabelled target images in one set.

    Args:
        source: Its K classes keep their numbers.
        target: Images of the same shape; all get the new class K, whatever their labels were.

    Raises:
        ValueError: If the images differ in shape.
    """
    if source.shape != target.shape:
        raise ValueError(
            f"Both domains need images of one shape, not {source.shape} and {target.shape}; "
            "use .resize(), .rgb() or .grey() first."
        )
    images = torch.cat([source.images, target.images])
    unknown = torch.full_like(target.labels, len(source.classes))
    labels = torch.cat([source.labels, unknown])
    return ImageSet(images, labels, (*source.classes, "target"))


def domain_adversarial_loss(
    model: DomainAdversarial, batch: Batch, *, strength: float = 1.0
) -> dict[str, torch.Tensor]:
    """Cross-entropy of the classes on source images plus that of the domains on all, in nats.

    The domain head descends on its term; the encoder, behind a reversed gradient whose strength
    follows :func:`reversal_schedule`, ascends on it.

    Args:
        model: Classifier and domain head.
        batch: From a set that :func:`join_domains` made; the last class marks the target.
        strength: Factor on the schedule; 0 trains on the source alone.

    Returns:
        ``loss``, its two terms ``classes`` and ``domains``, and ``confusion``, the domain head's
        wrong answers in per cent.
    """
    features = model.classifier.features(batch.images)  # B×D
    logits = model.classifier.head(features)  # B×K
    labels = batch.require_labels()
    from_target = labels == logits.shape[-1]  # B
    classes = cross_entropy(logits[~from_target], labels[~from_target])
    turned = reverse_gradient(features, strength * reversal_schedule(batch.progress))
    domain_logits = model.domain_head(turned).squeeze(-1)  # B
    domains = F.binary_cross_entropy_with_logits(domain_logits, from_target.float())
    wrong = ((domain_logits > 0) != from_target).float().mean()
    # A batch may hold target images alone: the sum over none is 0, the mean would be none.
    class_term = classes.sum() / max(1, len(classes))
    return {
        "loss": class_term + domains,
        "classes": class_term,
        "domains": domains,
        "confusion": 100 * wrong,
    }
