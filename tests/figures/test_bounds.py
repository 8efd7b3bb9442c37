"""The pictures of the ELBO show the numbers that the models give."""

from __future__ import annotations

from math import log, pi

import pytest
import torch
from scipy import special, stats

from latent_transfer import figures
from latent_transfer.models import LinearGaussian


def toy() -> tuple[LinearGaussian, torch.Tensor]:
    model = LinearGaussian(torch.ones(1, 1).double(), torch.zeros(1).double(), noise_std=0.6)
    return model, torch.tensor([[1.5]]).double()


def test_jensen_marks_the_log_of_the_mean_above_the_mean_of_the_logs() -> None:
    axis = figures.jensen([0.5, 2.0], [0.25, 0.75]).axes[0]
    above, below = (float(line.get_ydata()[0]) for line in axis.lines[-2:])
    assert above == pytest.approx(log(1.625))
    assert below == pytest.approx(0.25 * log(0.5) + 0.75 * log(2.0))


def test_a_moving_belief_reports_its_bound_and_gap() -> None:
    model, seen = toy()
    posterior = model.posterior(seen)
    figure = figures.moving_belief(model, seen, posterior.mean.item(), posterior.stddev.item())
    evidence = f"{model.log_evidence(seen).item():.2f}".replace("-", "−")
    title = figure.axes[1].get_title()
    assert title.startswith(f"ELBO {evidence} ")
    assert title.endswith("0.00 nats")
    assert "1.36 nats" not in title


@pytest.mark.parametrize("along", ["mean", "std"])
def test_a_moving_belief_lies_on_its_curve_below_the_evidence(along: str) -> None:
    model, seen = toy()
    axis = figures.moving_belief(model, seen, 0.4, 0.9, along=along).axes[1]  # type: ignore[arg-type]
    line, curve, dot = axis.lines[:3]
    evidence = line.get_ydata()[0]
    assert evidence == pytest.approx(model.log_evidence(seen).item())
    assert max(curve.get_ydata()) <= evidence + 1e-9
    here = torch.tensor(curve.get_xdata()).sub(dot.get_xdata()[0]).abs().argmin()
    assert curve.get_ydata()[here] == pytest.approx(dot.get_ydata()[0], abs=0.1)


def test_a_moving_belief_needs_one_latent() -> None:
    model = LinearGaussian(torch.ones(3, 2).double(), torch.zeros(3).double(), 1.0)
    with pytest.raises(ValueError, match="needs 1 latent dimension, not 2"):
        figures.moving_belief(model, torch.zeros(1, 3).double(), 0.0, 1.0)


def test_grey_pixels_peak_at_minus_their_entropy() -> None:
    axis = figures.grey_pixels([0.0, 0.5]).axes[0]
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["x = 0: best 0.00", "x = 0.5: best −0.69"]


def test_estimates_stand_at_their_distance_from_the_evidence() -> None:
    evidence = torch.tensor([-5.0, -7.0])
    estimates = {"bound": evidence - 2, "wrong": evidence + 3}
    axis = figures.beside_evidence(estimates, evidence, "ab").axes[0]
    values = [line.get_ydata() for line in axis.lines[1:]]
    assert [list(map(float, row)) for row in values] == [[-2, -2], [3, 3]]


def test_jensen_draws_the_logarithm_its_chord_and_the_gap() -> None:
    axis = figures.jensen([0.5, 2.0], [0.25, 0.75]).axes[0]
    curve, chord, marks, above, below = axis.lines
    torch.testing.assert_close(
        torch.tensor(curve.get_ydata()), torch.tensor(curve.get_xdata()).log()
    )
    assert chord.get_xdata().tolist() == [0.5, 2.0]
    assert chord.get_ydata().tolist() == pytest.approx([log(0.5), log(2.0)])
    assert marks.get_ydata().tolist() == pytest.approx([log(0.5), log(2.0)])
    assert above.get_xdata().tolist() == below.get_xdata().tolist() == [1.625]
    gap = log(1.625) - (0.25 * log(0.5) + 0.75 * log(2.0))
    assert f"gap {gap:.2f} nats" in [text.get_text() for text in axis.texts]
    (arrow,) = [text for text in axis.texts if not text.get_text()]
    assert arrow.xy == pytest.approx((1.625, log(1.625)))
    assert arrow.xyann == pytest.approx((1.625, log(1.625) - gap))


