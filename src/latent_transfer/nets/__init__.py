"""Building blocks: encoders and decoders that check the shape of what they are fed."""

from latent_transfer.nets.conditional import ConditionalMLP
from latent_transfer.nets.constraints import limit_norms, normalise_spectra
from latent_transfer.nets.convolutional import ConvDecoder, ConvEncoder
from latent_transfer.nets.inception import InceptionFeatures, inception_features
from latent_transfer.nets.initialisation import he_initialise
from latent_transfer.nets.mlp import MLPDecoder, MLPEncoder, fully_connected
from latent_transfer.nets.parts import device_of, dtype_of, find_part
from latent_transfer.nets.shapes import Shape
from latent_transfer.nets.vgg import VGGFeatures, small_vgg_features, vgg19_features

__all__ = [
    "ConditionalMLP",
    "ConvDecoder",
    "ConvEncoder",
    "InceptionFeatures",
    "MLPDecoder",
    "MLPEncoder",
    "Shape",
    "VGGFeatures",
    "device_of",
    "dtype_of",
    "find_part",
    "fully_connected",
    "he_initialise",
    "inception_features",
    "limit_norms",
    "normalise_spectra",
    "small_vgg_features",
    "vgg19_features",
]
