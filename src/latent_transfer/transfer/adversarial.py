"""Domain-adversarial training: features that do not reveal the domain (Ganin et al. 2016).

Its image set holds source images with their labels and target images without; see
:func:`join_domains`.
"""

from __future__ import annotations

from math import exp, inf
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from latent_transfer.data import Batch, ImageSet
from latent_transfer.models import Classifier
from latent_transfer.objectives import Terms, cross_entropy
from latent_transfer.objectives._checks import checked
from latent_transfer.transfer.mixing import require_one_shape


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: torch.Tensor, strength: float) -> torch.Tensor:
        context.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -context.strength * gradients[0], None


def reverse_gradient(values: torch.Tensor, strength: float) -> torch.Tensor:
    """Return the values as they are, but multiply their gradient by −λ on the way back.

    Equation: eq-gradient-reversal (Ganin et al. 2016).

    Args:
        values: Any shape.
        strength: λ ≥ 0.

    Raises:
        ValueError: If the strength is negative or not finite.

    Example:
        >>> import torch
        >>> from latent_transfer.transfer import reverse_gradient
        >>> values = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> reverse_gradient(values, 0.5).sum().backward()
        >>> values.grad
        tensor([-0.5000, -0.5000])
    """
    if not 0 <= strength < inf:
        raise ValueError(f"strength must be finite and at least 0, not {strength}.")
    reversed_values: torch.Tensor = _Reversal.apply(values, strength)  # type: ignore[no-untyped-call]
    return reversed_values


def reversal_schedule(progress: float, steepness: float = 10.0) -> float:
    """Return λ = 2/(1 + e^(−γp)) − 1: 0 at the start of training, almost 1 at its end.

    Equation: eq-reversal-schedule (Ganin et al. 2016).

    Args:
        progress: p in [0, 1].
        steepness: γ ≥ 0; 10 in the paper.

    Raises:
        ValueError: If the progress lies outside [0, 1] or the steepness is negative.

    Example:
        >>> from latent_transfer.transfer import reversal_schedule
        >>> [round(reversal_schedule(p), 2) for p in (0.0, 0.1, 0.5, 1.0)]
        [0.0, 0.46, 0.99, 1.0]
    """
    if not 0 <= progress <= 1 or not steepness >= 0:
        raise ValueError(
            "The schedule needs a progress in [0, 1] and a steepness of at least 0, "
            f"not {progress} and {steepness}."
        )
    return 2 / (1 + exp(-steepness * progress)) - 1


class DomainAdversarial(nn.Module):
    """A classifier with a second head that tries to tell the domain from the same features.

    Args:
        classifier: Its encoder learns to serve its own head and to fool the other one.
        hidden: Width of the domain head's hidden layer.

    Example:
        >>> import torch
        >>> from latent_transfer.models import Classifier
        >>> from latent_transfer.nets import MLPEncoder
        >>> from latent_transfer.transfer import DomainAdversarial
        >>> model = DomainAdversarial(Classifier(MLPEncoder((1, 4, 4), (8,), 6), 6, 3))
        >>> model(torch.rand(5, 1, 4, 4)).shape
        torch.Size([5, 3])
    """

    def __init__(self, classifier: Classifier, hidden: int = 100) -> None:
        super().__init__()
        self.classifier = classifier
        self.domain_head = nn.Sequential(
            nn.Linear(classifier.feature_size, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the class logits, B×C×H×W to B×K, as the classifier alone gives them."""
        logits: torch.Tensor = self.classifier(images)
        return logits


def join_domains(source: ImageSet, target: ImageSet) -> ImageSet:
    """Join labelled source images and unlabelled target images in one set.

    Args:
        source: Its K classes keep their numbers.
        target: Images of the same shape; all get the new class K, whatever their labels were.

    Raises:
        TypeError: If one of them is not an image set.
        ValueError: If the images differ in shape.

    Example:
        >>> import torch
        >>> from latent_transfer.data import ImageSet
        >>> from latent_transfer.transfer import join_domains
        >>> pixels, labels = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 0, 1])
        >>> source = ImageSet.from_pixels(pixels, labels, ["a", "b"])
        >>> join_domains(source, source).counts()
        {'a': 2, 'b': 2, 'target': 4}
    """
    require_one_shape(source, target)
    images = torch.cat([source.images, target.images])
    unknown = torch.full_like(target.labels, len(source.classes))
    labels = torch.cat([source.labels, unknown])
    return ImageSet(images, labels, (*source.classes, "target"))


def domain_adversarial_loss(
    model: DomainAdversarial, batch: Batch, *, strength: float = 1.0
) -> Terms:
    """Return the cross-entropy of the classes on source images plus that of the domains on all.

    The domain head descends on its term. The encoder, behind a reversed gradient whose strength
    follows :func:`reversal_schedule`, ascends on it.

    Args:
        model: Classifier and domain head.
        batch: From a set that :func:`join_domains` made; the last class marks the target.
        strength: Factor on the schedule; 0 trains on the source alone.

    Returns:
        ``loss`` in nats per image, its two terms ``classes`` and ``domains``, and ``confusion``,
        the domain head's wrong answers in per cent.

    Raises:
        ValueError: If the batch is empty, of integers or without labels, a label is unknown, or the
            strength is negative.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Batch
        >>> from latent_transfer.models import Classifier
        >>> from latent_transfer.nets import MLPEncoder
        >>> from latent_transfer.transfer import DomainAdversarial, domain_adversarial_loss
        >>> model = DomainAdversarial(Classifier(MLPEncoder((1, 4, 4), (8,), 6), 6, 2))
        >>> batch = Batch(torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 2]))  # 2 is the target
        >>> sorted(domain_adversarial_loss(model, batch))
        ['classes', 'confusion', 'domains', 'loss']
    """
    batch = checked(batch)
    features = model.classifier.features(batch.images)  # B×D
    logits = model.classifier.head(features)  # B×K
    labels = batch.require_labels()
    from_target = labels == logits.shape[-1]  # B
    classes = cross_entropy(logits[~from_target], labels[~from_target])
    turned = reverse_gradient(features, strength * reversal_schedule(batch.progress))
    domain_logits = model.domain_head(turned).squeeze(-1)  # B
    domains = F.binary_cross_entropy_with_logits(domain_logits, from_target.float())
    wrong = ((domain_logits > 0) != from_target).float().mean()
    # A batch may hold target images alone: the sum over none is 0, the mean would be NaN.
    class_term = classes.sum() / max(1, len(classes))
    return {
        "loss": class_term + domains,
        "classes": class_term,
        "domains": domains,
        "confusion": 100 * wrong,
    }
