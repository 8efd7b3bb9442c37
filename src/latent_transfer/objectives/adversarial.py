"""The game between a generator and a discriminator.

Scores are the discriminator's logits of "this is data". Both nets learn at once from one sum: the
generator's term holds the discriminator's weights fixed, the discriminator's term holds the images
fixed, so neither gradient reaches the other net.
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
from latent_transfer.objectives._checks import checked, require_between, require_same_shape
from latent_transfer.objectives.reconstruction import Terms, squared_error

Game = Literal["non_saturating", "hinge"]


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return −log σ(d(x)) − log(1 − σ(d(x̃))), the cross-entropy of data against samples, in nats.

    Equation: eq-discriminator-loss (Goodfellow et al. 2014).

    Args:
        real: Scores of B images of the data.
        fake: Scores of B samples.

    Returns:
        B.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import discriminator_loss
        >>> discriminator_loss(torch.tensor([0.0, 2.0]), torch.tensor([0.0, -2.0]))
        tensor([1.3863, 0.2539])
    """
    require_same_shape(real, fake, "The scores of data and of samples")
    return F.softplus(-real) + F.softplus(fake)


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """Return −log σ(d(x̃)) in nats: the generator wants its samples to be called data.

    The minimax game would minimise log(1 − σ(d(x̃))), whose gradient vanishes where the
    discriminator is sure; this loss has the same fixed point and is steep there.

    Equation: eq-non-saturating (Goodfellow et al. 2014).

    Args:
        fake: Scores of B samples.

    Returns:
        B.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import generator_loss
        >>> generator_loss(torch.tensor([0.0, 2.0]))
        tensor([0.6931, 0.1269])
    """
    return F.softplus(-fake)


def hinge_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return max(0, 1 − d(x)) + max(0, 1 + d(x̃)): scores beyond ±1 cost nothing.

    The generator's side of this game is −d(x̃).

    Equation: eq-hinge (Lim & Ye 2017; Miyato et al. 2018).

    Args:
        real: Scores of B images of the data.
        fake: Scores of B samples.

    Returns:
        B, without a unit.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import hinge_loss
        >>> hinge_loss(torch.tensor([2.0, 0.0]), torch.tensor([-2.0, 0.5]))
        tensor([0.0000, 2.5000])
    """
    require_same_shape(real, fake, "The scores of data and of samples")
    return F.relu(1 - real) + F.relu(1 + fake)


def gradient_penalty(
    discriminate: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    """Return ‖∇_x d(x)‖² at images of the data, a penalty that keeps a discriminator flat there.

    Equation: eq-gradient-penalty (Mescheder et al. 2018).

    Args:
        discriminate: B×C×H×W to scores B; each score depends on its own image alone.
        images: B×C×H×W of the data.

    Returns:
        B, differentiable in the discriminator's weights.

    Example:
        >>> import torch
        >>> from latent_transfer.objectives import gradient_penalty
        >>> gradient_penalty(lambda x: 3 * x.flatten(1).sum(-1), torch.rand(2, 1, 2, 2))  # 4·3²
        tensor([36., 36.])
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
    """Return both sides of the game on one batch, for :func:`latent_transfer.fit`.

    The loss leaves the generator's moving average alone: call ``model.update_average`` after each
    step, as :func:`latent_transfer.training.fit_gan` does.

    Args:
        model: The GAN.
        batch: Images B×C×H×W of the data; as many samples are drawn.
        game: ``"non_saturating"`` in nats, or ``"hinge"``.
        penalty: Weight γ ≥ 0 of :func:`gradient_penalty` / 2 (Mescheder et al. 2018).

    Returns:
        ``loss``; its terms ``discriminator`` and ``generator``, and ``penalty`` if it has a weight.

    Raises:
        ValueError: If the game is unknown, the penalty negative, or the batch empty or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_gan
        >>> from latent_transfer.objectives import adversarial_loss
        >>> sorted(adversarial_loss(mlp_gan((1, 4, 4), (8,), 2), torch.rand(6, 1, 4, 4)))
        ['discriminator', 'generator', 'loss']
    """
    require_between("penalty", penalty)
    images = checked(batch).images
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
    """Return λ·L_GAN + (1 − λ)·L_rec for encoder and decoder, plus the discriminator's own loss.

    L_rec is a sum over pixels (or features) and L_GAN is not, so λ = 1/2 does not mean "half and
    half"; compare the two terms before you choose λ.

    Equation: eq-adversarial-reconstruction (after Larsen et al. 2016).

    Args:
        model: Its reconstructions take the place of a GAN's samples.
        batch: Images B×C×H×W.
        adversarial_weight: λ in [0, 1].
        features: A frozen net; if given, L_rec compares its outputs for image and reconstruction
            instead of their pixels.
        game: As for :func:`adversarial_loss`.

    Returns:
        ``loss``; its terms ``discriminator``, ``generator`` and ``reconstruction``.

    Raises:
        ValueError: If λ lies outside [0, 1], the game is unknown, or the batch is empty or of
            integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import feature_autoencoder
        >>> from latent_transfer.nets import small_vgg_features
        >>> from latent_transfer.objectives import adversarial_reconstruction_loss
        >>> model = feature_autoencoder(small_vgg_features((4,)), (3, 8, 8), 4, channels=(4, 8))
        >>> images = torch.rand(2, 3, 8, 8)
        >>> sorted(adversarial_reconstruction_loss(model, images, adversarial_weight=0.1))
        ['discriminator', 'generator', 'loss', 'reconstruction']
    """
    require_between("adversarial_weight", adversarial_weight, high=1)
    images = checked(batch).images
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
    # One pass for both: the discriminator judges each image on its own.
    scores = model.discriminate(torch.cat([images, fakes.detach()])).chunk(2)
    fixed = {name: weight.detach() for name, weight in model.discriminator.named_parameters()}
    judged = functional_call(model.discriminator, fixed, (fakes,)).squeeze(-1)
    if game == "hinge":
        discriminator, generator = hinge_loss(*scores), -judged
    else:
        discriminator, generator = discriminator_loss(*scores), generator_loss(judged)
    return {"discriminator": discriminator.mean(), "generator": generator.mean()}
