"""The game of generator and discriminator against autograd, closed forms and the best opponent."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latent_transfer.data import ImageSet
from latent_transfer.models import GAN, conv_gan, feature_autoencoder, mlp_gan
from latent_transfer.nets import small_vgg_features
from latent_transfer.objectives import (
    adversarial_loss,
    adversarial_reconstruction_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    hinge_loss,
)
from latent_transfer.training import fit_gan

SCORES = torch.linspace(-8, 8, 9, dtype=torch.float64)


@pytest.mark.equation("eq-discriminator-loss")
def test_discriminator_loss_is_the_cross_entropy_of_data_and_samples() -> None:
    real, fake = SCORES, SCORES.flip(0) + 1
    expected = F.binary_cross_entropy_with_logits(
        torch.stack([real, fake]),
        torch.tensor([[1.0], [0.0]], dtype=torch.float64).expand(2, 9),
        reduction="none",
    ).sum(0)
    torch.testing.assert_close(discriminator_loss(real, fake), expected)


@pytest.mark.equation("eq-discriminator-loss")
def test_the_best_discriminator_measures_the_jensen_shannon_divergence() -> None:
    data = torch.tensor([0.5, 0.3, 0.2, 0.0], dtype=torch.float64)
    model = torch.tensor([0.1, 0.3, 0.4, 0.2], dtype=torch.float64)
    best = (data / model).log().clamp(-40, 40)  # log p(x) / p̃(x)
    value = (data * discriminator_loss(best, torch.full_like(best, -40))).sum()
    value += (model * discriminator_loss(torch.full_like(best, 40), best)).sum()
    middle = (data + model) / 2
    divergence = 0.5 * sum(torch.xlogy(p, p / middle).sum().item() for p in (data, model))
    assert value.item() == pytest.approx(2 * log(2) - 2 * divergence, abs=1e-9)


@pytest.mark.equation("eq-non-saturating")
def test_generator_loss_is_steep_where_the_minimax_loss_is_flat() -> None:
    scores = SCORES.clone().requires_grad_()
    (steep,) = torch.autograd.grad(generator_loss(scores).sum(), scores)
    torch.testing.assert_close(steep, torch.sigmoid(SCORES) - 1)
    minimax = torch.log1p(-torch.sigmoid(scores))
    (flat,) = torch.autograd.grad(minimax.sum(), scores)
    assert steep[0].abs() > 0.999
    assert flat[0].abs() < 0.001


@pytest.mark.equation("eq-hinge")
def test_hinge_loss_by_hand() -> None:
    real, fake = torch.tensor([2.0, 1.0, 0.0, -1.0]), torch.tensor([-3.0, 0.0, 0.5, -1.0])
    assert hinge_loss(real, fake).tolist() == [0.0, 1.0, 2.5, 2.0]


@pytest.mark.equation("eq-gradient-penalty")
def test_gradient_penalty_of_a_quadratic_score() -> None:
    images = torch.rand(5, 1, 3, 3, dtype=torch.float64)
    weights = torch.rand(1, 3, 3, dtype=torch.float64)

    def score(points: torch.Tensor) -> torch.Tensor:
        return (weights * points.square()).flatten(1).sum(-1)

    expected = (2 * weights * images).square().flatten(1).sum(-1)
    torch.testing.assert_close(gradient_penalty(score, images), expected)


@pytest.mark.equation("eq-gradient-penalty")
def test_gradient_penalty_against_finite_differences_of_a_net() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    image = torch.rand(1, 1, 2, 2, dtype=torch.float64)
    step, slopes = 1e-5, []
    for direction in torch.eye(4, dtype=torch.float64).view(4, 1, 1, 2, 2):
        rise = net(image + step * direction) - net(image - step * direction)
        slopes.append(rise.item() / (2 * step))
    penalty = gradient_penalty(lambda points: net(points).squeeze(-1), image)
    assert penalty.item() == pytest.approx(sum(slope**2 for slope in slopes), rel=1e-6)
    penalty.sum().backward()
    assert net[1].weight.grad is not None  # it can be trained on


def test_each_side_gets_its_own_gradient_and_no_other() -> None:
    torch.manual_seed(0)
    gan = mlp_gan((1, 4, 4), (8,), 3)
    images = torch.rand(6, 1, 4, 4)

    def gradients(value: torch.Tensor, net: nn.Module) -> list[torch.Tensor | None]:
        return list(torch.autograd.grad(value, list(net.parameters()), allow_unused=True))

    terms = adversarial_loss(gan, images)
    assert set(gradients(terms["generator"], gan.discriminator)) == {None}
    terms = adversarial_loss(gan, images)
    assert set(gradients(terms["discriminator"], gan.generator)) == {None}
    torch.manual_seed(1)
    together = gradients(adversarial_loss(gan, images)["loss"], gan.generator)
    torch.manual_seed(1)
    apart = gradients(generator_loss(gan.discriminate(gan.sample(6))).mean(), gan.generator)
    assert all(torch.allclose(a, b) for a, b in zip(together, apart, strict=True))


@pytest.mark.parametrize("game", ["non_saturating", "hinge"])
def test_loss_is_the_sum_of_its_terms(game: str) -> None:
    gan = conv_gan((1, 8, 8), (4, 8), 3)
    terms = adversarial_loss(gan, torch.rand(6, 1, 8, 8), game=game, penalty=3.0)
    expected = terms["discriminator"] + terms["generator"] + 1.5 * terms["penalty"]
    torch.testing.assert_close(terms["loss"], expected)


def test_an_unknown_game_is_refused() -> None:
    with pytest.raises(ValueError, match="game must be 'non_saturating' or 'hinge', not 'chess'"):
        adversarial_loss(mlp_gan((1, 2, 2)), torch.rand(2, 1, 2, 2), game="chess")  # type: ignore[arg-type]


@pytest.mark.equation("eq-moving-average")
def test_moving_average_takes_in_the_weights_of_every_step() -> None:
    gan = mlp_gan((1, 2, 2), (3,), 2, averaging=0.9)
    weight = gan.generator.layers[0].weight
    expected = None
    for value in (1.0, 2.0, 5.0):
        weight.data.fill_(value)
        gan.update_average()
        expected = value if expected is None else 0.9 * expected + 0.1 * value
    averaged = gan.average.module.layers[0].weight
    torch.testing.assert_close(averaged, torch.full_like(averaged, expected))
    assert not averaged.requires_grad


def test_moving_average_moves_in_training_only() -> None:
    gan: GAN = mlp_gan((1, 2, 2), (3,), 2)
    adversarial_loss(gan.train(), torch.rand(2, 1, 2, 2))
    assert gan.average.n_averaged == 0  # a loss moves nothing
    images = ImageSet.from_pixels(torch.rand(6, 1, 2, 2), torch.zeros(6).long(), ("any",))
    fit_gan(gan, images, epochs=2, batch_size=2, progress=False)
    assert gan.average.n_averaged == 6


@pytest.mark.equation("eq-adversarial-reconstruction")
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_adversarial_reconstruction_mixes_its_two_terms(weight: float) -> None:
    torch.manual_seed(0)
    model = feature_autoencoder(small_vgg_features((4,)), (3, 8, 8), 4, channels=(4, 8)).eval()
    images = torch.rand(3, 3, 8, 8)
    terms = adversarial_reconstruction_loss(model, images, adversarial_weight=weight)
    rebuilt = model.reconstruct(images)
    reconstruction = (rebuilt - images).square().sum((1, 2, 3)).mean()
    generator = -F.logsigmoid(model.discriminate(rebuilt)).mean()
    discriminator = discriminator_loss(model.discriminate(images), model.discriminate(rebuilt))
    expected = discriminator.mean() + weight * generator + (1 - weight) * reconstruction
    torch.testing.assert_close(terms["loss"], expected)


def test_reconstruction_may_be_judged_in_feature_space() -> None:
    torch.manual_seed(0)
    features = small_vgg_features((4,))
    model = feature_autoencoder(features, (3, 8, 8), 4, channels=(4, 8)).eval()
    images = torch.rand(3, 3, 8, 8)
    terms = adversarial_reconstruction_loss(
        model, images, adversarial_weight=0.5, features=features
    )
    gap = features(model.reconstruct(images)) - features(images)
    torch.testing.assert_close(terms["reconstruction"], gap.square().sum((1, 2, 3)).mean())


def test_a_weight_out_of_range_is_refused() -> None:
    model = feature_autoencoder(small_vgg_features((4,)), (3, 8, 8), 4, channels=(4, 8))
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], but is 1.5"):
        adversarial_reconstruction_loss(model, torch.rand(2, 3, 8, 8), adversarial_weight=1.5)
