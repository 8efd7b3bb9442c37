"""Figures of the chapter on the families of generative models."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure

from latent_transfer.figures.style import new_figure


def density_maps(maps: Mapping[str, torch.Tensor], *, size: float = 1.9) -> Figure:
    """Tables of probabilities side by side as maps, on one scale: the darker, the more probable.

    Args:
        maps: Name to I×J probabilities of cells; I runs to the right, J upwards.
        size: Inches a map.
    """
    figure, axes = new_figure(1, len(maps), size=(size * len(maps), size + 0.3))
    most = max(table.max().item() for table in maps.values())
    for axis, (name, table) in zip(axes, maps.items(), strict=True):
        shown = (table.detach().cpu() / most).sqrt()  # the root lets small probabilities be seen
        axis.imshow(shown.T.numpy(), origin="lower", cmap="Blues", vmin=0, vmax=1)
        axis.set_title(name, fontsize=10)
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    return figure
