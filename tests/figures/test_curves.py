"""Lines over a quantity show their means, ranges and intervals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.container import ErrorbarContainer
from scipy import stats

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


def _ends(container: ErrorbarContainer, along: int = 1) -> np.ndarray:
    """The ends of the error bars, P×2, along the x axis (0) or the y axis (1)."""
    (bars,) = container.lines[2]
    return np.sort(np.stack(bars.get_segments())[:, :, along], axis=1)


def _student_t(rows: torch.Tensor) -> np.ndarray:
    """The 95 % interval of each row's mean, by scipy."""
    values = rows.double().numpy()
    reach = stats.sem(values, axis=1) * stats.t.ppf(0.975, values.shape[1] - 1)
    return np.stack([values.mean(1) - reach, values.mean(1) + reach], axis=1)


def test_label_efficiency_has_student_t_intervals_beside_the_budgets() -> None:
    errors = {"a": torch.rand(2, 5) * 50, "b": torch.rand(2, 5) * 50}
    axis = figures.label_efficiency(errors, (1, 10), title="on digits").axes[0]
    for container, rows in zip(axis.containers, errors.values(), strict=True):
        np.testing.assert_allclose(_ends(container), _student_t(rows), rtol=1e-6)
    first, second = (np.asarray(c.lines[0].get_xdata(), dtype=float) for c in axis.containers)
    np.testing.assert_allclose(np.sqrt(first * second), [1, 10])  # on both sides of the budget
    assert (first < second).all()
    assert (axis.get_xscale(), axis.get_title()) == ("log", "on digits")
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b"]


def test_layers_and_their_baseline_have_student_t_intervals() -> None:
    errors, baseline = {"frozen": torch.rand(2, 4), "tuned": torch.rand(2, 4)}, torch.rand(1, 4)
    axis = figures.by_layers(errors, [1, 2], baseline=baseline).axes[0]
    for container, rows in zip(axis.containers, errors.values(), strict=True):
        np.testing.assert_allclose(_ends(container), _student_t(rows), rtol=1e-6)
    (band,) = axis.patches
    low, high = band.get_y(), band.get_y() + band.get_height()
    np.testing.assert_allclose([low, high], _student_t(baseline)[0], rtol=1e-6)
    first, second = (np.asarray(c.lines[0].get_xdata(), dtype=float) for c in axis.containers)
    np.testing.assert_allclose((first + second) / 2, [1, 2])
    assert axis.get_ylabel() == "test error, %"


def test_curves_stand_at_their_positions_with_their_labels() -> None:
    named = {"xlabel": "epoch", "ylabel": "nats", "title": "loss", "size": (3.0, 2.0)}
    figure = figures.curves({"one": [5.0, 6.0, 7.0]}, **named)
    (axis,) = figure.axes
    (line,) = axis.lines
    assert line.get_xydata().tolist() == [[1, 5], [2, 6], [3, 7]]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("epoch", "nats", "loss")
    assert figure.get_size_inches().tolist() == [3, 2]
    assert not axis.collections  # a single run has no band
    assert not axis.get_legend()  # a single line needs no legend
    axis = figures.curves({"one": [1.0, 2.0]}, x=[10, 1000], log_x=True).axes[0]
    assert axis.get_xscale() == "log"
    assert axis.lines[0].get_xdata().tolist() == [10, 1000]


def test_history_draws_the_values_of_every_term() -> None:
    record = History({"loss": [3.0, 2.0], "kl": [1.0, 0.5]}, {"loss": [4.0, 3.0]})
    axis = figures.history(record, title="run", ylabel="bits").axes[0]
    assert [line.get_ydata().tolist() for line in axis.lines] == [[3, 2], [1, 0.5], [4, 3]]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("epoch", "bits", "run")


def test_betas_stand_at_the_means_of_their_runs() -> None:
    rates, distortions = torch.tensor([[20.0, 4.0], [22.0, 6.0]]), torch.full((2, 2), 90.0)
    axis = figures.rate_distortion(rates, distortions, (0.5, 2.0), title="trade").axes[0]
    assert [tuple(map(float, text.xy)) for text in axis.texts] == [(21, 90), (5, 90)]
    assert axis.lines[1].get_xdata().tolist() == [20, 4, 22, 6]
    assert axis.lines[2].get_xdata().tolist() == [5, 21]
    assert axis.get_xlabel().startswith("rate")
    assert axis.get_ylabel().startswith("distortion")
    assert axis.get_title() == "trade"


def test_reliability_has_as_many_bins_as_asked_for() -> None:
    confidence = torch.linspace(0.505, 0.995, 50)
    logits = torch.stack([confidence, 1 - confidence], 1).log()
    for bins, full in ((10, 5), (20, 10)):
        axis = figures.reliability(
            {"net": logits}, torch.zeros(50, dtype=torch.int64), bins=bins
        ).axes[0]
        assert len(axis.lines[1].get_xdata()) == full
        assert (axis.lines[1].get_ydata() == 1).all()


def test_a_long_line_has_a_dozen_markers_and_a_short_one_has_all() -> None:
    long, short = figures.curves({"a": [0.0] * 48}), figures.curves({"a": [0.0] * 3})
    assert [f.axes[0].lines[0].get_markevery() for f in (long, short)] == [4, 1]


def test_full_confidence_belongs_to_the_last_bin() -> None:
    sure = torch.tensor([[200.0, 0.0]]).expand(6, 2)  # a confidence of exactly 1 in float32
    axis = figures.reliability({"sure": sure}, torch.zeros(6, dtype=torch.int64)).axes[0]
    assert axis.lines[1].get_xydata().tolist() == [[1, 1]]


def test_no_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one series"):
        figures.curves({})
