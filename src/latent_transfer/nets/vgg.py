"""The convolutions of a VGG-style image classifier: what other nets may build on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from latent_transfer import _torchvision
from latent_transfer.nets import weights
from latent_transfer.nets.initialisation import he_initialise
from latent_transfer.nets.pretrained import load_weights
from latent_transfer.nets.recipes import remembers
from latent_transfer.nets.shapes import spell

#: Mean and standard deviation of ImageNet's pixels, with which torchvision's classifiers learnt.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Where each of VGG19's five blocks ends in torchvision's list of layers, pooling included.
VGG19_ENDS = (5, 10, 19, 28, 37)


@remembers
class VGGFeatures(nn.Module):
    """Images to feature maps by blocks of 3×3 convolutions, each block ended by a pooling.

    Args:
        layers: Normalised colour images to feature maps.
        channels: F, of the feature maps.
        mean: Of the pixels of each channel; taken off first.
        std: Of the pixels of each channel; divided by.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from latent_transfer.nets import VGGFeatures
        >>> layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        >>> VGGFeatures(layers, channels=8)(torch.rand(5, 1, 16, 16)).shape  # grey serves too
        torch.Size([5, 8, 8, 8])
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        layers: nn.Module,
        channels: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.layers, self.channels = layers, channels
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B×C×H×W in [0, 1] to feature maps B×F×h×w; a grey channel serves as all three.

        Raises:
            ValueError: For anything else than a batch of images, such as a batch of noise vectors.
        """
        # A matrix would be taken for one large colour image, by the shapes that broadcasting makes.
        if images.dim() != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                "An image classifier takes batches of images, B×1×H×W or B×3×H×W, "
                f"not a tensor of shape {spell(tuple(images.shape))}."
            )
        maps: torch.Tensor = self.layers((images - self.mean) / self.std)
        return maps


@remembers
def small_vgg_features(widths: Sequence[int] = (32, 64)) -> VGGFeatures:
    """Make a small VGG for a source domain of your own, to be used as :func:`vgg19_features` is.

    Each block has two convolutions and halves height and width; it starts from He's weights.
    To train it, put a head on it: ``Classifier(nn.Sequential(features, nn.Flatten()), …)``.

    Args:
        widths: Channels of each block.

    Example:
        >>> import torch
        >>> from latent_transfer.nets import small_vgg_features
        >>> small_vgg_features((4, 8))(torch.rand(5, 3, 16, 16)).shape
        torch.Size([5, 8, 4, 4])
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((3, *widths)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return he_initialise(VGGFeatures(nn.Sequential(*layers), widths[-1]))


def vgg19_features(
    blocks: int = 2, file: str | Path | None = None, root: str | Path | None = None
) -> VGGFeatures:
    """Load the first blocks of VGG19 with its ImageNet weights (Simonyan & Zisserman 2015).

    Args:
        blocks: 1 to 5; each halves height and width and has 64, 128, 256, 512, 512 channels.
        file: A safetensors file with torchvision's names, ``features.0.weight`` and so on;
            without one, the published file is looked for under the data root and downloaded
            there (575 MB) if it is missing.
        root: The data root, as for :func:`latent_transfer.data.load`.

    Raises:
        ValueError: If there is no such number of blocks.
        DataError: If the file is missing and cannot be downloaded, or holds other weights.

    Example:
        >>> from latent_transfer.nets import vgg19_features
        >>> vgg19_features(blocks=2)(images).shape  # doctest: +SKIP
        torch.Size([5, 128, 8, 8])
    """
    if not 1 <= blocks <= len(VGG19_ENDS):
        raise ValueError(f"VGG19 has 1 to {len(VGG19_ENDS)} blocks, not {blocks}.")
    path = Path(file) if file is not None else weights.fetch("vgg19", root)
    published = _torchvision.load("torchvision.models")
    with torch.device("meta"):  # no weights yet: the unused classifier alone has 120 million
        net = published.vgg19(weights=None, init_weights=False)
    layers = net.features[: VGG19_ENDS[blocks - 1]]
    load_weights(layers, path, prefix="features.")
    last = [layer for layer in layers if isinstance(layer, nn.Conv2d)][-1]
    return VGGFeatures(layers.eval(), last.out_channels)
