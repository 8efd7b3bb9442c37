"""GANs and the adversarial autoencoder: shapes, the average, the prior over codes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from latent_transfer.models import conv_gan, feature_autoencoder, mlp_gan
from latent_transfer.nets import Shape, small_vgg_features

SHAPES: list[Shape] = [(1, 28, 28), (3, 32, 32), (1, 14, 14)]


@pytest.mark.parametrize("shape", SHAPES)
def test_generator_and_discriminator_fit_each_other(shape: Shape) -> None:
    for gan in (conv_gan(shape, (4, 8), 5), mlp_gan(shape, (8,), 5)):
        images = gan.sample(3)
        assert images.shape == (3, *shape)
        assert 0 <= images.min() <= images.max() <= 1
        assert gan.discriminate(images).shape == (3,)


def test_rows_of_a_table_have_no_bounds() -> None:
    gan = mlp_gan((2, 1, 1), (8,), 4, output=nn.Identity())
    nn.init.constant_(gan.generator.layers[-1].bias, 7.0)
    assert gan.sample(5).min() > 1


def test_the_same_seed_generates_the_same_images_by_the_average() -> None:
    gan = conv_gan((1, 8, 8), (4,), 3).eval()
    first, second = (gan.generate(4, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    before = first.clone()
    nn.init.zeros_(gan.generator.head[0].weight)  # the net that learns is not the one that draws
    assert torch.equal(gan.generate(4, torch.Generator().manual_seed(1)), before)


def test_a_decay_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lies in \[0, 1\), not at 1.0"):
        mlp_gan((1, 2, 2), averaging=1.0)


def test_the_discriminator_is_not_steep() -> None:
    torch.manual_seed(0)
    gan = conv_gan((1, 8, 8), (4, 8), 3).train()
    for _ in range(50):  # the power iteration converges
        gan.discriminate(torch.rand(2, 1, 8, 8))
    gan.eval()
    for layer in (*gan.discriminator.convolutions[::2], gan.discriminator.head):
        largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
        assert largest.item() == pytest.approx(1, abs=0.01)


def test_frozen_features_code_and_image_have_the_sizes_of_the_recipe() -> None:
    model = feature_autoencoder(small_vgg_features((8, 16)), (3, 32, 32), 256)
    images = torch.rand(2, 3, 32, 32)
    assert model.encode(images).shape == (2, 256 * 8 * 8)
    assert model.reconstruct(images).shape == images.shape
    assert model.discriminate(images).shape == (2,)
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"encoder", "decoder", "discriminator"}
    assert not any(parameter.requires_grad for parameter in model.encoder[0].parameters())


def test_grey_images_and_odd_sizes() -> None:
    model = feature_autoencoder(small_vgg_features((4,)), (1, 28, 28), 4)
    assert model.reconstruct(torch.rand(2, 1, 28, 28)).shape == (2, 1, 28, 28)
    with pytest.raises(ValueError, match="must be multiples of 4, not 30 and 30"):
        feature_autoencoder(small_vgg_features((4,)), (3, 30, 30))


def test_the_prior_has_the_mean_and_the_covariance_of_the_codes() -> None:
    torch.manual_seed(0)
    model = feature_autoencoder(small_vgg_features((4,)), (1, 8, 8), 2, channels=(4, 8)).eval()
    images = torch.rand(6, 1, 8, 8)
    model.fit_prior(images)
    codes = model.encode(images).detach()
    factors = model.code_factors
    torch.testing.assert_close(factors.T @ factors, codes.T.cov(), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(model.code_mean, codes.mean(0))
    generated = model.generate(3, torch.Generator().manual_seed(0))
    assert generated.shape == (3, 1, 8, 8)
    assert generated.std(0).max() > 0


def test_without_a_prior_an_autoencoder_makes_no_image() -> None:
    model = feature_autoencoder(small_vgg_features((4,)), (1, 8, 8), 2)
    with pytest.raises(ValueError, match="has no prior of its own: call fit_prior"):
        model.generate(2)
    with pytest.raises(ValueError, match="codes of at least two images"):
        model.fit_prior(torch.rand(1, 1, 8, 8))


def test_the_average_takes_in_the_statistics_of_the_batch_norms() -> None:
    gan = conv_gan((1, 8, 8), (4,), 3, averaging=0.75)
    norm = next(part for part in gan.generator.modules() if isinstance(part, nn.BatchNorm2d))
    for value in (1.0, 5.0):
        nn.init.constant_(norm.running_mean, value)
        gan.update_average()  # the first takes the weights as they are
    averaged = next(part for part in gan.average.modules() if isinstance(part, nn.BatchNorm2d))
    torch.testing.assert_close(averaged.running_mean, torch.full((4,), 0.75 * 1 + 0.25 * 5))


def test_the_layers_of_the_convolutional_gan_follow_its_papers() -> None:
    gan = conv_gan((1, 8, 8), (4, 8), 3)
    upwards = [part for part in gan.generator.modules() if isinstance(part, nn.ConvTranspose2d)]
    assert [part.kernel_size for part in upwards] == [(4, 4), (4, 4)]
    slopes = [
        part.negative_slope
        for part in gan.discriminator.modules()
        if isinstance(part, nn.LeakyReLU)
    ]
    assert slopes == [0.2, 0.2]


def test_the_discriminator_of_reconstructions_is_normalised_too() -> None:
    model = feature_autoencoder(small_vgg_features((4,)), (1, 8, 8), 2, channels=(4, 8))
    layers = [*model.discriminator.convolutions[::2], model.discriminator.head]
    assert all(parametrize.is_parametrized(layer, "weight") for layer in layers)
