"""How good is it? Likelihoods, latents and features, each figure with its uncertainty."""

from latent_transfer.evaluation.estimates import Estimate
from latent_transfer.evaluation.features import few_label_errors, subspace_angle
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
    "encode",
    "energy_distance",
    "evidence_bound",
    "few_label_errors",
    "kl_per_dimension",
    "negative_log_likelihood",
    "reconstruction_error",
    "subspace_angle",
]
