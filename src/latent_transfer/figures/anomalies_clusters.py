"""Figures of the chapter on anomalies, clusters and augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure

from latent_transfer.figures.style import look, new_figure


def auroc_by_class(
    areas: Mapping[str, torch.Tensor], classes: Sequence[str], *, title: str = ""
) -> Figure:
    """Area under the ROC curve for each class left out, one line a method, with the range of runs.

    A dashed line marks one half, where a score tells nothing; below it, it tells the opposite.

    Args:
        areas: Method to K×R areas, one row a class, one column a run.
        classes: Names of the K classes.
        title: Above the axes.
    """
    figure, (axis,) = new_figure(size=(7.2, 4.0))
    axis.axhline(0.5, color="black", linestyle="--", linewidth=0.8)
    for number, (name, rows) in enumerate(areas.items()):
        colour, marker = look(number)
        # Beside one another instead of on one another.
        shift = 0.14 * (number - (len(areas) - 1) / 2)
        places = [place + shift for place in range(len(classes))]
        mean, low, high = rows.mean(1), rows.amin(1), rows.amax(1)
        reach = torch.stack([mean - low, high - mean]).tolist()
        axis.errorbar(
            places, mean.tolist(), yerr=reach, fmt=marker, color=colour, label=name, capsize=2
        )
    axis.set_xticks(range(len(classes)), list(classes))
    axis.set(xlabel="class left out of training", ylabel="AUROC", title=title, ylim=(0, 1.02))
    axis.grid(axis="x", visible=False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure
