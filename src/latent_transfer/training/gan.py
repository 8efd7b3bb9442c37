"""Training a generator and a discriminator against each other."""

from __future__ import annotations

from functools import partial

from typing_extensions import Unpack

from latent_transfer.data import ImageSet
from latent_transfer.models import GAN
from latent_transfer.objectives import adversarial_loss
from latent_transfer.objectives.adversarial import Game
from latent_transfer.training.forms import History
from latent_transfer.training.loop import fit
from latent_transfer.training.options import GanOptions, refuse_validation


def fit_gan(
    model: GAN,
    train: ImageSet,
    *,
    game: Game = "non_saturating",
    penalty: float = 0.0,
    learning_rate: float = 2e-4,
    discriminator_rate: float | None = None,
    momentum: float = 0.5,
    **options: Unpack[GanOptions],
) -> History:
    """Train both nets of a GAN, one simultaneous step of each per batch.

    Adam runs with less momentum than usual, since each net's past gradients point at where its
    opponent no longer is (Radford et al. 2016). Frozen parts of either net stay as they are.

    Args:
        model: Trained in place.
        train: Images; labels are not used.
        game: See :func:`latent_transfer.objectives.adversarial_loss`.
        penalty: Likewise.
        learning_rate: Of the generator.
        discriminator_rate: Of the discriminator; the generator's if left out.
        momentum: Adam's first β; the second is 0.99.
        **options: As for :func:`latent_transfer.fit`, without a validation set.

    Returns:
        The history of the terms. A GAN's loss does not say how good its samples are: neither
        side's falls while both improve.

    Raises:
        ValueError: For a validation set.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8).train
        >>> gan = lt.models.mlp_gan(digits.shape, (32,), latent_size=4)
        >>> sorted(lt.training.fit_gan(gan, digits, epochs=1, progress=False).training)
        ['discriminator', 'generator', 'loss']
    """
    refuse_validation("fit_gan", options, "a GAN's loss does not say how good its samples are")
    sides = (
        (model.generator, learning_rate),
        (model.discriminator, discriminator_rate or learning_rate),
    )
    groups = [
        {"params": list(net.parameters()), "lr": rate, "betas": (momentum, 0.99)}
        for net, rate in sides
    ]
    return fit(
        model,
        train,
        partial(adversarial_loss, game=game, penalty=penalty),
        groups=groups,
        after_step=lambda _: model.update_average(),
        **options,
    )
