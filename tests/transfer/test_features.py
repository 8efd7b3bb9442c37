"""Features are means, codes or layer outputs: no noise, no decoder, all images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.models import Classifier, conv_autoencoder, mlp_vae
from latent_transfer.nets import ConvEncoder
from latent_transfer.transfer import extract_features


@pytest.fixture
def images() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (25, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(25) % 2, ("even", "odd"))


class Broken(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the decoder must not be asked")


def test_a_vae_gives_its_means_without_asking_the_decoder(images: ImageSet) -> None:
    model = mlp_vae((1, 8, 8), (6,), 3)
    model.decoder = Broken()
    features = extract_features(model, images, batch_size=10)
    assert torch.allclose(features, model.posterior(images.pixels()).mean)
    assert torch.equal(features, extract_features(model, images, batch_size=10))
    assert not features.requires_grad


def test_codes_and_what_the_head_sees(images: ImageSet) -> None:
    autoencoder = conv_autoencoder((1, 8, 8), (4,), 5)
    assert extract_features(autoencoder, images).shape == (25, 5)
    classifier = Classifier(ConvEncoder((1, 8, 8), (4,), 6), 2, 3)
    assert torch.allclose(
        extract_features(classifier, images), classifier.encoder(images.pixels())[:, :2]
    )


def test_a_layer_by_name(images: ImageSet) -> None:
    model = conv_autoencoder((1, 8, 8), (4, 7), 5)
    features = extract_features(model, images, "encoder.convolutions.1", batch_size=10)
    first = torch.relu(model.encoder.convolutions[0](images.pixels()))  # type: ignore[union-attr,index,operator]
    assert torch.allclose(features, first.flatten(1))


def test_dropout_is_off(images: ImageSet) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 4)).train()
    features = extract_features(model, images, "2")
    assert torch.allclose(features, model[2](images.pixels().flatten(1)))


def test_errors_name_what_is_missing(images: ImageSet) -> None:
    with pytest.raises(ValueError, match="Linear has no method 'features'"):
        extract_features(nn.Linear(2, 2), images)
    model = conv_autoencoder((1, 8, 8), (4,), 5)
    with pytest.raises(ValueError, match="no part 'middle'"):
        extract_features(model, images, "middle")
    with pytest.raises(ValueError, match="'decoder' is not passed"):
        extract_features(model, images, "decoder")
