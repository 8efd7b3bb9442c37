"""Inception's features from a local file of weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from latent_transfer import _torchvision
from latent_transfer.nets import inception_features
from latent_transfer.training import FeatureSpace


def test_features_are_those_below_the_last_layer_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = _torchvision.load("torchvision.models")
    net = published.inception_v3(weights=None, init_weights=False, aux_logits=False).eval()
    file = tmp_path / "inception.safetensors"
    save_file(net.state_dict(), file)
    space = FeatureSpace("Inception v3 of torchvision", inception_features(file))
    grey = torch.rand(1, 1, 299, 299)
    features = space(grey)
    assert features.shape == (1, 2048)
    with torch.no_grad():
        logits = net(2 * grey.expand(-1, 3, -1, -1) - 1)
        torch.testing.assert_close(net.fc(features), logits, rtol=1e-3, atol=1e-4)
    assert space(torch.rand(1, 3, 32, 32)).shape == (1, 2048)
