"""Training on many images without labels and a few with them."""

from __future__ import annotations

import torch
from typing_extensions import Unpack

from latent_transfer.data import Batch, ImageSet
from latent_transfer.models import M1M2, M2
from latent_transfer.nets import device_of
from latent_transfer.objectives import Terms, semi_supervised_loss
from latent_transfer.training.forms import History, Schedule, Transform
from latent_transfer.training.loop import fit
from latent_transfer.training.options import TrainerOptions, refuse_validation


class BalancedBatches:
    """Batches of a small labelled set, the same number of images of each class in every one.

    Every batch draws from each class without replacement, as far as the class reaches: however many
    images of a class there are, it counts as much as any other, as the uniform p(y) says.

    Args:
        labelled: The labelled images.
        batch_size: Images per batch, rounded up to a multiple of the number of classes.
        binarize: Draw binary pixels from grey ones, afresh in every batch.
        transform: Augmentation of whole batches.

    Raises:
        ValueError: If a class has no image.

    Example:
        >>> import latent_transfer as lt
        >>> import torch
        >>> few = lt.data.load("digits", size=8).train.few(1, torch.Generator().manual_seed(0))
        >>> lt.training.BalancedBatches(few, 20).draw().labels.bincount().tolist()
        [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    """

    def __init__(
        self,
        labelled: ImageSet,
        batch_size: int,
        *,
        binarize: bool = False,
        transform: Transform | None = None,
    ) -> None:
        missing = [name for name, count in labelled.counts().items() if not count]
        if missing:
            raise ValueError(
                f"Each class needs a labelled image, but there is none of {', '.join(missing)}; "
                "label one, or leave the class out with ImageSet.only."
            )
        classes = range(len(labelled.classes))
        self._members = [(labelled.labels == label).nonzero().squeeze(1) for label in classes]
        self._pixels, self._labels = labelled.pixels(), labelled.labels
        self._per_class = -(-batch_size // len(labelled.classes))
        self._binarize, self._transform = binarize, transform

    def draw(self) -> Batch:
        """A fresh batch of images B×C×H×W and labels B, from PyTorch's own generator."""
        chosen = torch.cat([self._draw_class(members) for members in self._members])
        images, labels = self._pixels[chosen], self._labels[chosen]
        if self._binarize:
            images = torch.bernoulli(images)
        return Batch(images if self._transform is None else self._transform(images), labels)

    def _draw_class(self, members: torch.Tensor) -> torch.Tensor:
        rounds = -(-self._per_class // len(members))
        orders = [torch.randperm(len(members), device=members.device) for _ in range(rounds)]
        return members[torch.cat(orders)[: self._per_class]]


def fit_semi_supervised(
    model: M2 | M1M2,
    labelled: ImageSet,
    unlabelled: ImageSet,
    *,
    label_weight: float = 0.1,
    beta: Schedule | None = None,
    labelled_batch_size: int = 100,
    **options: Unpack[TrainerOptions],
) -> History:
    """Train M2, or the M2 of M1+M2, on a few labelled images and all unlabelled ones.

    One epoch is a pass over the *unlabelled* images; every step sees a class-balanced batch of
    labelled ones beside them. Each term counts by the number of images it stands for, however
    often those of the smaller set come round. Under M1+M2 every step draws new latents z1 from M1,
    which does not learn.

    Args:
        model: Trained in place.
        labelled: Labelled images, at least one of each class; more of one class than of another
            gives that class no more weight.
        unlabelled: Images whose labels are not looked at; fewer than the labelled ones will do.
        label_weight: α, nats of objective per nat of the classifier's cross-entropy.
        beta: Maps training progress in [0, 1) to a weight of the KL in the bounds; always 1 if
            left out.
        labelled_batch_size: Labelled images per step.
        **options: As for :func:`latent_transfer.fit`, without a validation set: score the
            finished model on one instead.

    Raises:
        ValueError: If the classes of the labelled images and the model's differ in number, if a
            class has no image, for a negative weight, or a validation set.

    Example:
        >>> import latent_transfer as lt
        >>> import torch
        >>> digits = lt.data.load("digits", size=8).train
        >>> few = digits.few(2, torch.Generator().manual_seed(0))
        >>> model = lt.models.mlp_m2(digits.shape, 10, (16,), 3)
        >>> history = lt.training.fit_semi_supervised(
        ...     model, few, digits.unlabelled(), epochs=1, progress=False
        ... )
        >>> sorted(history.training)
        ['cross_entropy', 'labelled', 'loss', 'unlabelled']
    """
    refuse_validation("fit_semi_supervised", options, "score the finished model on one instead")
    m2 = model.m2 if isinstance(model, M1M2) else model
    if len(labelled.classes) != m2.classes:
        raise ValueError(
            f"The model knows {m2.classes} classes, the labelled images have "
            f"{len(labelled.classes)}; build the model for as many."
        )
    if label_weight < 0:
        raise ValueError(f"label_weight must not be negative, but is {label_weight}.")
    device = device_of(model)
    few = BalancedBatches(
        labelled.to(device),
        labelled_batch_size,
        binarize=options.get("binarize", False),
        transform=options.get("transform"),
    )
    share = len(labelled) / (len(labelled) + len(unlabelled))

    def loss(_: torch.nn.Module, batch: Batch) -> Terms:
        drawn = few.draw()
        inputs = _inputs(model, drawn.images)
        return semi_supervised_loss(
            m2,
            Batch(_inputs(model, batch.images)),
            labelled=drawn._replace(images=inputs),
            label_weight=label_weight,
            labelled_share=share,
            beta=1.0 if beta is None else beta(batch.progress),
        )

    return fit(model, unlabelled, loss, **options)


def _inputs(model: M2 | M1M2, images: torch.Tensor) -> torch.Tensor:
    return model.posterior(images).rsample() if isinstance(model, M1M2) else images
