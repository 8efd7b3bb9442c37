"""Figures are white, in one style, and not kept open."""

from __future__ import annotations

import matplotlib.pyplot as plt

from latent_transfer import figures


def test_figures_are_white_and_not_kept_open() -> None:
    figure = figures.bars({"a": 1.0})
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert plt.get_fignums() == []
