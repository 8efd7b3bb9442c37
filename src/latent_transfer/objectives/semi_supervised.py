"""The two bounds of M2, one for images with a label and one for those without."""

from __future__ import annotations

import torch

from latent_transfer.data import Batch
from latent_transfer.models import M2
from latent_transfer.objectives.classification import cross_entropy
from latent_transfer.objectives.reconstruction import Terms
from latent_transfer.objectives.variational import elbo, gaussian_kl


def labelled_bound(
    model: M2, images: torch.Tensor, labels: torch.Tensor | None = None, *, beta: float = 1.0
) -> torch.Tensor:
    """E_q[log p(x | y, z)] − β·KL(q(z | x, y) ‖ p(z)) + log p(y), at most log p(x, y) for β ≥ 1.

    The expectation is taken at one draw of z.

    Equation: eq-labelled-bound (Kingma et al. 2014).

    Args:
        model: M2.
        images: B×….
        labels: B; ``None`` for the bound of every label.
        beta: Weight of the KL; above 1 it leaves more for the label to say.

    Returns:
        B, or K×B without labels, in nats.
    """
    posterior = model.posterior(images, labels)
    log_likelihood = model.log_likelihood(images, posterior.rsample(), labels)
    return elbo(log_likelihood, gaussian_kl(*posterior), beta) + model.log_class_prior


def unlabelled_bound(label_bounds: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Σ_y q(y | x)·(L(x, y) − log q(y | x)) ≤ log p(x) in nats, every label counted.

    Equation: eq-unlabelled-bound (Kingma et al. 2014).

    Args:
        label_bounds: L(x, y), K×B, as :func:`labelled_bound` gives it without labels.
        logits: Of q(y | x), B×K; never probabilities.
    """
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
    """The objective that M2 is trained on, in nats per image of the whole training set.

    Equation: eq-semi-supervised-objective (Kingma et al. 2014, divided by the number of images).

    Args:
        model: M2.
        batch: Images B×…, whose labels are not looked at.
        labelled: Images A×… with their labels.
        label_weight: α, the weight of the classifier's cross-entropy; 0.1 in the paper.
        labelled_share: Labelled images over all images of the training set, in [0, 1].
        beta: Weight of the KL in both bounds.

    Returns:
        ``loss``; ``labelled`` and ``unlabelled``, the two negative bounds in nats per image;
        ``cross_entropy`` of q(y | x) on the labelled images.
    """
    images, labels = Batch.of(batch).images, labelled.require_labels()
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
