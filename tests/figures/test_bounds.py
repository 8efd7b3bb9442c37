"""The pictures of the ELBO show the numbers that the models give."""

from __future__ import annotations

from math import log

import pytest
import torch

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
