"""Lines over a quantity show their means, ranges and intervals."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import figures
from latent_transfer.training import History


def test_label_efficiency_names_what_it_counts():
    axis = figures.label_efficiency({"a": torch.rand(2, 3)}, (1, 10)).axes[0]
    assert axis.get_xlabel() == "labelled images of each class"
    named = {"xlabel": "paragraphs", "ylabel": "nats per word"}
    axis = figures.label_efficiency({"a": torch.rand(2, 3)}, (1, 10), **named).axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("paragraphs", "nats per word")


def test_curves_draw_mean_and_range() -> None:
    runs = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    figure = figures.curves({"runs": runs, "single": [0.0, 1.0]}, x=[10, 20])
    axis = figure.axes[0]
    assert axis.lines[0].get_ydata().tolist() == [2, 4]
    band = axis.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1, 6)
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["runs", "single"]


def test_history_shows_training_and_validation() -> None:
    figure = figures.history(History({"loss": [3.0, 2.0]}, {"loss": [4.0, 3.0]}))
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["loss (training)", "loss (validation)"]


def test_label_efficiency_draws_means_and_intervals() -> None:
    errors = torch.tensor([[30.0, 40.0, 50.0], [10.0, 11.0, 12.0]])
    figure = figures.label_efficiency({"pixels": errors}, (1, 10))
    (line, *_) = figure.axes[0].lines
    assert line.get_ydata().tolist() == [40, 11]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["1", "10"]


def test_few_positions_on_a_logarithmic_axis_are_named() -> None:
    figure = figures.curves({"a": [3.0, 2.0, 1.0]}, x=[2, 8, 32], log_x=True)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["2", "8", "32"]


def test_whole_positions_get_whole_ticks() -> None:
    axis = figures.curves({"a": [3.0, 2.0, 1.0]}, x=[0, 1, 2]).axes[0]
    assert all(tick == int(tick) for tick in axis.get_xticks())
    axis = figures.curves({"a": [3.0, 2.0, 1.0]}, x=[0.0, 0.25, 0.5]).axes[0]
    assert any(tick != int(tick) for tick in axis.get_xticks())


def test_the_legend_of_many_methods_stands_beside_the_axes() -> None:
    errors = torch.tensor([[30.0, 40.0], [10.0, 11.0]])
    few, many = ({str(n): errors for n in range(count)} for count in (4, 5))
    assert figures.label_efficiency(few, (1, 10)).axes[0].get_legend()
    figure = figures.label_efficiency(many, (1, 10))
    assert not figure.axes[0].get_legend()
    assert len(figure.legends[0].get_texts()) == 5


def test_reliability_compares_confidence_with_what_was_right() -> None:
    sure = torch.tensor([[4.0, 0.0]]).expand(10, 2)  # confidence 0.982, right in 5 of 10
    shy = torch.tensor([[0.4, 0.0]]).expand(10, 2)  # confidence 0.599, likewise
    labels = torch.tensor([0, 1] * 5)
    figure = figures.reliability({"both": torch.cat([sure, shy])}, labels.repeat(2))
    diagonal, line = figure.axes[0].lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    wanted = [shy[0].softmax(-1)[0].item(), sure[0].softmax(-1)[0].item()]
    assert line.get_xdata().tolist() == pytest.approx(wanted)
    assert line.get_ydata().tolist() == pytest.approx([0.5, 0.5])


def test_reliability_leaves_out_bins_with_hardly_any_image() -> None:
    logits = torch.cat([torch.tensor([[4.0, 0.0]]).expand(6, 2), torch.tensor([[0.1, 0.0]])])
    figure = figures.reliability({"one bin": logits}, torch.zeros(7, dtype=torch.int64))
    assert len(figure.axes[0].lines[1].get_xdata()) == 1


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


def test_layers_are_compared_with_a_line_for_none() -> None:
    errors = {"frozen": torch.tensor([[5.0, 7.0], [20.0, 22.0]])}
    axis = figures.by_layers(errors, [1, 2], baseline=torch.tensor([4.0, 6.0])).axes[0]
    assert axis.lines[0].get_ydata() == pytest.approx([5.0, 5.0])
    assert axis.containers[0][0].get_ydata().tolist() == pytest.approx([6.0, 21.0])
    assert axis.get_xticks().tolist() == [1, 2]
