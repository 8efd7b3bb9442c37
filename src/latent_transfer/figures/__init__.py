"""One function a figure; each returns a matplotlib Figure and draws nothing anywhere else.

White background (readable on a dark page), colours that colour-blind readers can tell apart, one
style for the whole book. The alternative text of a figure stands in its cell's metadata.
"""

from latent_transfer.figures.anomalies_clusters import auroc_by_class
from latent_transfer.figures.autoencoders import label_efficiency, signed_images
from latent_transfer.figures.curves import bars, curves, histograms, history
from latent_transfer.figures.distilling_generative_models import asked_and_seen, task_accuracies
from latent_transfer.figures.elbo import beside_evidence, grey_pixels, jensen, moving_belief
from latent_transfer.figures.generative_families import density_maps
from latent_transfer.figures.images import image_grid, image_rows
from latent_transfer.figures.knowledge_distillation import beliefs, reliability
from latent_transfer.figures.latents import latent_scatter, manifold, traversals
from latent_transfer.figures.reproductions import beside_the_paper
from latent_transfer.figures.semi_supervised import analogies, two_class_means
from latent_transfer.figures.style import COLOURS, new_figure
from latent_transfer.figures.vae import kl_spectrum, rate_distortion, runs
from latent_transfer.figures.when_transfer_helps import (
    by_layers,
    paired_differences,
    score_against_gain,
)

__all__ = [
    "COLOURS",
    "analogies",
    "asked_and_seen",
    "auroc_by_class",
    "bars",
    "beliefs",
    "beside_evidence",
    "beside_the_paper",
    "by_layers",
    "curves",
    "density_maps",
    "grey_pixels",
    "histograms",
    "history",
    "image_grid",
    "image_rows",
    "jensen",
    "kl_spectrum",
    "label_efficiency",
    "latent_scatter",
    "manifold",
    "moving_belief",
    "new_figure",
    "paired_differences",
    "rate_distortion",
    "reliability",
    "runs",
    "score_against_gain",
    "signed_images",
    "task_accuracies",
    "traversals",
    "two_class_means",
]
