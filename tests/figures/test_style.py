"""Figures are white, in one style, and not kept open."""

from __future__ import annotations

import matplotlib.pyplot as plt

from latent_transfer import figures
from latent_transfer.figures.style import look


def test_figures_are_white_and_not_kept_open() -> None:
    figure = figures.bars({"a": 1.0})
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert plt.get_fignums() == []


def test_looks_start_again_after_the_last() -> None:
    looks = [look(number) for number in range(8)]
    assert len(set(looks)) == 7
    assert looks[7] == looks[0]
    assert [colour for colour, _ in looks[:7]] == list(figures.COLOURS)


def test_axes_come_row_by_row() -> None:
    figure, axes = figures.new_figure(2, 3, size=(4.0, 3.0), sharex=True)
    assert [axis.get_subplotspec().num1 for axis in axes] == [0, 1, 2, 3, 4, 5]
    assert figure.get_size_inches().tolist() == [4, 3]
    assert not axes[0].spines["top"].get_visible()
    assert plt.rcParams["axes.spines.top"]  # the style holds for this figure alone
