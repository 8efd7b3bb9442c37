"""One net and one training schedule, held fixed while the starting weights are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.evaluation import balanced_error
from latent_transfer.inference import evaluating
from latent_transfer.models import Autoencoder, Classifier, conv_autoencoder
from latent_transfer.nets import ConvDecoder, ConvEncoder, Shape, device_of, he_initialise
from latent_transfer.nets.shapes import spell
from latent_transfer.objectives import classification_loss, reconstruction_loss
from latent_transfer.training import MakeOptimizer, cosine_schedule, fit
from latent_transfer.transfer.augmentation import flips_and_crops
from latent_transfer.transfer.comparison import Task
from latent_transfer.transfer.initialise import initialise_from
from latent_transfer.transfer.parts import freeze

#: Images with which an encoder is tried.
TRIAL = 2


@dataclass(frozen=True)
class Recipe:
    """An autoencoder, a classifier on its encoder, and how both are trained.

    Both start from He's weights: with PyTorch's own, which shrink the signal from layer to layer,
    a head on frozen features hardly learns, and a fine-tuned source encoder starts badly. An
    ``encoder`` of your own keeps the weights with which it is made.

    Attributes:
        shape: C, H, W of all images, those of the source as well.
        channels: Of the convolutions of our own encoder and decoder.
        code_size: Width of the code of our own encoder, on which the head stands.
        hidden: Widths of the head's hidden layers.
        pretraining_steps: Gradient steps of the autoencoder, rounded up to whole passes.
        steps: Gradient steps of the classifier, rounded up to whole passes.
        batch_size: Images per step.
        learning_rate: Of the classifier's encoder.
        augment: Whether the classifier sees flipped and moved images.
        head_speed: How many times faster the classifier's head learns, which is always new.
        pretraining_rate: Of the autoencoder; the same as ``learning_rate`` if left out.
        decay: Whether the learning rates fall to zero along half a cosine.
        optimizer: As for :func:`latent_transfer.fit`, of both trainings; Adam if left out.
        encoder: Makes a new encoder each time it is called, a module of B×C×H×W to B×D such as
            ``lambda: timm.create_model("resnet18", num_classes=0)``; a module whose own output is
            no such matrix may have ``forward_features`` instead, whose maps are then averaged.
            None: our own :class:`latent_transfer.nets.ConvEncoder`. Its weights are the start from
            scratch; hand pre-trained ones to :meth:`error` or :meth:`train` as ``start``.

    Example:
        >>> from torch import nn
        >>> from latent_transfer.transfer import Recipe
        >>> Recipe().classifier(10).features(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 64])
        >>> def mine():
        ...     return nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.Flatten())
        >>> Recipe(encoder=mine).classifier(10).features(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 512])
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
    optimizer: MakeOptimizer | None = None
    encoder: Callable[[], nn.Module] | None = None

    def __post_init__(self) -> None:
        if self.encoder is not None:
            with seeded(0):
                (one, _), (other, _) = self._own_encoder(), self._own_encoder()
            if {*map(id, one.parameters())} & {*map(id, other.parameters())}:
                raise ValueError(
                    "encoder must make a new module each time it is called; this one returns the "
                    "same weights again, which one training would hand to the next."
                )

    def pretrain(
        self,
        images: ImageSet,
        *,
        seed: int = 0,
        checkpoint: str | Path | None = None,
        progress: bool = True,
    ) -> Autoencoder:
        """Return an autoencoder trained on images of :attr:`shape`; labels are not used.

        Args:
            images: The source.
            seed: Decides weights and batches.
            checkpoint: Where the training is kept after every pass, and resumed from.
            progress: Whether to show a bar.
        """
        with seeded(seed):
            model = self.autoencoder().to(images.device)
        fit(
            model,
            images,
            reconstruction_loss,
            epochs=self._epochs(self.pretraining_steps, images),
            batch_size=self.batch_size,
            learning_rate=self.pretraining_rate or self.learning_rate,
            optimizer=self.optimizer,
            schedule=cosine_schedule if self.decay else None,
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
        )
        return model

    def autoencoder(self) -> Autoencoder:
        """Return an untrained autoencoder; its weights come from PyTorch's own generator."""
        if self.encoder is None:
            return he_initialise(conv_autoencoder(self.shape, self.channels, self.code_size))
        encoder, width = self._own_encoder()
        decoder = ConvDecoder(width, tuple(reversed(self.channels)), self.shape)
        return Autoencoder(encoder, he_initialise(decoder))

    def classifier(self, classes: int, start: nn.Module | None = None) -> Classifier:
        """Return a new classifier; its encoder starts from ``start``, its head never does.

        Args:
            classes: K.
            start: An encoder like the recipe's, or a model with one as its part ``encoder``, such
                as :meth:`pretrain` returns. None: from scratch.

        Raises:
            ValueError: If ``start`` is no such encoder and has none, or if :attr:`encoder` makes
                something that does not map B×C×H×W to B×D.
        """
        if self.encoder is None:
            encoder = ConvEncoder(self.shape, self.channels, self.code_size)
            model = he_initialise(Classifier(encoder, self.code_size, classes, self.hidden))
        else:
            own, width = self._own_encoder()
            model = Classifier(own, width, classes, self.hidden)
            he_initialise(model.head)
        if start is not None:
            _start_from(start, model.encoder)
        return model

    def train(
        self, task: Task, start: nn.Module | None = None, *, frozen: bool | Sequence[str] = False
    ) -> Classifier:
        """Return a classifier trained on the few images of a task; see :meth:`error`."""
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
            optimizer=self.optimizer,
            groups=[
                {"params": model.encoder.parameters(), "lr": self.learning_rate},
                {"params": model.head.parameters(), "lr": rate_of_head},
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
        """Train a classifier on the few images of a task, and return its balanced test error.

        Args:
            task: From :func:`compare`.
            start: An encoder like the recipe's, or a model with one, such as :meth:`pretrain`
                returns; none: from scratch.
            frozen: Whether only the head is trained; or the names of the parts that stay fixed.

        Returns:
            Per cent.
        """
        return balanced_error(self.train(task, start, frozen=frozen), task.test)

    def described(self) -> dict[str, object]:
        """Return the settings by name, but for :attr:`encoder`, which is no value to be written.

        Example:
            >>> from latent_transfer.transfer import Recipe
            >>> Recipe(steps=50).described()["steps"]
            50
        """
        return {each.name: getattr(self, each.name) for each in fields(self)[:-1]}

    def _own_encoder(self) -> tuple[nn.Module, int]:
        """A new encoder of the user's, and the width D of its features."""
        assert self.encoder is not None
        encoder = self.encoder()
        if not isinstance(encoder, nn.Module):
            raise ValueError(
                "encoder must be a function without arguments that makes a torch.nn.Module, "
                f"not one that returns {type(encoder).__name__}."
            )
        features = self._try(encoder)
        if not _is_matrix(features) and hasattr(encoder, "forward_features"):
            encoder = _Averaged(encoder)
            features = self._try(encoder)
        if not _is_matrix(features):
            tensor = isinstance(features, torch.Tensor)
            got = spell(tuple(features.shape)) if tensor else f"a {type(features).__name__}"
            raise ValueError(
                f"encoder must map B×C×H×W images to a B×D matrix of features, but gave {got} for "
                f"{spell((TRIAL, *self.shape))}; pool and flatten its output, or leave out its "
                "classifier (num_classes=0, or nn.Identity() in the place of the last layer)."
            )
        return encoder, features.shape[1]

    def _try(self, encoder: nn.Module) -> torch.Tensor:
        images = torch.zeros(TRIAL, *self.shape, device=device_of(encoder))
        with evaluating(encoder), torch.no_grad():  # draws nothing, moves no statistics
            try:
                return encoder(images)
            except (RuntimeError, ValueError, TypeError, IndexError) as error:
                raise ValueError(
                    f"encoder cannot take {spell(tuple(images.shape))} images: {error}"
                ) from error

    def _epochs(self, steps: int, images: ImageSet) -> int:
        return ceil(steps / ceil(len(images) / self.batch_size))


class _Averaged(nn.Module):
    """The features of a net that has maps of them, averaged over height and width."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B×C×H×W to B×D."""
        features: torch.Tensor = cast(Any, self.net).forward_features(images)  # B×D×h×w
        return features.mean((2, 3)) if features.dim() == 4 else features


def _is_matrix(features: object) -> bool:
    shape = features.shape if isinstance(features, torch.Tensor) else ()
    return len(shape) == 2 and shape[0] == TRIAL and shape[1] > 0


def _start_from(start: nn.Module, encoder: nn.Module) -> None:
    """Copy the weights of an encoder, or of the part ``encoder`` of a model, all of them."""
    encoder, names = _bare(encoder), set(_bare(encoder).state_dict())
    if not names:  # raw pixels, say: there is nothing to start from
        return
    for there in map(_bare, (start, getattr(start, "encoder", start))):
        if names <= set(there.state_dict()):
            report = initialise_from(there, encoder)
            if not report.skipped:
                return
            name, why = next(iter(report.skipped.items()))
            raise ValueError(f"start does not fit the recipe's encoder: {name} is {why}.")
    raise ValueError(
        "start must be an encoder like the recipe's, or a model with one as its part 'encoder'; "
        f"{type(start).__name__} has other parameters."
    )


def _bare(encoder: nn.Module) -> nn.Module:
    return encoder.net if isinstance(encoder, _Averaged) else encoder
