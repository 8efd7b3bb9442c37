"""Training VaDE, whose clusters are as good as their start."""

from __future__ import annotations

from pathlib import Path

import torch
from typing_extensions import Unpack

from latent_transfer.data import Batch, ImageSet
from latent_transfer.inference import encode
from latent_transfer.models import VAE, VaDE
from latent_transfer.objectives import Terms, negative_elbo, negative_vade_elbo
from latent_transfer.training.forms import History
from latent_transfer.training.loop import fit
from latent_transfer.training.options import StageOptions


def fit_vade(
    model: VaDE,
    images: ImageSet,
    *,
    epochs: int,
    pretraining_epochs: int,
    pretraining_beta: float = 0.1,
    labelled: ImageSet | None = None,
    checkpoint: Path | None = None,
    seed: int = 0,
    **options: Unpack[StageOptions],
) -> History:
    """Pre-train the VAE, fit a mixture to its latents, then train everything on VaDE's bound.

    Args:
        model: Trained in place.
        images: Their labels are not looked at.
        epochs: Passes on VaDE's bound.
        pretraining_epochs: Passes before, on the VAE's own.
        pretraining_beta: Weight of the KL to N(0, I) there; a small one lets the codes spread and
            keeps their scale.
        labelled: A few labelled images, at least one of each class and as many classes as there
            are clusters: each cluster then starts at the mean latents of its class, and is called
            as the class is. The labels serve for nothing else.
        checkpoint: File to keep the pre-trained VAE in, and to resume from.
        seed: Decides everything that is random.
        **options: As for :func:`latent_transfer.fit`, for both trainings.

    Returns:
        The history of the second training.

    Raises:
        ValueError: If the labelled images have another number of classes, or none of one.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8).train
        >>> model = lt.models.VaDE(lt.models.mlp_vae(digits.shape, (16,), 3), clusters=10)
        >>> history = lt.training.fit_vade(
        ...     model, digits, epochs=1, pretraining_epochs=1, progress=False
        ... )
        >>> sorted(history.training)
        ['kl', 'loss', 'reconstruction']
    """
    if labelled is not None:
        _check_classes(labelled, model.clusters)

    def pretraining(_: torch.nn.Module, batch: Batch) -> Terms:
        return negative_elbo(model.vae, batch, beta=pretraining_beta)

    def bound(_: torch.nn.Module, batch: Batch) -> Terms:
        return negative_vade_elbo(model, batch)

    fit(
        model.vae,
        images,
        pretraining,
        epochs=pretraining_epochs,
        seed=seed,
        checkpoint=checkpoint,
        **options,
    )
    means = None if labelled is None else class_means(model.vae, labelled)
    model.start_mixture(encode(model.vae, images).mean, means=means, seed=seed)
    return fit(model, images, bound, epochs=epochs, seed=seed + 1, **options)


def class_means(model: VAE, labelled: ImageSet) -> torch.Tensor:
    """The mean latents of each class's images, K×D.

    Args:
        model: Encodes the images.
        labelled: Images of K classes, at least one of each.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8).train
        >>> vae = lt.models.mlp_vae(digits.shape, (16,), 3)
        >>> tuple(lt.training.class_means(vae, digits).shape)
        (10, 3)
    """
    codes = encode(model, labelled).mean
    labels = labelled.labels.to(codes.device)
    return torch.stack([codes[labels == label].mean(0) for label in range(len(labelled.classes))])


def _check_classes(labelled: ImageSet, clusters: int) -> None:
    missing = [name for name, count in labelled.counts().items() if not count]
    if missing or len(labelled.classes) != clusters:
        raise ValueError(
            f"{clusters} clusters need labelled images of {clusters} classes, at least one of "
            f"each; there are {len(labelled.classes)} classes, and none of {missing}."
        )