@pytest.mark.parametrize(
    ("weights", "probabilities"), [([0.0, 1.0], [0.5, 0.5]), ([1.0, 2.0], [0.5, 0.6])]
)
def test_jensen_needs_weights_and_probabilities(
    weights: list[float], probabilities: list[float]
) -> None:
    with pytest.raises(ValueError, match="positive weights and probabilities that sum to 1"):
        figures.jensen(weights, probabilities)


def test_a_moving_belief_draws_the_three_densities() -> None:
    model, seen = toy()
    axis = figures.moving_belief(model, seen, 0.4, 0.9).axes[0]
    posterior = model.posterior(seen)
    scales = [(0, 1), (posterior.mean.item(), posterior.stddev.item()), (0.4, 0.9)]
    for line, (mean, std) in zip(axis.lines, scales, strict=True):
        expected = stats.norm.pdf(line.get_xdata(), mean, std)
        assert line.get_ydata().tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert axis.get_xlim() == (-2.5, 3.5)
    assert axis.get_ylim() == (0, 2.1)


def test_the_bound_of_a_moving_belief_is_its_definition() -> None:
    model, seen = toy()
    for along in ("mean", "std"):
        axis = figures.moving_belief(model, seen, 0.4, 0.9, along=along).axes[1]  # type: ignore[arg-type]
        _, curve, dot = axis.lines[:3]
        for place in (0, 60, 120):
            value = curve.get_xdata()[place]
            mean, std = (value, 0.9) if along == "mean" else (0.4, value)
            # x = z + 0.6·ε: E_q[log p(x | z)] in closed form, minus the KL to N(0, 1).
            likelihood = -0.5 * (log(2 * pi * 0.36) + ((1.5 - mean) ** 2 + std**2) / 0.36)
            kl = 0.5 * (mean**2 + std**2 - 1) - log(std)
            assert curve.get_ydata()[place] == pytest.approx(likelihood - kl, rel=1e-4)
        assert dot.get_xdata()[0] == (0.4 if along == "mean" else 0.9)
        assert axis.get_xlabel() == f"{along} of q"


def test_grey_pixels_draw_the_log_density_and_its_maximum() -> None:
    axis = figures.grey_pixels([0.2, 1.0]).axes[0]
    for (curve, dot), x in zip([axis.lines[:2], axis.lines[2:4]], (0.2, 1.0), strict=True):
        p = curve.get_xdata()
        expected = special.xlogy(x, p) + special.xlog1py(1 - x, -p)
        assert curve.get_ydata().tolist() == pytest.approx(expected.tolist(), abs=1e-5)
        assert dot.get_xdata().tolist() == [x]
    assert len(figures.grey_pixels([0.1 * level for level in range(9)]).axes[0].lines) == 18


def test_every_estimate_is_drawn_with_its_distance() -> None:
    evidence = torch.tensor([-5.0, -7.0])
    estimates = {str(number): evidence - number for number in range(9)}
    axis = figures.beside_evidence(estimates, evidence, "ab").axes[0]
    assert len(axis.lines) == 1 + 9
    assert [line.get_label() for line in axis.lines[1:]] == list(estimates)
    for number, stems in enumerate(axis.collections):
        ends = [segment[:, 1].tolist() for segment in stems.get_segments()]
        assert ends == [[0, -number]] * 2
    with pytest.raises(ValueError, match=r"2 labels, but bound has shape \(1,\)"):
        figures.beside_evidence({"bound": evidence[:1]}, evidence, "ab")
