"""Equations of the semi-supervised chapter against enumeration and a model with known evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from latent_transfer.data import Batch
from latent_transfer.densities import Gaussian
from latent_transfer.models import M2, PredictedGaussianLikelihood, mlp_m2
from latent_transfer.nets import ConditionalMLP
from latent_transfer.objectives import labelled_bound, semi_supervised_loss, unlabelled_bound

CLASSES, NOISE = 3, 0.5
#: Orthogonal columns, so that the exact posterior has a diagonal covariance.
WEIGHT = torch.tensor([[1.0, 0.4], [0.8, -0.5]], dtype=torch.float64)
CENTRES = torch.tensor([[0.0, 0.0], [2.0, -1.0], [-1.5, 0.5]], dtype=torch.float64)
POINTS = torch.tensor([[0.3, -0.2], [1.8, -1.4], [-0.4, 1.1]], dtype=torch.float64)


def _linear(
    inputs: int, outputs: int, weight: torch.Tensor, table: torch.Tensor, bias: torch.Tensor
) -> ConditionalMLP:
    """A conditional net that computes weight·v + table[y] + bias."""
    net = ConditionalMLP(inputs, CLASSES, (outputs,), outputs, nn.Identity).double()
    last = net.rest[1][0]
    with torch.no_grad():
        net.from_inputs.weight.copy_(weight)
        net.from_inputs.bias.zero_()
        net.from_label.weight.copy_(table)
        last.weight.copy_(torch.eye(outputs))
        last.bias.copy_(bias)
    return net


@pytest.fixture
def solvable() -> M2:
    """z ~ N(0, I), x | y, z ~ N(Wz + b_y, s²I), and q(z | x, y) is the exact posterior."""
    precision = WEIGHT.T @ WEIGHT + NOISE**2 * torch.eye(2)
    assert precision[0, 1].abs() < 1e-12
    inverse = torch.linalg.inv(precision) @ WEIGHT.T
    log_variance = (NOISE**2 / precision.diag()).log()
    encoder = _linear(
        2,
        4,
        torch.cat([inverse, torch.zeros(2, 2)]),
        torch.cat([-CENTRES @ inverse.T, torch.zeros(3, 2)], dim=1),
        torch.cat([torch.zeros(2), log_variance]),
    )
    decoder = _linear(
        2,
        4,
        torch.cat([WEIGHT, torch.zeros(2, 2)]),
        torch.cat([CENTRES, torch.zeros(3, 2)], dim=1),
        torch.tensor([0.0, 0.0, 2 * math.log(NOISE), 2 * math.log(NOISE)]),
    )
    return M2(
        nn.Linear(2, CLASSES).double(),
        encoder,
        decoder,
        classes=CLASSES,
        latent_size=2,
        shape=(2,),
        likelihood=PredictedGaussianLikelihood(),
    )


def _log_joint(points: torch.Tensor) -> np.ndarray:
    """Log p(x, y) of the solvable model by scipy, K×B."""
    covariance = (WEIGHT @ WEIGHT.T + NOISE**2 * torch.eye(2)).numpy()
    densities = [stats.multivariate_normal(c.numpy(), covariance).logpdf(points) for c in CENTRES]
    return np.stack(densities) - math.log(CLASSES)


@pytest.mark.equation("eq-labelled-bound")
def test_labelled_bound_is_the_evidence_if_the_posterior_is_exact(solvable: M2) -> None:
    torch.manual_seed(0)
    draws = 4_000
    many = POINTS.repeat(draws, 1)
    bounds = labelled_bound(solvable, many).detach().view(CLASSES, draws, 3)
    error = bounds.std(1) / math.sqrt(draws)
    truth = torch.from_numpy(_log_joint(POINTS))
    assert (bounds.mean(1) - truth).abs().div(error).max() < 4
    assert error.max() < 0.05


@pytest.mark.equation("eq-labelled-bound")
def test_labelled_bound_falls_short_by_the_divergence_of_the_posterior(solvable: M2) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        solvable.encoder.rest[1][0].bias[:2] += 0.3  # every mean is off by 0.3
    posterior = solvable.posterior(POINTS, torch.zeros(3, dtype=torch.int64))
    gap = 0.5 * (0.3**2 / posterior.log_variance.exp()).sum(-1)
    labels = torch.zeros(3 * 20_000, dtype=torch.int64)
    bounds = labelled_bound(solvable, POINTS.repeat(20_000, 1), labels).detach().view(-1, 3)
    error = bounds.std(0) / math.sqrt(20_000)
    missing = torch.from_numpy(_log_joint(POINTS))[0] - bounds.mean(0)
    assert (missing - gap).abs().div(error).max() < 4
    assert gap.min() > 20 * error.max()


def _noiseless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixed ε in every dimension instead of a draw, so that two computations can be compared."""
    monkeypatch.setattr(Gaussian, "rsample", lambda self, samples=None: self.mean + 0.3 * self.std)


def _bound_by_hand(model: M2, images: torch.Tensor, label: int) -> torch.Tensor:
    """L(x, y) of one class with torch.distributions and a one-hot label beside the input."""
    flat = images.flatten(1)
    one_hot = torch.zeros(len(images), model.classes, dtype=flat.dtype)
    one_hot[:, label] = 1

    def through(net: ConditionalMLP, vectors: torch.Tensor) -> torch.Tensor:
        weight = torch.cat([net.from_inputs.weight, net.from_label.weight.T], dim=1)
        joined = torch.cat([vectors, one_hot], dim=1)
        return net.rest(joined @ weight.T + net.from_inputs.bias)

    mean, log_variance = through(model.encoder, flat).chunk(2, dim=1)
    posterior = Normal(mean, log_variance.div(2).exp())
    logits = through(model.decoder, mean + 0.3 * posterior.stddev)
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    likelihood = Bernoulli(logits=logits).log_prob(flat).sum(1)
    return likelihood - kl_divergence(posterior, prior).sum(1) - math.log(model.classes)


