"""The labelled equations of the part on transfer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from latent_transfer.objectives import cross_entropy
from latent_transfer.transfer import (
    l2_sp,
    parameter_groups,
    reversal_schedule,
    reverse_gradient,
    snapshot,
)


@pytest.mark.equation("eq-cross-entropy")
def test_cross_entropy_is_minus_the_log_probability_of_a_categorical() -> None:
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(20) % 5
    expected = -torch.distributions.Categorical(logits=logits).log_prob(labels)
    assert torch.allclose(cross_entropy(logits, labels), expected)
    assert cross_entropy(torch.zeros(1, 4), torch.tensor([2])).item() == pytest.approx(math.log(4))
    with pytest.raises(ValueError, match="run from 0 to 4, but there are logits for 3 classes"):
        cross_entropy(torch.zeros(5, 3), torch.arange(5))


@pytest.mark.equation("eq-layer-wise-decay")
def test_one_step_moves_each_layer_by_its_own_rate() -> None:
    model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(4)))
    groups = parameter_groups(model, 0.1, decay=0.5)
    optimiser = torch.optim.SGD(groups)
    before = snapshot(model)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for layer, distance in enumerate([0.0125, 0.025, 0.05, 0.1]):
        for name in (f"{layer}.weight", f"{layer}.bias"):
            moved = before[name] - model.state_dict()[name]
            assert torch.allclose(moved, torch.full_like(moved, distance), atol=1e-6)


@pytest.mark.equation("eq-l2-sp")
def test_l2_sp_is_a_gaussian_prior_around_the_source() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict({"encoder": nn.Linear(4, 3), "head": nn.Linear(3, 2)}).double()
    start = {name: torch.randn_like(value) for name, value in snapshot(model, "encoder").items()}
    strength, rest = 0.7, 0.3
    penalty = l2_sp(model, start, strength=strength, rest_strength=rest)
    log_density = torch.zeros((), dtype=torch.float64)
    constant = 0.0
    for name, value in model.named_parameters():
        alpha = strength if name in start else rest
        mean = start.get(name, torch.zeros_like(value))
        prior = torch.distributions.Normal(mean, alpha**-0.5)
        log_density = log_density + prior.log_prob(value).sum()
        constant += value.numel() * 0.5 * math.log(alpha / (2 * math.pi))
    assert penalty.item() == pytest.approx(constant - log_density.item())


def test_l2_sp_pulls_to_the_start_and_is_zero_there() -> None:
    model = nn.Linear(2, 2)
    start = snapshot(model)
    assert l2_sp(model, start, strength=1.0).item() == 0
    with torch.no_grad():
        model.bias.add_(2.0)
    (gradient,) = torch.autograd.grad(l2_sp(model, start, strength=0.5), [model.bias])
    assert torch.allclose(gradient, torch.ones(2))
    with pytest.raises(ValueError, match="no parameter 'head' to pull"):
        l2_sp(model, {"head": torch.zeros(1)}, strength=1.0)


def test_l2_sp_refuses_what_would_pull_elsewhere() -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="take them with snapshot"):
        l2_sp(model, {}, strength=1.0)
    with pytest.raises(ValueError, match="bias is 2 in the model, but 1 at its start"):
        l2_sp(model, {"bias": torch.zeros(1)}, strength=1.0)
    for strengths in ((-1.0, 0.0), (1.0, -0.1), (math.nan, 0.0), (math.inf, 0.0)):
        with pytest.raises(ValueError, match="finite and at least 0"):
            l2_sp(model, snapshot(model), strength=strengths[0], rest_strength=strengths[1])


@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf])
def test_a_reversal_has_a_strength(strength: float) -> None:
    with pytest.raises(ValueError, match="strength must be finite and at least 0"):
        reverse_gradient(torch.zeros(2), strength)


@pytest.mark.parametrize(("progress", "steepness"), [(-0.1, 10.0), (1.1, 10.0), (0.5, -1.0)])
def test_a_reversal_schedule_knows_its_range(progress: float, steepness: float) -> None:
    with pytest.raises(ValueError, match=r"progress in \[0, 1\] and a steepness of at least 0"):
        reversal_schedule(progress, steepness)


@pytest.mark.equation("eq-gradient-reversal")
def test_the_gradient_is_reversed_and_the_value_is_not() -> None:
    values = torch.randn(5, dtype=torch.float64, requires_grad=True)
    assert torch.equal(reverse_gradient(values, 0.3), values)
    loss = (reverse_gradient(values, 0.3) ** 3).sum()
    (gradient,) = torch.autograd.grad(loss, [values])
    assert torch.allclose(gradient, -0.3 * 3 * values.detach() ** 2)


@pytest.mark.equation("eq-reversal-schedule")
def test_the_schedule_is_a_hyperbolic_tangent() -> None:
    for progress in torch.linspace(0, 1, 11).tolist():
        assert reversal_schedule(progress) == pytest.approx(math.tanh(5 * progress))
        assert reversal_schedule(progress, 4.0) == pytest.approx(math.tanh(2 * progress))
