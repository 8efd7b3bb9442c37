"""Bars and histograms show the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_transfer import figures


def test_bars_show_the_mean_and_each_value() -> None:
    axis = figures.bars({"few": [1.0, 3.0], "one": 5.0}).axes[0]
    assert [patch.get_height() for patch in axis.patches] == [2, 5]
    assert axis.lines[0].get_ydata().tolist() == [1, 3]


def test_histograms_share_their_bins() -> None:
    axis = figures.histograms({"a": torch.zeros(10), "b": torch.ones(10)}).axes[0]
    edges = [patch.get_path().vertices[:, 0] for patch in axis.patches]
    assert edges[0].tolist() == edges[1].tolist()


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


def test_bars_have_names_and_labels() -> None:
    axis = figures.bars({"few": [1.0, 3.0], "one": 5.0}, ylabel="error, %", title="both").axes[0]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["few", "one"]
    assert axis.get_xticks().tolist() == [0, 1]
    assert axis.lines[0].get_xdata().tolist() == [0, 0]
    assert (axis.get_ylabel(), axis.get_title()) == ("error, %", "both")


def test_histograms_are_densities_over_the_whole_range() -> None:
    series = {"a": torch.rand(60, 2), "b": 3 + torch.rand(40)}
    axis = figures.histograms(series, bins=20, xlabel="nats", title="both").axes[0]
    for patch, values in zip(axis.patches, series.values(), strict=True):
        outline = patch.get_path().vertices
        edges = np.unique(outline[:, 0])
        everything = torch.cat([sample.flatten() for sample in series.values()])
        np.testing.assert_allclose(edges[[0, -1]], [everything.min(), everything.max()], rtol=1e-6)
        assert len(edges) == 21
        expected, _ = np.histogram(values.flatten(), edges, density=True)
        np.testing.assert_allclose(outline[1:-1:2, 1], expected, rtol=1e-4)
    assert (axis.get_xlabel(), axis.get_title()) == ("nats", "both")
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b"]
