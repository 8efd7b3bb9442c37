"""Building blocks: encoders and decoders that check the shape of what they are fed."""

from latent_transfer.nets.conditional import ConditionalMLP
from latent_transfer.nets.constraints import MaxNorm, limit_norms
from latent_transfer.nets.convolutional import ConvDecoder, ConvEncoder
from latent_transfer.nets.initialisation import he_initialise
from latent_transfer.nets.mlp import MLPDecoder, MLPEncoder, fully_connected
from latent_transfer.nets.shapes import Shape

__all__ = [
    "ConditionalMLP",
    "ConvDecoder",
    "ConvEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "MaxNorm",
    "Shape",
    "fully_connected",
    "he_initialise",
    "limit_norms",
]
