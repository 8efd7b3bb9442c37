"""How good is it? Likelihoods, latents and features, each number with its uncertainty."""

from latent_transfer.evaluation.anomaly import (
    anomaly_scores,
    auroc,
    complexity_corrected,
    compressed_length,
    reconstruction_probability,
)
from latent_transfer.evaluation.calibration import agreement, calibration_error
from latent_transfer.evaluation.classification import (
    balanced_error,
    classification_error,
)
from latent_transfer.evaluation.clustering import (
    clustering_accuracy,
    match_clusters,
    normalized_mutual_information,
)
from latent_transfer.evaluation.counts import (
    perplexity,
    unigram,
    unigram_perplexity,
    vae_perplexity,
)
from latent_transfer.evaluation.estimates import Estimate
from latent_transfer.evaluation.features import few_label_errors, linear_probe, subspace_angle
from latent_transfer.evaluation.generators import (
    DensityCoverage,
    PrecisionRecall,
    copying,
    density_coverage,
    frechet_distance,
    kernel_distance,
    nearest,
    precision_recall,
    real_against_real,
)
from latent_transfer.evaluation.latents import active_units, kl_per_dimension
from latent_transfer.evaluation.likelihood import (
    amortisation_gap,
    elbos,
    evidence_bound,
    exact_log_likelihoods,
    exact_negative_log_likelihood,
    log_likelihoods,
    negative_log_likelihood,
    reconstruction_error,
    reconstruction_errors,
)
from latent_transfer.evaluation.samples import energy_distance
from latent_transfer.inference import encode, predict_logits

__all__ = [
    "DensityCoverage",
    "Estimate",
    "PrecisionRecall",
    "active_units",
    "agreement",
    "amortisation_gap",
    "anomaly_scores",
    "auroc",
    "balanced_error",
    "calibration_error",
    "classification_error",
    "clustering_accuracy",
    "complexity_corrected",
    "compressed_length",
    "copying",
    "density_coverage",
    "elbos",
    "encode",
    "energy_distance",
    "evidence_bound",
    "exact_log_likelihoods",
    "exact_negative_log_likelihood",
    "few_label_errors",
    "frechet_distance",
    "kernel_distance",
    "kl_per_dimension",
    "linear_probe",
    "log_likelihoods",
    "match_clusters",
    "nearest",
    "negative_log_likelihood",
    "normalized_mutual_information",
    "perplexity",
    "precision_recall",
    "predict_logits",
    "real_against_real",
    "reconstruction_error",
    "reconstruction_errors",
    "reconstruction_probability",
    "subspace_angle",
    "unigram",
    "unigram_perplexity",
    "vae_perplexity",
]
