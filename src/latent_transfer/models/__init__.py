"""Models hold parameters and probabilistic pieces; they know no loss, no data, no optimiser."""

from latent_transfer.models.adversarial_autoencoder import (
    AdversarialAutoencoder,
    feature_autoencoder,
)
from latent_transfer.models.autoencoders import (
    Autoencoder,
    conv_autoencoder,
    mlp_autoencoder,
    sparse_autoencoder,
)
from latent_transfer.models.classifiers import Classifier, mlp_classifier
from latent_transfer.models.gan import GAN, conv_gan, mlp_gan
from latent_transfer.models.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    GaussianLikelihood,
    Likelihood,
    MultinomialLikelihood,
    PredictedGaussianLikelihood,
)
from latent_transfer.models.nade import NADE
from latent_transfer.models.product_of_experts import (
    MultimodalVAE,
    mlp_multimodal_vae,
    product_of_experts,
)
from latent_transfer.models.protocols import (
    Encodes,
    Generates,
    HasDensity,
    HasPosterior,
    HasPrior,
    Reconstructs,
    log_joint,
    log_prior,
    posterior_of,
    require,
)
from latent_transfer.models.saving import load, save
from latent_transfer.models.semi_supervised import M1M2, M2, mlp_m2, stack_m2
from latent_transfer.models.solvable import DiscreteMixture, LinearGaussian
from latent_transfer.models.vade import VaDE
from latent_transfer.models.vae import VAE, conv_vae, mlp_vae

__all__ = [
    "GAN",
    "M1M2",
    "M2",
    "NADE",
    "VAE",
    "AdversarialAutoencoder",
    "Autoencoder",
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "Classifier",
    "DiscreteMixture",
    "Encodes",
    "GaussianLikelihood",
    "Generates",
    "HasDensity",
    "HasPosterior",
    "HasPrior",
    "Likelihood",
    "LinearGaussian",
    "MultimodalVAE",
    "MultinomialLikelihood",
    "PredictedGaussianLikelihood",
    "Reconstructs",
    "VaDE",
    "conv_autoencoder",
    "conv_gan",
    "conv_vae",
    "feature_autoencoder",
    "load",
    "log_joint",
    "log_prior",
    "mlp_autoencoder",
    "mlp_classifier",
    "mlp_gan",
    "mlp_m2",
    "mlp_multimodal_vae",
    "mlp_vae",
    "posterior_of",
    "product_of_experts",
    "require",
    "save",
    "sparse_autoencoder",
    "stack_m2",
]
