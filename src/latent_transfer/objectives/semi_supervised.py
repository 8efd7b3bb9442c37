"""The two bounds of M2, one for images with a label and one for those without."""

from __future__ import annotations

import torch

from latent_transfer.data import Batch
from latent_transfer.models import M2
from latent_transfer.objectives._checks import (
    checked,
    require_between,
    require_labels,
    require_same_shape,
)
from latent_transfer.objectives.classification import cross_entropy
from latent_transfer.objectives.reconstruction import Terms
from latent_transfer.objectives.variational import elbo, gaussian_kl


def labelled_bound(
    model: M2, images: torch.Tensor, labels: torch.Tensor | None = None, *, beta: float = 1.0
) -> torch.Tensor:
    """Return E_q[log p(x | y, z)] − β·KL(q(z | x, y) ‖ p(z)) + log p(y) in nats.

    It is at most log p(x, y) for β ≥ 1. The expectation is taken at one draw of z.

    Equation: eq-labelled-bound (Kingma et al. 2014).

    Args:
        model: M2.
        images: B×….
        labels: B, integers in [0, K); ``None`` for the bound of every label.
        beta: Weight of the KL, at least 0; above 1 it leaves more for the label to say.

    Returns:
        B, or K×B without labels, in nats.

    Raises:
        ValueError: If labels are not classes of the model, or beta is negative.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_m2
        >>> from latent_transfer.objectives import labelled_bound
        >>> model = mlp_m2((1, 4, 4), classes=3, hidden=(8,), latent_size=2)
        >>> images = torch.rand(5, 1, 4, 4)
        >>> labelled_bound(model, images, torch.tensor([0, 1, 2, 0, 1])).shape
        torch.Size([5])
        >>> labelled_bound(model, images).shape
        torch.Size([3, 5])
    """
    require_between("beta", beta)
    if labels is not None:
        require_labels(labels, len(images), model.classes)
    posterior = model.posterior(images, labels)
    log_likelihood = model.log_likelihood(images, posterior.rsample(), labels)
    return elbo(log_likelihood, gaussian_kl(*posterior), beta) + model.log_class_prior


def unlabelled_bound(label_bounds: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Return Σ_y q(y | x)·(L(x, y) − log q(y | x)) ≤ log p(x) in nats, summed over every label.

    Equation: eq-unlabelled-bound (Kingma et al. 2014).

    Args:
        label_bounds: L(x, y), K×B, as :func:`labelled_bound` gives it without labels.
        logits: Of q(y | x), B×K; never probabilities.

    Returns:
        B.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import unlabelled_bound
        >>> unlabelled_bound(torch.tensor([[-2.0], [-2.0]]), torch.zeros(1, 2))  # −2 + log 2
        tensor([-1.3069])
    """
    require_same_shape(
        label_bounds.transpose(0, -1), logits, "Bounds K×B, transposed, and logits B×K"
    )
    log_beliefs = logits.log_softmax(-1)  # B×K
    return (log_beliefs.exp() * (label_bounds.T - log_beliefs)).sum(-1)


def semi_supervised_loss(
    model: M2,
    batch: Batch | torch.Tensor,
    *,
    labelled: Batch,
    label_weight: float,
    labelled_share: float,
    beta: float = 1.0,
) -> Terms:
    """Return the objective that M2 is trained on, in nats per image of the whole training set.

    Equation: eq-semi-supervised-objective (Kingma et al. 2014, divided by the number of images).

    Args:
        model: M2.
        batch: Images B×…; their labels are ignored.
        labelled: Images A×… with their labels.
        label_weight: α ≥ 0, the weight of the classifier's cross-entropy; 0.1 in the paper.
        labelled_share: Labelled images over all images of the training set, in [0, 1].
        beta: Weight of the KL in both bounds, at least 0.

    Returns:
        ``loss``; ``labelled`` and ``unlabelled``, the two negative bounds in nats per image;
        ``cross_entropy`` of q(y | x) on the labelled images.

    Raises:
        ValueError: If a weight is out of range, labels are missing or wrong, or a batch is empty
            or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Batch
        >>> from latent_transfer.models import mlp_m2
        >>> from latent_transfer.objectives import semi_supervised_loss
        >>> model = mlp_m2((1, 4, 4), classes=3, hidden=(8,), latent_size=2)
        >>> few = Batch(torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 2]))
        >>> options = {"labelled": few, "label_weight": 0.1, "labelled_share": 0.03}
        >>> sorted(semi_supervised_loss(model, torch.rand(9, 1, 4, 4), **options))
        ['cross_entropy', 'labelled', 'loss', 'unlabelled']
    """
    require_between("label_weight", label_weight)
    require_between("labelled_share", labelled_share, high=1)
    images, labelled = checked(batch).images, checked(labelled)
    labels = labelled.require_labels()
    with_label = -labelled_bound(model, labelled.images, labels, beta=beta).mean()
    every_label = labelled_bound(model, images, beta=beta)  # K×B
    without = -unlabelled_bound(every_label, model(images)).mean()
    surprise = cross_entropy(model(labelled.images), labels).mean()
    bounds = labelled_share * with_label + (1 - labelled_share) * without
    return {
        "loss": bounds + label_weight * surprise,
        "labelled": with_label,
        "unlabelled": without,
        "cross_entropy": surprise,
    }
