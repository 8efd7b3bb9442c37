"""Inception, in whose features generators of photographs are usually judged."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from latent_transfer import _torchvision
from latent_transfer.nets import weights
from latent_transfer.nets.pretrained import load_weights
from latent_transfer.nets.recipes import remembers
from latent_transfer.nets.shapes import spell

SIDE = 299  # of the images that the net was trained on


@remembers
class InceptionFeatures(nn.Module):
    """Images of any size to the 2,048 features below Inception v3's last layer.

    Args:
        net: torchvision's Inception v3, its last layer taken off.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from latent_transfer.nets import InceptionFeatures
        >>> stand_in = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> InceptionFeatures(stand_in)(torch.rand(2, 1, 8, 8)).shape
        torch.Size([2, 3])
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W in [0, 1] to B×2048; a grey channel serves as all three.

        Raises:
            ValueError: For anything else than a batch of grey or colour images.
        """
        if images.dim() != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                "Inception takes batches of images, B×1×H×W or B×3×H×W, "
                f"not a tensor of shape {spell(tuple(images.shape))}."
            )
        colour = images.expand(-1, 3, -1, -1)
        large = F.interpolate(colour, (SIDE, SIDE), mode="bilinear", antialias=True)
        features: torch.Tensor = self.net(2 * large - 1)
        return features


def inception_features(
    file: str | Path | None = None, root: str | Path | None = None
) -> InceptionFeatures:
    """Load Inception v3 with torchvision's ImageNet weights (Szegedy et al. 2016).

    Published FIDs use another port of the same net, so that theirs are not comparable with these.

    Args:
        file: A safetensors file with torchvision's names; without one, the published file is
            looked for under the data root and downloaded there (96 MB) if it is missing.
        root: The data root, as for :func:`latent_transfer.data.load`.

    Raises:
        DataError: If the file is missing and cannot be downloaded, or holds other weights.

    Example:
        >>> from latent_transfer.nets import inception_features
        >>> inception_features()(images).shape  # doctest: +SKIP
        torch.Size([5, 2048])
    """
    path = Path(file) if file is not None else weights.fetch("inception_v3", root)
    published = _torchvision.load("torchvision.models")
    with torch.device("meta"):  # no weights yet
        net = published.inception_v3(weights=None, init_weights=False, aux_logits=False)
    load_weights(net, path)
    net.fc = nn.Identity()
    return InceptionFeatures(net.eval())
