"""Models hold parameters and probabilistic pieces; they know no loss, no data, no optimiser."""

from latent_transfer.models.autoencoders import (
    Autoencoder,
    conv_autoencoder,
    mlp_autoencoder,
    sparse_autoencoder,
)
from latent_transfer.models.classifiers import Classifier, mlp_classifier
from latent_transfer.models.likelihoods import (
    BernoulliLikelihood,
    GaussianLikelihood,
    Likelihood,
    PredictedGaussianLikelihood,
)
from latent_transfer.models.semi_supervised import M1M2, M2, mlp_m2, stack_m2
from latent_transfer.models.solvable import DiscreteMixture, LinearGaussian
from latent_transfer.models.vade import VaDE
from latent_transfer.models.vae import VAE, conv_vae, mlp_vae

__all__ = [
    "M1M2",
    "M2",
    "VAE",
    "Autoencoder",
    "BernoulliLikelihood",
    "Classifier",
    "DiscreteMixture",
    "GaussianLikelihood",
    "Likelihood",
    "LinearGaussian",
    "PredictedGaussianLikelihood",
    "VaDE",
    "conv_autoencoder",
    "conv_vae",
    "mlp_autoencoder",
    "mlp_classifier",
    "mlp_m2",
    "mlp_vae",
    "sparse_autoencoder",
    "stack_m2",
]
