"""M2 and M1+M2: shapes, every class at once, what is frozen and what is dropped."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from latent_transfer.models import (
    M1M2,
    M2,
    PredictedGaussianLikelihood,
    mlp_m2,
    mlp_vae,
    stack_m2,
)
from latent_transfer.nets import ConditionalMLP

IMAGES = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 1])


@pytest.fixture
def m2() -> M2:
    torch.manual_seed(0)
    return mlp_m2((1, 6, 6), classes=4, hidden=(9, 8), latent_size=3)


@pytest.fixture
def stacked() -> M1M2:
    torch.manual_seed(0)
    m1 = mlp_vae((1, 6, 6), hidden=(9,), latent_size=5)
    return stack_m2(m1, torch.tensor([0, 2, 4]), classes=4, hidden=(8,), latent_size=2)


def test_conditional_mlp_is_a_net_on_the_input_and_a_one_hot_label() -> None:
    torch.manual_seed(0)
    net = ConditionalMLP(3, 4, (6,), 2, nn.ReLU)
    vectors = torch.randn(5, 3)
    weight = torch.cat([net.from_inputs.weight, net.from_label.weight.T], dim=1)  # 6×7
    joined = torch.cat([vectors, torch.eye(4)[LABELS]], dim=1)
    expected = net.rest(joined @ weight.T + net.from_inputs.bias)
    torch.testing.assert_close(net(vectors, LABELS), expected)


def test_conditional_mlp_starts_as_one_layer_would() -> None:
    torch.manual_seed(0)
    net = ConditionalMLP(30, 10, (400,), 2)
    plain = nn.Linear(40, 400)
    weights = torch.cat([net.from_inputs.weight, net.from_label.weight.T], dim=1)
    assert weights.std().item() == pytest.approx(plain.weight.std().item(), rel=0.05)


def test_without_labels_there_is_one_answer_a_class(m2: M2) -> None:
    every = m2.posterior(IMAGES)
    assert every.mean.shape == (4, 5, 3)
    latents = torch.randn(5, 3)
    decoded = m2.decode(latents)
    assert decoded.shape == (4, 5, 1, 6, 6)
    density = m2.log_likelihood(IMAGES, every.mean)
    for label in range(4):
        given = torch.full((5,), label)
        torch.testing.assert_close(every.mean[label], m2.posterior(IMAGES, given).mean)
        torch.testing.assert_close(decoded[label], m2.decode(latents, given))
        alone = m2.log_likelihood(IMAGES, every.mean[label], given)
        torch.testing.assert_close(density[label], alone)


def test_m2_is_called_like_a_classifier(m2: M2) -> None:
    assert m2(IMAGES).shape == (5, 4)
    assert m2.log_class_prior == pytest.approx(math.log(1 / 4))


def test_generation_is_decided_by_the_generator(m2: M2) -> None:
    first = m2.generate(LABELS, torch.Generator().manual_seed(1))
    again = m2.generate(LABELS, torch.Generator().manual_seed(1))
    assert first.shape == (5, 1, 6, 6)
    assert torch.equal(first, again)
    assert not torch.equal(first, m2.generate(LABELS, torch.Generator().manual_seed(2)))


def test_an_analogy_in_the_own_class_is_the_reconstruction(m2: M2) -> None:
    analogies = m2.analogies(IMAGES, LABELS)
    assert analogies.shape == (4, 5, 1, 6, 6)
    style = m2.posterior(IMAGES, LABELS).mean
    own = analogies[LABELS, torch.arange(5)]
    torch.testing.assert_close(own, torch.sigmoid(m2.decode(style, LABELS)))


def test_images_of_another_shape_are_named(m2: M2) -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 6, 6\), not \(1, 8, 8\)"):
        m2(torch.rand(2, 1, 8, 8))


def test_predicted_gaussian_agrees_with_torch() -> None:
    torch.manual_seed(0)
    output, points = torch.randn(4, 5, 6), torch.randn(5, 3)
    mean, log_variance = output.chunk(2, -1)
    expected = Normal(mean, log_variance.div(2).exp()).log_prob(points).sum(-1)  # 4×5
    likelihood = PredictedGaussianLikelihood()
    torch.testing.assert_close(likelihood.log_density(output, points), expected)
    torch.testing.assert_close(likelihood.mean(output), mean)


def test_stack_sees_only_the_kept_latents_and_freezes_m1(stacked: M1M2) -> None:
    posterior = stacked.posterior(IMAGES)
    torch.testing.assert_close(posterior.mean, stacked.m1.posterior(IMAGES).mean[:, [0, 2, 4]])
    assert not any(p.requires_grad for p in stacked.m1.parameters())
    assert all(p.requires_grad for p in stacked.m2.parameters())
    assert stacked(IMAGES).shape == (5, 4)


def test_stack_decodes_with_dropped_latents_at_zero(stacked: M1M2) -> None:
    latents = stacked.m2.generate(LABELS, torch.Generator().manual_seed(3))
    full = torch.zeros(5, 5)
    full[:, [0, 2, 4]] = latents
    expected = torch.sigmoid(stacked.m1.decode(full))
    generated = stacked.generate(LABELS, torch.Generator().manual_seed(3))
    torch.testing.assert_close(generated, expected)
    assert stacked.analogies(IMAGES, LABELS).shape == (4, 5, 1, 6, 6)


def test_stack_refuses_an_m2_of_another_width(stacked: M1M2) -> None:
    with pytest.raises(ValueError, match="2 latents are kept"):
        M1M2(stacked.m1, stacked.m2, torch.tensor([0, 1]))
