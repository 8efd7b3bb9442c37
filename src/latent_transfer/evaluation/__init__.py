"""How good is it? Likelihoods, latents and features, each figure with its uncertainty."""

from latent_transfer.evaluation.classification import (
    balanced_error,
    classification_error,
    predict_logits,
)
from latent_transfer.evaluation.estimates import Estimate
from latent_transfer.evaluation.features import few_label_errors, linear_probe, subspace_angle
from latent_transfer.evaluation.latents import active_units, encode, kl_per_dimension
from latent_transfer.evaluation.likelihood import (
    amortisation_gap,
    evidence_bound,
    negative_log_likelihood,
    reconstruction_error,
)
from latent_transfer.evaluation.samples import energy_distance

__all__ = [
    "Estimate",
    "active_units",
    "amortisation_gap",
    "balanced_error",
    "classification_error",
    "encode",
    "energy_distance",
    "evidence_bound",
    "few_label_errors",
    "kl_per_dimension",
    "linear_probe",
    "negative_log_likelihood",
    "predict_logits",
    "reconstruction_error",
    "subspace_angle",
]
