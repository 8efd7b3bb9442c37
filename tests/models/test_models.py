"""Models are assembled as the book draws them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer import models
from latent_transfer.nets import Shape


def _widths(net: nn.Module) -> list[int]:
    linears = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    return [linears[0].in_features, *(layer.out_features for layer in linears)]


def test_the_deep_autoencoder_has_the_widths_of_the_book() -> None:
    model = models.mlp_autoencoder()
    assert _widths(model.encoder) == [784, 128, 64, 32, 16, 8]
    assert _widths(model.decoder) == [8, 16, 32, 64, 128, 784]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 28, 28), (1, 32, 32)])
def test_the_convolutional_autoencoder_has_four_layers_and_a_128_d_code(shape: Shape) -> None:
    model = models.conv_autoencoder(shape)
    convolutions = [m for m in model.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [32, 64, 128, 256]
    images = torch.rand(2, *shape)
    assert model.encode(images).shape == (2, 128)
    assert model(images).shape == images.shape


def test_reconstructions_lie_in_pixel_range_and_logits_do_not() -> None:
    torch.manual_seed(0)
    model, images = models.mlp_autoencoder(hidden=()), torch.rand(20, 1, 28, 28)
    pixels = model.reconstruct(images)
    assert 0 <= pixels.min() < pixels.max() <= 1
    torch.testing.assert_close(pixels, torch.sigmoid(model(images)))


def test_the_sparse_autoencoder_is_wide_and_its_activations_are_bounded() -> None:
    codes = models.sparse_autoencoder(code_size=300).encode(torch.rand(4, 1, 28, 28))
    assert codes.shape == (4, 300)
    assert 0 < codes.min() < codes.max() < 1


def test_the_features_of_a_sparse_autoencoder_can_be_kept_at_unit_length() -> None:
    model = models.sparse_autoencoder(code_size=9, unit_features=True)
    dictionary = model.get_submodule("decoder.layers.0")
    (10 * model(torch.rand(4, 1, 28, 28)).sum()).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
    torch.testing.assert_close(dictionary.weight.norm(dim=0), torch.ones(9))


@pytest.mark.parametrize("make", [models.mlp_vae, models.conv_vae])
def test_a_vae_encodes_decodes_and_generates(make: type[models.VAE]) -> None:
    vae, images = make(latent_size=6), torch.rand(3, 1, 28, 28)
    belief = vae.posterior(images)
    assert belief.mean.shape == belief.log_variance.shape == (3, 6)
    assert vae.log_likelihood(images, belief.rsample(5)).shape == (5, 3)
    assert vae.log_joint(images, belief.rsample()).shape == (3,)
    assert vae.reconstruct(images).shape == images.shape
    samples = vae.generate(4, torch.Generator().manual_seed(0))
    assert samples.shape == (4, 1, 28, 28)
    assert torch.equal(samples, vae.generate(4, torch.Generator().manual_seed(0)))


def test_the_posterior_needs_no_decoder_and_no_noise() -> None:
    vae, images = models.mlp_vae(hidden=(20,), latent_size=3), torch.rand(3, 1, 28, 28)
    state = torch.get_rng_state()
    with torch.no_grad():
        before = vae.posterior(images)
        for parameter in vae.decoder.parameters():
            parameter.fill_(torch.nan)
        after = vae.posterior(images)
    assert torch.equal(before.mean, after.mean)
    assert torch.equal(torch.get_rng_state(), state)


def test_log_joint_is_likelihood_plus_prior() -> None:
    vae, images, latents = (
        models.mlp_vae((1, 4, 4), (8,), 2),
        torch.rand(5, 1, 4, 4),
        torch.randn(5, 2),
    )
    prior = torch.distributions.Normal(0, 1).log_prob(latents).sum(-1)
    expected = vae.log_likelihood(images, latents) + prior
    torch.testing.assert_close(vae.log_joint(images, latents), expected)


@pytest.mark.parametrize("learned", [True, False])
def test_the_gaussian_likelihood_agrees_with_torch(learned: bool) -> None:
    likelihood = models.GaussianLikelihood(0.3, learned=learned)
    output, images = torch.randn(2, 5, 1, 4, 4), torch.rand(5, 1, 4, 4)
    expected = torch.distributions.Normal(output, 0.3).log_prob(images).sum((-3, -2, -1))
    torch.testing.assert_close(likelihood.log_density(output, images), expected)
    assert likelihood.log_variance.requires_grad is learned


def test_a_standard_deviation_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"must be positive, not -1\.0"):
        models.GaussianLikelihood(-1.0)
    with pytest.raises(ValueError, match="noise_std must be positive"):
        models.LinearGaussian(torch.randn(3, 1), torch.zeros(3), 0.0)


def test_a_classifier_sees_the_first_outputs_of_its_encoder() -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 6))
    model = models.Classifier(encoder, 2, 3, hidden=(5,))
    images = torch.rand(4, 1, 4, 4)
    assert torch.equal(model.features(images), encoder(images)[:, :2])
    assert _widths(model.head) == [2, 5, 3]
    assert model(images).shape == (4, 3)


def test_features_are_means_and_codes() -> None:
    images = torch.rand(4, 1, 28, 28)
    vae, autoencoder = models.mlp_vae(), models.mlp_autoencoder()
    assert torch.equal(vae.features(images), vae.posterior(images).mean)
    assert torch.equal(autoencoder.features(images), autoencoder.encode(images))


def test_mlp_classifier_drops_units_in_training_only() -> None:
    model = models.mlp_classifier((1, 4, 4), 3, (8, 6), dropout=0.5, input_dropout=0.5)
    images = torch.rand(2, 1, 4, 4)
    assert model(images).shape == (2, 3)
    assert model.features(images).shape == (2, 6)
    model.train()
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


def test_mlp_classifier_limits_the_norms_of_hidden_units_only() -> None:
    model = models.mlp_classifier((1, 4, 4), 3, (8, 6), max_norm=0.1)
    hidden = [layer for layer in model.encoder.modules() if isinstance(layer, torch.nn.Linear)]
    assert [len(layer.weight) for layer in hidden] == [8, 6]
    assert all(layer.weight.norm(dim=1).max() < 0.1 + 1e-6 for layer in hidden)
    assert model.head[0].weight.norm(dim=1).max() > 0.1
