"""Equations of the part on distillation against autograd, PyTorch, scipy and enumeration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence
from torch.nn import functional as F

from latent_transfer.data import Batch
from latent_transfer.densities import Gaussian
from latent_transfer.evaluation import calibration_error
from latent_transfer.models import VAE, mlp_vae
from latent_transfer.objectives import (
    bernoulli_divergence,
    decoder_divergence,
    distillation_divergence,
    distillation_loss,
    feature_distance,
    gaussian_divergence,
    logit_matching,
    posterior_divergence,
    similarity_distance,
    smoothed_labels,
    soft_cross_entropy,
    soft_targets,
)
from latent_transfer.training import bias_for_share

CLASSES = 5


def _logits(seed: int, count: int = 7, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, CLASSES, generator=generator, dtype=torch.float64)


def _gradient(loss, logits: torch.Tensor) -> torch.Tensor:
    logits = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits).sum(), logits)
    return gradient


# -- beliefs ----------------------------------------------------------------------------------


@pytest.mark.equation("eq-soft-targets")
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0, 50.0])
def test_soft_targets_are_a_softmax_of_scaled_logits(temperature: float) -> None:
    expected = special.softmax(_logits(0).numpy() / temperature, axis=-1)
    np.testing.assert_allclose(soft_targets(_logits(0), temperature), expected, rtol=1e-12)


@pytest.mark.equation("eq-soft-cross-entropy")
def test_cross_entropy_with_beliefs_is_the_sum_over_classes() -> None:
    targets = _logits(1).softmax(-1)
    expected = -(targets.numpy() * special.log_softmax(_logits(0).numpy(), axis=-1)).sum(-1)
    np.testing.assert_allclose(soft_cross_entropy(_logits(0), targets), expected, rtol=1e-12)


@pytest.mark.equation("eq-label-smoothing")
def test_smoothed_labels_give_the_loss_that_pytorch_smooths() -> None:
    labels, logits = torch.tensor([0, 4, 2, 2, 1, 3, 0]), _logits(0)
    ours = soft_cross_entropy(logits, smoothed_labels(labels, CLASSES, 0.3).double())
    expected = F.cross_entropy(logits, labels, label_smoothing=0.3, reduction="none")
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)


# -- distillation -----------------------------------------------------------------------------


@pytest.mark.equation("eq-distillation")
@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
def test_divergence_is_that_of_the_softened_beliefs(temperature: float) -> None:
    student, teacher = _logits(0), _logits(1)
    p, q = (special.softmax(x.numpy() / temperature, axis=-1) for x in (teacher, student))
    expected = temperature**2 * special.rel_entr(p, q).sum(-1)
    ours = distillation_divergence(student, teacher, temperature)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


@pytest.mark.equation("eq-distillation")
@pytest.mark.parametrize("temperature", [1.0, 7.0])
def test_divergence_and_cross_entropy_pull_the_student_alike(temperature: float) -> None:
    student, teacher = _logits(0), _logits(1)
    by_divergence = _gradient(lambda x: distillation_divergence(x, teacher, temperature), student)
    targets = soft_targets(teacher, temperature)
    by_cross_entropy = temperature**2 * _gradient(
        lambda x: soft_cross_entropy(x / temperature, targets), student
    )
    torch.testing.assert_close(by_divergence, by_cross_entropy)
    in_formula = temperature * (soft_targets(student, temperature) - targets)
    torch.testing.assert_close(by_divergence, in_formula)


@pytest.mark.equation("eq-logit-matching")
def test_high_temperatures_match_logits() -> None:
    student, teacher = _logits(0), _logits(1)
    exact = logit_matching(student, teacher)
    errors = [
        (distillation_divergence(student, teacher, temperature) - exact).abs().max().item()
        for temperature in (100.0, 1000.0)
    ]
    assert errors[0] < 0.1
    assert errors[1] < 0.11 * errors[0]
    pull = _gradient(lambda x: logit_matching(x, teacher), student)
    centred = [x - x.mean(-1, keepdim=True) for x in (student, teacher)]
    torch.testing.assert_close(pull, (centred[0] - centred[1]) / CLASSES)
    high = _gradient(lambda x: distillation_divergence(x, teacher, 1e5), student)
    torch.testing.assert_close(high, pull, rtol=1e-3, atol=1e-4)


@pytest.mark.equation("eq-logit-matching")
def test_a_constant_added_to_all_logits_does_not_count() -> None:
    shifted = logit_matching(_logits(0) + 13.0, _logits(1) - 4.0)
    torch.testing.assert_close(shifted, logit_matching(_logits(0), _logits(1)))


@pytest.mark.equation("eq-distillation-objective")
@pytest.mark.parametrize("label_weight", [0.0, 0.25, 1.0])
def test_objective_mixes_teacher_and_labels(label_weight: float) -> None:
    student, teacher = _logits(0), _logits(1)
    labels = torch.tensor([0, 4, 2, 2, 1, 3, 0])
    terms = distillation_loss(
        nn.Identity(),
        Batch(student, labels),
        teacher_logits=teacher,
        temperature=3.0,
        label_weight=label_weight,
    )
    p, log_q = (teacher / 3).softmax(-1), (student / 3).log_softmax(-1)
    soft = 9 * F.kl_div(log_q, p, reduction="batchmean")
    expected = label_weight * F.cross_entropy(student, labels) + (1 - label_weight) * soft
    torch.testing.assert_close(terms["loss"], expected)
    assert ("cross_entropy" in terms) == (label_weight > 0)


# -- features ---------------------------------------------------------------------------------


@pytest.mark.equation("eq-hint")
def test_hint_is_half_the_squared_distance() -> None:
    features, hints = _logits(0), _logits(1)
    expected = 0.5 * np.linalg.norm(features.numpy() - hints.numpy(), axis=-1) ** 2
    np.testing.assert_allclose(feature_distance(features, hints), expected, rtol=1e-12)


@pytest.mark.equation("eq-similarity")
def test_similarity_compares_scaled_inner_products() -> None:
    features, hints = _logits(0).numpy(), _logits(1)[:, :3].numpy()
    grams = [side @ side.T for side in (features, hints)]
    rows = [gram / np.linalg.norm(gram, axis=1, keepdims=True) for gram in grams]
    expected = np.linalg.norm(rows[0] - rows[1]) ** 2 / len(features) ** 2
    ours = similarity_distance(torch.tensor(features), torch.tensor(hints))
    assert ours.item() == pytest.approx(expected, rel=1e-10)
    turned = torch.linalg.qr(_logits(2, CLASSES))[0]  # rotated features judge likeness the same
    assert similarity_distance(_logits(0), _logits(0) @ turned).item() == pytest.approx(
        0, abs=1e-20
    )


# -- biases and calibration -------------------------------------------------------------------


@pytest.mark.equation("eq-bias-correction")
@pytest.mark.parametrize(("classes", "share"), [([3], 0.1), ([1, 4], 0.35), ([0], 0.9)])
def test_corrected_bias_gives_the_classes_their_share(classes: list[int], share: float) -> None:
    logits = _logits(0, count=2000)
    logits[:, classes] -= 4.0
    bias = bias_for_share(logits, classes, share)
    logits[:, classes] += bias
    won = torch.isin(logits.argmax(-1), torch.tensor(classes)).double().mean()
    assert won.item() == pytest.approx(share, abs=1 / 2000)


@pytest.mark.equation("eq-bias-correction")
def test_corrected_bias_finds_a_known_shift() -> None:
    logits = _logits(0, count=5000)
    share = (logits.argmax(-1) == 2).double().mean().item()
    logits[:, 2] -= 3.5
    assert bias_for_share(logits, [2], share) == pytest.approx(3.5, abs=0.01)


@pytest.mark.equation("eq-calibration-error")
def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    logits = _logits(0, count=400)
    labels = torch.randint(CLASSES, (400,), generator=torch.Generator().manual_seed(1))
    confidence, answers = logits.softmax(-1).max(-1)
    right = (answers == labels).double().numpy()
    bins = np.minimum((confidence.numpy() * 15).astype(int), 14)
    gap = sum(
        abs(right[bins == k].mean() - confidence.numpy()[bins == k].mean()) * (bins == k).mean()
        for k in np.unique(bins)
    )
    assert calibration_error(logits, labels) == pytest.approx(100 * gap, rel=1e-5)


@pytest.mark.equation("eq-calibration-error")
def test_beliefs_that_come_true_as_often_as_they_say_are_calibrated() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50_000, CLASSES, generator=generator)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1)
    assert calibration_error(logits, labels) < 1.0
    assert calibration_error(5 * logits, labels) > 20.0


# -- generative models ------------------------------------------------------------------------


def _gaussian(seed: int, *shape: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return Gaussian(draws[0], draws[1])


@pytest.mark.equation("eq-gaussian-divergence")
def test_gaussian_divergence_is_that_of_torch() -> None:
    one, other = _gaussian(0, 6, 3), _gaussian(1, 6, 3)
    expected = kl_divergence(
        *(Independent(Normal(side.mean, side.std), 1) for side in (one, other))
    )
    torch.testing.assert_close(gaussian_divergence(one, other), expected)


@pytest.mark.equation("eq-bernoulli-divergence")
def test_bernoulli_divergence_is_that_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = 4 * torch.randn(2, 6, 1, 3, 3, generator=generator, dtype=torch.float64)
    expected = kl_divergence(*(Independent(Bernoulli(logits=side), 3) for side in (one, other)))
    torch.testing.assert_close(bernoulli_divergence(one, other), expected)


@pytest.mark.equation("eq-bernoulli-divergence")
def test_bernoulli_divergence_of_sure_pixels_is_finite() -> None:
    sure = torch.tensor([[[[90.0, -90.0]]]])
    assert bernoulli_divergence(sure, sure).item() == 0
    assert bernoulli_divergence(sure, -sure).item() == pytest.approx(180)


def _tiny_vae(seed: int, hidden: int) -> VAE:
    torch.manual_seed(seed)
    vae = mlp_vae((1, 2, 2), (hidden,), 1).double()
    for parameter in vae.parameters():
        nn.init.normal_(parameter)
    return vae


@pytest.mark.equation("eq-decoder-divergence")
def test_decoder_divergence_bounds_the_divergence_of_what_is_generated() -> None:
    teacher, student = _tiny_vae(0, 6), _tiny_vae(1, 3)
    pixels = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 4)  # every 2×2 image
    images = pixels.view(16, 1, 2, 2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)  # exact p(x) by quadrature over z
    latents = torch.tensor(nodes).view(-1, 1)
    weights = torch.tensor(weights / weights.sum())
    with torch.no_grad():
        p, q = (
            (
                weights[:, None]
                * vae.log_likelihood(images, latents[:, None].expand(-1, 16, -1)).exp()
            ).sum(0)
            for vae in (teacher, student)
        )
        bound = (weights * decoder_divergence(student, teacher, latents)).sum()
    marginal = (p * (p / q).log()).sum()
    assert p.sum().item() == pytest.approx(1, abs=1e-9)
    assert 0 < marginal < bound
    one_way = kl_divergence(
        *(Independent(Bernoulli(logits=vae.decode(latents)), 3) for vae in (teacher, student))
    )
    torch.testing.assert_close(decoder_divergence(student, teacher, latents), one_way)


@pytest.mark.equation("eq-gaussian-divergence")
def test_posterior_divergence_is_expected_over_the_teacher() -> None:
    teacher, student = _tiny_vae(0, 6), _tiny_vae(1, 3)
    images = torch.rand(5, 1, 2, 2, dtype=torch.float64)
    sides = (Normal(q.mean, q.std) for q in (vae.posterior(images) for vae in (teacher, student)))
    expected = kl_divergence(*(Independent(side, 1) for side in sides))
    torch.testing.assert_close(posterior_divergence(student, teacher, images), expected)


@pytest.mark.parametrize(
    "distance",
    [
        feature_distance,
        similarity_distance,
        logit_matching,
        lambda student, teacher: distillation_divergence(student, teacher, 2.0),
    ],
)
def test_no_gradient_reaches_what_the_teacher_says(distance) -> None:
    student, teacher = (_logits(seed).requires_grad_() for seed in (0, 1))
    distance(student, teacher).sum().backward()
    assert student.grad is not None
    assert student.grad.any()
    assert teacher.grad is None


@pytest.mark.parametrize("divergence", [decoder_divergence, posterior_divergence])
def test_no_gradient_reaches_the_weights_of_the_teacher(divergence) -> None:
    teacher, student = _tiny_vae(0, 6), _tiny_vae(1, 3)
    seen = torch.rand(5, 1 if divergence is decoder_divergence else 4, dtype=torch.float64)
    if divergence is posterior_divergence:
        seen = seen.view(5, 1, 2, 2)
    divergence(student, teacher, seen).sum().backward()
    assert any(parameter.grad is not None for parameter in student.parameters())
    assert all(parameter.grad is None for parameter in teacher.parameters())
