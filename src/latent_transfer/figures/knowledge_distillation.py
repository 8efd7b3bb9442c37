"""Figures of the chapter on knowledge distillation: beliefs, and whether they can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure

from latent_transfer.figures.images import show_image
from latent_transfer.figures.style import look, new_figure


def beliefs(
    images: torch.Tensor,
    believed: Mapping[str, torch.Tensor],
    classes: Sequence[str],
    *,
    size: float = 1.6,
) -> Figure:
    """One column an image: the image above, what is believed about it below, as bars by class.

    Args:
        images: B×C×H×W in [0, 1].
        believed: Name, of a temperature say, to B×K probabilities; one row of panels a name.
        classes: K names, under the bars.
        size: Inches a column.
    """
    columns, rows = len(images), 1 + len(believed)
    figure, axes = new_figure(
        rows, columns, size=(size * columns + 0.6, 1.25 * rows), sharey="row", sharex="row"
    )
    for axis, image in zip(axes, images, strict=False):
        axis.set_axis_off()
        show_image(axis, image)
    for row, (name, table) in enumerate(believed.items(), start=1):
        panels = axes[row * columns : (row + 1) * columns]
        for axis, belief in zip(panels, table, strict=True):
            axis.bar(range(len(classes)), belief.tolist(), color=look(row - 1)[0])
            axis.set_xticks(range(len(classes)), classes, fontsize=7)
            axis.tick_params(axis="y", labelsize=7)
        panels[0].set_ylabel(name, fontsize=9)
    return figure


def reliability(
    logits: Mapping[str, torch.Tensor], labels: torch.Tensor, *, bins: int = 10
) -> Figure:
    """Share of right answers against confidence; the diagonal is a classifier to be believed.

    Args:
        logits: Name to N×K.
        labels: N.
        bins: Bins of equal width in [0, 1]; those with fewer than five images are left out.
    """
    figure, (axis,) = new_figure(size=(4.8, 4.2))
    axis.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=0.8, marker="")
    for number, (name, values) in enumerate(logits.items()):
        confidence, answers = values.softmax(-1).max(-1)
        right = (answers == labels).double()
        places = (confidence * bins).long().clamp(max=bins - 1)
        full = [place for place in range(bins) if int((places == place).sum()) >= 5]
        x = [confidence[places == place].mean().item() for place in full]
        y = [right[places == place].mean().item() for place in full]
        colour, marker = look(number)
        axis.plot(x, y, color=colour, marker=marker, label=name)
    axis.set(xlabel="confidence of the answer", ylabel="share of right answers")
    axis.legend(fontsize=9)
    return figure
