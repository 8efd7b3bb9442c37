"""Training a student on what a teacher says about images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn
from typing_extensions import Unpack

from latent_transfer.data import Batch, ImageSet
from latent_transfer.inference import predict_logits
from latent_transfer.models import M2
from latent_transfer.nets import device_of
from latent_transfer.objectives import Terms, distillation_loss
from latent_transfer.objectives.distillation import check_teacher
from latent_transfer.training.forms import History
from latent_transfer.training.loop import fit
from latent_transfer.training.options import FitOptions

#: Given the model, a batch with its labels, and the targets of its images.
TargetLoss = Callable[[nn.Module, Batch, torch.Tensor], Terms]


def fit_to_targets(
    model: nn.Module,
    images: ImageSet,
    targets: torch.Tensor | Callable[[torch.Tensor], torch.Tensor],
    loss: TargetLoss,
    **options: Unpack[FitOptions],
) -> History:
    """Train on images that have a tensor each as their target: a teacher's beliefs, its features.

    Args:
        model: Trained in place.
        images: N images; their labels reach ``loss`` in the batch.
        targets: N×…, one row per image, known beforehand; or a function of a batch of images that
            tells them at each step, when the images change from one pass to the next.
        loss: Given the model, a batch and the targets of its images, returns what a loss of
            :func:`latent_transfer.fit` returns.
        **options: As for :func:`latent_transfer.fit`; a validation set needs a function as targets,
            since known ones are those of the training images.

    Raises:
        ValueError: If there is not one row of targets for each image, or known targets are to be
            used with augmented or binarised images, or with a validation set.

    Example:
        >>> import latent_transfer as lt, torch
        >>> digits = lt.data.load("digits", size=8).train
        >>> model = lt.models.mlp_classifier(digits.shape, 10, (16,))
        >>> def loss(model, batch, codes):
        ...     return lt.objectives.feature_distance(model(batch.images), codes).mean()
        >>> codes = torch.zeros(len(digits), 10)
        >>> lt.training.fit_to_targets(model, digits, codes, loss, epochs=1, progress=False).epochs
        1
    """
    if callable(targets):
        ask = targets

        def asked(model: nn.Module, batch: Batch) -> Terms:
            with torch.no_grad():
                told = ask(batch.images)
            return loss(model, batch, told)

        return fit(model, images, asked, **options)
    _check_rows(targets, images, options)
    kept = targets.to(device_of(model))

    def looked_up(model: nn.Module, batch: Batch) -> Terms:
        return loss(model, batch, kept[batch.indices])

    return fit(model, images, looked_up, **options)


def distil(
    student: nn.Module,
    teacher: nn.Module | torch.Tensor,
    transfer_set: ImageSet,
    *,
    temperature: float,
    label_weight: float = 0.0,
    **options: Unpack[FitOptions],
) -> History:
    """Train a student classifier on the softened beliefs of a teacher.

    The teacher runs in evaluation mode, and once per image: its logits are kept, unless each pass
    sees other images because of augmentation or binary pixels, or a validation set asks too.

    Equation: eq-distillation-objective (Hinton, Vinyals & Dean 2015).

    Args:
        student: B×C×H×W to logits B×K, trained in place.
        teacher: B×C×H×W to logits B×K; or its logits for the transfer set, N×K.
        transfer_set: N images; their labels count only through ``label_weight``.
        temperature: T > 0, of teacher and student alike; the student is used at T = 1.
        label_weight: Share of the cross-entropy with the labels in the loss, in [0, 1].
        **options: As for :func:`latent_transfer.fit`; a validation set needs the teacher itself.

    Raises:
        ValueError: For a temperature that is not positive, other classes than the student's, or
            a teacher whose outputs are not finite.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8).train
        >>> teacher, student = (lt.models.mlp_classifier(digits.shape, 10, (w,)) for w in (64, 8))
        >>> history = lt.training.distil(
        ...     student, teacher, digits, temperature=4.0, epochs=1, progress=False
        ... )
        >>> sorted(history.training)
        ['divergence', 'loss']
    """
    loss = partial(_distillation, temperature=temperature, label_weight=label_weight)
    targets: torch.Tensor | Callable[[torch.Tensor], torch.Tensor]
    if isinstance(teacher, nn.Module):
        teacher.eval()
        asked = _images_change(options) or options.get("validation") is not None
        targets = teacher if asked else predict_logits(teacher, transfer_set)
    else:
        targets = teacher
    if isinstance(targets, torch.Tensor):
        check_teacher(targets)
    return fit_to_targets(student, transfer_set, targets, loss, **options)


def _distillation(model: nn.Module, batch: Batch, logits: torch.Tensor, **settings: float) -> Terms:
    return distillation_loss(model, batch, teacher_logits=logits, **settings)


def draw_transfer_set(
    model: M2,
    labels: torch.Tensor,
    classes: Sequence[str],
    generator: torch.Generator,
    *,
    binarize: bool = True,
) -> ImageSet:
    """Images that a class-conditional model draws for labels: a transfer set without data.

    Args:
        model: Draws z ~ p(z) and decodes it with the label.
        labels: N, the classes to draw; they become the labels of the set, right or wrong.
        classes: Names of the K classes.
        generator: Decides the latents and the pixels.
        binarize: Draw every pixel as 0 or 1, as a Bernoulli likelihood says that images come
            about; otherwise keep the probabilities of the pixels.

    Example:
        >>> import latent_transfer as lt
        >>> import torch
        >>> model = lt.models.mlp_m2((1, 8, 8), 3, (16,), 2)
        >>> generator = torch.Generator().manual_seed(0)
        >>> lt.training.draw_transfer_set(model, torch.arange(3), ("a", "b", "c"), generator)
        ImageSet(3 images 1×8×8, 3 classes)
    """
    model.eval()
    labels = labels.to(device_of(model))
    with torch.no_grad():
        drawn = ImageSet.from_pixels(model.generate(labels, generator), labels, classes)
    return drawn.binarized(generator) if binarize else drawn


def bias_for_share(logits: torch.Tensor, classes: Sequence[int], share: float) -> float:
    """The number to add to the logits of some classes so that they win their known share.

    An image goes to one of the classes as soon as the number exceeds the lead that the best other
    class has on it, so the right number is a quantile of the leads. No label is needed.

    Equation: eq-bias-correction.

    Args:
        logits: N×K, of images in which the classes are as frequent as they will be in use.
        classes: Numbers of the classes whose biases are off, all by the same amount.
        share: How many of the images belong to one of them, in (0, 1).

    Raises:
        ValueError: If the share is not inside (0, 1), or no class or every class is named.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, -3.0], [0.0, -2.0], [0.0, -1.0], [0.0, 0.0]])
        >>> bias = bias_for_share(logits, [1], share=0.5)
        >>> ((logits + torch.tensor([0.0, bias])).argmax(-1) == 1).double().mean().item()
        0.5
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, but is {share}.")
    inside = torch.zeros(logits.shape[-1], dtype=torch.bool)
    inside[list(classes)] = True
    if inside.all() or not inside.any():
        raise ValueError("Name some of the classes, but not all: the others are compared with.")
    leads = logits[:, ~inside].amax(-1) - logits[:, inside].amax(-1)  # N
    return float(leads.double().quantile(share))


def _check_rows(targets: torch.Tensor, images: ImageSet, options: FitOptions) -> None:
    if len(targets) != len(images):
        raise ValueError(
            f"There are {len(targets)} rows of targets for {len(images)} images; "
            "give each image its own."
        )
    if _images_change(options):
        raise ValueError(
            "Targets known beforehand belong to the images as they are; "
            "with transform or binarize, give the teacher itself."
        )
    if options.get("validation") is not None:
        raise ValueError(
            "Targets known beforehand are those of the training images; "
            "with a validation set, give the teacher itself."
        )


def _images_change(options: FitOptions) -> bool:
    return bool(options.get("transform") or options.get("binarize"))
