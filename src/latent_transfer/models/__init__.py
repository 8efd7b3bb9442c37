"""Models hold parameters and probabilistic pieces; they know no loss, no data, no optimiser."""

from latent_transfer.models.autoencoders import (
    Autoencoder,
    conv_autoencoder,
    mlp_autoencoder,
    sparse_autoencoder,
)
from latent_transfer.models.classifiers import Classifier
from latent_transfer.models.likelihoods import (
    BernoulliLikelihood,
    GaussianLikelihood,
    Likelihood,
)
from latent_transfer.models.solvable import DiscreteMixture, LinearGaussian
from latent_transfer.models.vae import VAE, conv_vae, mlp_vae

__all__ = [
    "VAE",
    "Autoencoder",
    "BernoulliLikelihood",
    "Classifier",
    "DiscreteMixture",
    "GaussianLikelihood",
    "Likelihood",
    "LinearGaussian",
    "conv_autoencoder",
    "conv_vae",
    "mlp_autoencoder",
    "mlp_vae",
    "sparse_autoencoder",
]
