"""Inception's features from a local file of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from latent_transfer import _torchvision
from latent_transfer.nets import InceptionFeatures, inception_features
from latent_transfer.training import FeatureSpace


def test_features_are_those_below_the_last_layer_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = _torchvision.load("torchvision.models")
    net = published.inception_v3(weights=None, init_weights=False, aux_logits=False).eval()
    file = tmp_path / "inception.safetensors"
    save_file(net.state_dict(), file)
    judge = inception_features(file)
    assert not any(part.training for part in judge.net.modules())
    space = FeatureSpace("Inception v3 of torchvision", judge)
    grey = torch.rand(1, 1, 299, 299)
    features = space(grey)
    assert features.shape == (1, 2048)
    with torch.no_grad():
        logits = net(2 * grey.expand(-1, 3, -1, -1) - 1)
        torch.testing.assert_close(net.fc(features), logits, rtol=1e-3, atol=1e-4)
    assert space(torch.rand(1, 3, 32, 32)).shape == (1, 2048)


def test_inception_sees_large_colour_images_between_minus_one_and_one() -> None:
    see = InceptionFeatures(torch.nn.Identity())
    for value, seen in ((0.0, -1.0), (0.5, 0.0), (1.0, 1.0)):
        images = see(torch.full((2, 1, 8, 8), value))
        torch.testing.assert_close(images, torch.full((2, 3, 299, 299), seen), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="B×1×H×W or B×3×H×W, not a tensor of shape 2×4×8×8"):
        see(torch.rand(2, 4, 8, 8))


def test_large_images_shrink_without_moire() -> None:
    stripes = torch.arange(900).remainder(2).float().expand(1, 1, 900, 900)
    seen = InceptionFeatures(torch.nn.Identity())(stripes)
    assert seen.abs().max() < 0.3  # grey, not black and white
