"""Equations as functions, one each, in nats per image.

Functions of tensors return one value per image (shape B): nothing is averaged behind your back.
Functions that take a *model* and a batch are losses. They return a dictionary of batch means,
whose ``"loss"`` is minimised and whose other entries are the terms it is made of. A loss changes
nothing: neither weights nor averages nor the model's mode.
"""

from latent_transfer.objectives.adversarial import (
    adversarial_loss,
    adversarial_reconstruction_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    hinge_loss,
)
from latent_transfer.objectives.classification import classification_loss, cross_entropy
from latent_transfer.objectives.clustering import (
    best_log_responsibilities,
    component_kl,
    mixture_kl,
    negative_vade_elbo,
)
from latent_transfer.objectives.distillation import (
    bernoulli_divergence,
    decoder_divergence,
    distillation_divergence,
    distillation_loss,
    feature_distance,
    logit_matching,
    posterior_divergence,
    similarity_distance,
    smoothed_labels,
    soft_cross_entropy,
    soft_targets,
)
from latent_transfer.objectives.gradients import pathwise_gradients, score_function_gradients
from latent_transfer.objectives.likelihood import negative_log_density
from latent_transfer.objectives.multimodal import multimodal_bound, multimodal_loss
from latent_transfer.objectives.reconstruction import Terms, reconstruction_loss, squared_error
from latent_transfer.objectives.semi_supervised import (
    labelled_bound,
    semi_supervised_loss,
    unlabelled_bound,
)
from latent_transfer.objectives.sparsity import (
    kl_sparsity,
    l1_sparsity,
    sparse_reconstruction_loss,
    squared_l1_sparsity,
)
from latent_transfer.objectives.variational import (
    elbo,
    free_bits_kl,
    gaussian_divergence,
    gaussian_kl,
    gaussian_kl_per_dimension,
    importance_weighted_bound,
    log_importance_weights,
    negative_elbo,
    negative_importance_weighted_bound,
)

__all__ = [
    "Terms",
    "adversarial_loss",
    "adversarial_reconstruction_loss",
    "bernoulli_divergence",
    "best_log_responsibilities",
    "classification_loss",
    "component_kl",
    "cross_entropy",
    "decoder_divergence",
    "discriminator_loss",
    "distillation_divergence",
    "distillation_loss",
    "elbo",
    "feature_distance",
    "free_bits_kl",
    "gaussian_divergence",
    "gaussian_kl",
    "gaussian_kl_per_dimension",
    "generator_loss",
    "gradient_penalty",
    "hinge_loss",
    "importance_weighted_bound",
    "kl_sparsity",
    "l1_sparsity",
    "labelled_bound",
    "log_importance_weights",
    "logit_matching",
    "mixture_kl",
    "multimodal_bound",
    "multimodal_loss",
    "negative_elbo",
    "negative_importance_weighted_bound",
    "negative_log_density",
    "negative_vade_elbo",
    "pathwise_gradients",
    "posterior_divergence",
    "reconstruction_loss",
    "score_function_gradients",
    "semi_supervised_loss",
    "similarity_distance",
    "smoothed_labels",
    "soft_cross_entropy",
    "soft_targets",
    "sparse_reconstruction_loss",
    "squared_error",
    "squared_l1_sparsity",
    "unlabelled_bound",
]
