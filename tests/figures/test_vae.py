"""Figures of the chapter on the VAE show the numbers they are given."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import figures


def test_the_kl_spectrum_is_sorted_and_tells_active_units_apart() -> None:
    kl, active = torch.tensor([0.5, 2.0, 0.0, 1.0]), torch.tensor([False, True, False, True])
    axis = figures.kl_spectrum(kl, active).axes[0]
    used, unused = axis.containers
    assert [bar.get_height() for bar in used] == [2.0, 1.0]
    assert [bar.get_height() for bar in unused] == [0.5, 0.0]
    places = [bar.get_x() + bar.get_width() / 2 for bars in (used, unused) for bar in bars]
    assert places == pytest.approx([1, 2, 3, 4])
    assert used[0].get_facecolor() != unused[0].get_facecolor()
    assert unused[0].get_hatch()  # told apart without colour too


def test_a_spectrum_without_inactive_units_has_one_series() -> None:
    axis = figures.kl_spectrum(torch.ones(3), torch.ones(3, dtype=torch.bool)).axes[0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["active"]


def test_runs_are_marks_of_their_method() -> None:
    points = {"a": torch.tensor([[1.0, -5.0], [2.0, -6.0]]), "b": torch.tensor([[3.0, -7.0]])}
    axis = figures.runs(points, xlabel="KL", ylabel="ELBO").axes[0]
    assert axis.lines[0].get_xdata().tolist() == [1, 2]
    assert axis.lines[0].get_ydata().tolist() == [-5, -6]
    assert axis.lines[0].get_linestyle() == "None"
    assert axis.lines[0].get_marker() != axis.lines[1].get_marker()


def test_rate_distortion_draws_runs_means_and_the_line_of_the_best_elbo() -> None:
    rates = torch.tensor([[20.0, 10.0, 4.0], [22.0, 12.0, 4.0]])
    distortions = torch.tensor([[90.0, 95.0, 120.0], [90.0, 93.0, 118.0]])
    axis = figures.rate_distortion(rates, distortions, (0.5, 1.0, 4.0)).axes[0]
    means, every, equal = axis.lines
    assert means.get_xdata().tolist() == [21, 11, 4]
    assert len(every.get_xdata()) == 6
    sums = equal.get_xdata() + equal.get_ydata()
    assert sums.tolist() == pytest.approx([105, 105])  # the best mean: 11 + 94
    assert [text.get_text() for text in axis.texts] == ["β = 0.5", "β = 1", "β = 4"]
