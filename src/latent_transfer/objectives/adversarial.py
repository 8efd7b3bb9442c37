"""What a generator and a discriminator want of each other.

Scores are the discriminator's logits of "this is data". Both nets learn at once from one sum: in
the generator's term the discriminator's weights are held fixed, in the discriminator's term the
images are, so that neither gradient reaches the other net.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from latent_transfer.data import Batch
from latent_transfer.models import GAN, AdversarialAutoencoder
from latent_transfer.objectives.reconstruction import Terms, squared_error

Game = Literal["non_saturating", "hinge"]


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """−log σ(d(x)) − log(1 − σ(d(x̃))), the cross-entropy of telling data from samples, in nats.

    Equation: eq-discriminator-loss (Goodfellow et al. 2014).

    Args:
        real: Scores of B images of the data.
        fake: Scores of B samples.

    Returns:
        B.
    """
    return F.softplus(-real) + F.softplus(fake)


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """−log σ(d(x̃)) in nats: the generator wants its samples to be called data.

    The minimax game would have it minimise log(1 − σ(d(x̃))), whose gradient vanishes where the
    discriminator is sure; this one has the same fixed point and is steep there.

    Equation: eq-non-saturating (Goodfellow et al. 2014).

    Args:
        fake: Scores of B samples.
    """
    return F.softplus(-fake)


def hinge_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """max(0, 1 − d(x)) + max(0, 1 + d(x̃)): scores beyond ±1 are right enough.

    The generator's side of this game is −d(x̃).

    Equation: eq-hinge (Lim & Ye 2017; Miyato et al. 2018).

    Args:
        real: Scores of B images of the data.
        fake: Scores of B samples.

    Returns:
        B, without a unit.
    """
    return F.relu(1 - real) + F.relu(1 + fake)


def gradient_penalty(
    discriminate: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    """‖∇_x d(x)‖² at images of the data, by which a discriminator is kept from being too steep.

    Equation: eq-gradient-penalty (Mescheder et al. 2018).

    Args:
        discriminate: B×C×H×W to scores B, each of its own image alone.
        images: B×C×H×W of the data.

    Returns:
        B, differentiable in the discriminator's weights.
    """
    points = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminate(points).sum(), points, create_graph=True)
    return gradient.square().flatten(1).sum(-1)


def adversarial_loss(
    model: GAN,
    batch: Batch | torch.Tensor,
    *,
    game: Game = "non_saturating",
    penalty: float = 0.0,
) -> Terms:
    """Both sides of the game on one batch, for :func:`latent_transfer.fit`.

    Args:
        model: The GAN.
        batch: Images B×C×H×W of the data; as many samples are drawn.
        game: ``"non_saturating"`` in nats, or ``"hinge"``.
        penalty: Weight of :func:`gradient_penalty` / 2, the γ of Mescheder et al. (2018).

    Returns:
        ``loss``; its terms ``discriminator`` and ``generator``, and ``penalty`` if it has a weight.
    """
    images = Batch.of(batch).images
    terms = _play(model, images, model.sample(len(images)), game)
    loss = terms["discriminator"] + terms["generator"]
    if penalty:
        terms["penalty"] = gradient_penalty(model.discriminate, images).mean()
        loss = loss + 0.5 * penalty * terms["penalty"]
    return {"loss": loss, **terms}


def adversarial_reconstruction_loss(
    model: AdversarialAutoencoder,
    batch: Batch | torch.Tensor,
    *,
    adversarial_weight: float,
    features: nn.Module | None = None,
    game: Game = "non_saturating",
) -> Terms:
    """λ·L_GAN + (1 − λ)·L_rec for encoder and decoder, and the discriminator's own loss beside it.

    L_rec is a sum over pixels (or features) and L_GAN is not, so that λ = 1/2 does not mean "half
    and half"; compare the two terms before you choose λ.

    Equation: eq-adversarial-reconstruction (after Larsen et al. 2016).

    Args:
        model: Its reconstructions take the place of a GAN's samples.
        batch: Images B×C×H×W.
        adversarial_weight: λ in [0, 1].
        features: A frozen net; with one, L_rec is the squared distance of its outputs for image
            and reconstruction, instead of that of the pixels.
        game: As for :func:`adversarial_loss`.

    Returns:
        ``loss``; its terms ``discriminator``, ``generator`` and ``reconstruction``.

    Raises:
        ValueError: If λ lies outside [0, 1].
    """
    if not 0 <= adversarial_weight <= 1:
        raise ValueError(f"adversarial_weight must lie in [0, 1], not at {adversarial_weight}.")
    images = Batch.of(batch).images
    reconstructions = model.reconstruct(images)
    terms = _play(model, images, reconstructions, game)
    seen = (reconstructions, images)
    pair = seen if features is None else tuple(features(one).flatten(1) for one in seen)
    terms["reconstruction"] = squared_error(*pair).mean()
    mixture = torch.lerp(terms["reconstruction"], terms["generator"], adversarial_weight)
    return {"loss": terms["discriminator"] + mixture, **terms}


def _play(
    model: GAN | AdversarialAutoencoder, images: torch.Tensor, fakes: torch.Tensor, game: Game
) -> Terms:
    if game not in ("non_saturating", "hinge"):
        raise ValueError(f"game must be 'non_saturating' or 'hinge', not {game!r}.")
    # One pass for both: the discriminator judges each image by itself.
    scores = model.discriminate(torch.cat([images, fakes.detach()])).chunk(2)
    fixed = {name: weight.detach() for name, weight in model.discriminator.named_parameters()}
    judged = functional_call(model.discriminator, fixed, (fakes,)).squeeze(-1)
    if game == "hinge":
        discriminator, generator = hinge_loss(*scores), -judged
    else:
        discriminator, generator = discriminator_loss(*scores), generator_loss(judged)
    return {"discriminator": discriminator.mean(), "generator": generator.mean()}