@pytest.mark.equation("eq-unlabelled-bound")
@pytest.mark.parametrize("seed", range(4))
def test_unlabelled_bound_counts_every_label(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _noiseless(monkeypatch)
    torch.manual_seed(seed)
    model = mlp_m2((1, 4, 4), classes=5, hidden=(7, 6), latent_size=3).double()
    images = torch.rand(6, 1, 4, 4, dtype=torch.float64).round()
    belief = Categorical(logits=model(images))
    by_hand = belief.entropy()
    for label in range(5):
        by_hand = by_hand + belief.probs[:, label] * _bound_by_hand(model, images, label)
    bound = unlabelled_bound(labelled_bound(model, images), model(images))
    torch.testing.assert_close(bound, by_hand)


@pytest.mark.equation("eq-unlabelled-bound")
def test_unlabelled_bound_is_the_evidence_for_the_exact_label_posterior() -> None:
    log_joint = torch.from_numpy(_log_joint(POINTS))
    evidence = log_joint.logsumexp(0)
    torch.testing.assert_close(unlabelled_bound(log_joint, log_joint.T), evidence)
    # Any other belief falls short by its divergence from the posterior.
    uniform = torch.zeros(3, CLASSES, dtype=torch.float64)
    divergence = kl_divergence(Categorical(logits=uniform), Categorical(logits=log_joint.T))
    torch.testing.assert_close(unlabelled_bound(log_joint, uniform), evidence - divergence)


@pytest.mark.equation("eq-unlabelled-bound")
def test_a_certain_classifier_costs_no_infinity() -> None:
    bounds = torch.tensor([[-3.0], [-70.0]], requires_grad=True)
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    bound = unlabelled_bound(bounds, logits)
    bound.sum().backward()
    assert bound.item() == pytest.approx(-3)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.equation("eq-semi-supervised-objective")
def test_objective_is_the_paper_s_sum_over_the_number_of_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _noiseless(monkeypatch)
    torch.manual_seed(0)
    model = mlp_m2((1, 4, 4), classes=4, hidden=(6,), latent_size=2).double()
    few, many = torch.rand(2 * 4 + 12, 1, 4, 4, dtype=torch.float64).round().split([8, 12])
    labels = torch.arange(4).repeat(2)
    total = sum(
        -_bound_by_hand(model, x[None], int(y))[0] for x, y in zip(few, labels, strict=True)
    )
    total = total - unlabelled_bound(labelled_bound(model, many), model(many)).sum()
    log_beliefs = torch.log(model(few).softmax(-1))[torch.arange(8), labels]
    alpha = 0.1 * 20  # the paper's 0.1·N with N = 20 images
    total = total - alpha * log_beliefs.mean()
    terms = semi_supervised_loss(
        model, many, labelled=Batch(few, labels), label_weight=0.1, labelled_share=8 / 20
    )
    torch.testing.assert_close(terms["loss"], total / 20)


@pytest.mark.equation("eq-labelled-bound")
def test_a_heavier_kl_costs_its_excess(monkeypatch: pytest.MonkeyPatch) -> None:
    _noiseless(monkeypatch)
    torch.manual_seed(0)
    model, images = mlp_m2((1, 2, 3), CLASSES, (5,), 2).double(), torch.rand(4, 1, 2, 3).double()
    posterior = model.posterior(images)
    prior = Normal(torch.zeros_like(posterior.mean), torch.ones_like(posterior.mean))
    kl = kl_divergence(Normal(posterior.mean, posterior.std), prior).sum(-1)  # K×B
    excess = labelled_bound(model, images) - labelled_bound(model, images, beta=3.0)
    torch.testing.assert_close(excess, 2 * kl)
    labels, weights = torch.tensor([0, 1, 2, 0]), {"label_weight": 0.5, "labelled_share": 0.25}
    terms = semi_supervised_loss(model, images, labelled=Batch(images, labels), beta=3.0, **weights)
    assert terms["labelled"].item() == pytest.approx(
        -labelled_bound(model, images, labels, beta=3.0).mean().item()
    )
    every_label = labelled_bound(model, images, beta=3.0)
    assert terms["unlabelled"].item() == pytest.approx(
        -unlabelled_bound(every_label, model(images)).mean().item()
    )


@pytest.mark.equation("eq-semi-supervised-objective")
def test_the_labelled_bound_alone_teaches_the_classifier_nothing() -> None:
    torch.manual_seed(0)
    model = mlp_m2((1, 4, 4), classes=4, hidden=(6,), latent_size=2)
    images, labels = torch.rand(8, 1, 4, 4), torch.arange(4).repeat(2)
    settings = {"labelled_share": 1.0, "label_weight": 0.0}
    few = Batch(images, labels)
    semi_supervised_loss(model, images, labelled=few, **settings)["loss"].backward()
    gradients = [p.grad for p in model.classifier.parameters()]
    assert all(g is not None and not g.any() for g in gradients)
    model.zero_grad()
    settings["label_weight"] = 1.0
    semi_supervised_loss(model, images, labelled=few, **settings)["loss"].backward()
    assert all(p.grad is not None and p.grad.any() for p in model.classifier.parameters())
