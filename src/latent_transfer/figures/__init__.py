"""Figures in one style: each function returns a matplotlib Figure and draws nothing elsewhere.

White background (readable on a dark page), colours that colour-blind readers can tell apart, one
style for the whole book. The modules are named by what they draw: curves, bars, points with
intervals, images, latent spaces, tables and bounds. The alternative text of a figure stands in
the metadata of its cell.
"""

from latent_transfer.figures.bars import bars, histograms, kl_spectrum
from latent_transfer.figures.bounds import beside_evidence, grey_pixels, jensen, moving_belief
from latent_transfer.figures.curves import (
    by_layers,
    curves,
    history,
    label_efficiency,
    rate_distortion,
    reliability,
)
from latent_transfer.figures.images import (
    analogies,
    asked_and_seen,
    beliefs,
    image_grid,
    image_rows,
    signed_images,
)
from latent_transfer.figures.intervals import (
    auroc_by_class,
    beside_the_paper,
    paired_differences,
    score_against_gain,
)
from latent_transfer.figures.latents import (
    latent_scatter,
    manifold,
    runs,
    traversals,
    two_class_means,
)
from latent_transfer.figures.style import COLOURS, new_figure
from latent_transfer.figures.tables import density_maps, task_accuracies

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
