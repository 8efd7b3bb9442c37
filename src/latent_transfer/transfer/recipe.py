"""One net and one training schedule, held fixed while the starting weights are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from torch import nn

from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.evaluation import balanced_error
from latent_transfer.models import Autoencoder, Classifier, conv_autoencoder
from latent_transfer.nets import ConvEncoder, Shape, he_initialise
from latent_transfer.objectives import classification_loss, reconstruction_loss
from latent_transfer.training import cosine_schedule, fit
from latent_transfer.transfer.augmentation import flips_and_crops
from latent_transfer.transfer.comparison import Task
from latent_transfer.transfer.initialise import initialise_from
from latent_transfer.transfer.parts import freeze


@dataclass(frozen=True)
class Recipe:
    """A convolutional autoencoder, a classifier on its encoder, and how both are trained.

    Both start from He's weights: with PyTorch's own, which shrink the signal from layer to layer,
    a head on frozen features hardly learns, and a fine-tuned source encoder starts badly.

    Attributes:
        shape: C, H, W of all images, those of the source as well.
        channels: Of the encoder's convolutions.
        code_size: Width of the code, on which the head stands.
        hidden: Widths of the head's hidden layers.
        pretraining_steps: Gradient steps of the autoencoder, rounded up to whole passes.
        steps: Gradient steps of the classifier, rounded up to whole passes.
        batch_size: Images a step.
        learning_rate: Adam's, of the classifier's encoder.
        augment: Whether the classifier sees flipped and moved images.
        head_speed: How many times faster the classifier's head learns, which is always new.
        pretraining_rate: Adam's, of the autoencoder; the same as ``learning_rate`` if left out.
        decay: Whether the learning rates fall to zero along half a cosine.
    """

    shape: Shape = (3, 32, 32)
    channels: tuple[int, ...] = (16, 32, 64, 128)
    code_size: int = 64
    hidden: tuple[int, ...] = ()
    pretraining_steps: int = 600
    steps: int = 200
    batch_size: int = 50
    learning_rate: float = 1e-3
    augment: bool = True
    head_speed: float = 10.0
    pretraining_rate: float | None = None
    decay: bool = True

    def pretrain(
        self,
        images: ImageSet,
        *,
        seed: int = 0,
        checkpoint: Path | None = None,
        progress: bool = True,
    ) -> Autoencoder:
        """An autoencoder trained on images of :attr:`shape`; labels are not used."""
        with seeded(seed):
            model = self.autoencoder().to(images.device)
        fit(
            model,
            images,
            reconstruction_loss,
            epochs=self._epochs(self.pretraining_steps, images),
            batch_size=self.batch_size,
            learning_rate=self.pretraining_rate or self.learning_rate,
            schedule=cosine_schedule if self.decay else None,
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
        )
        return model

    def autoencoder(self) -> Autoencoder:
        """An untrained autoencoder; its weights come from PyTorch's own generator."""
        return he_initialise(conv_autoencoder(self.shape, self.channels, self.code_size))

    def classifier(self, classes: int, start: nn.Module | None = None) -> Classifier:
        """A new classifier; its encoder starts from that of ``start``, its head never does."""
        encoder = ConvEncoder(self.shape, self.channels, self.code_size)
        model = he_initialise(Classifier(encoder, self.code_size, classes, self.hidden))
        if start is not None:
            initialise_from(start, model, ["encoder"])
        return model

    def train(
        self, task: Task, start: nn.Module | None = None, *, frozen: bool | Sequence[str] = False
    ) -> Classifier:
        """A classifier trained on the few images of a task; for the arguments see :meth:`error`."""
        model = self.classifier(len(task.few.classes), start).to(task.few.device)
        fixed = ("encoder",) if frozen is True else tuple(frozen or ())
        if fixed:
            freeze(model, *fixed)
        rate_of_head = self.head_speed * self.learning_rate
        fit(
            model,
            task.few,
            classification_loss,
            epochs=self._epochs(self.steps, task.few),
            batch_size=self.batch_size,
            groups=[
                {"params": list(model.encoder.parameters()), "lr": self.learning_rate},
                {"params": list(model.head.parameters()), "lr": rate_of_head},
            ],
            schedule=cosine_schedule if self.decay else None,
            seed=task.seed,
            transform=flips_and_crops(self.shape[1]) if self.augment else None,
            progress=False,
        )
        return model

    def error(
        self, task: Task, start: nn.Module | None = None, *, frozen: bool | Sequence[str] = False
    ) -> float:
        """Train a classifier on the few images of a task; its balanced test error in per cent.

        Args:
            task: From :func:`compare`.
            start: A model with an encoder of this recipe, an autoencoder say; none: from scratch.
            frozen: Train the head alone; or the names of the parts that stay fixed.
        """
        return balanced_error(self.train(task, start, frozen=frozen), task.test)

    def _epochs(self, steps: int, images: ImageSet) -> int:
        return ceil(steps / ceil(len(images) / self.batch_size))
