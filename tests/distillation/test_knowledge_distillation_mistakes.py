"""The chapter's common mistakes, guarded: each would make one of these tests fail."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.data import Batch, ImageSet
from latent_transfer.evaluation import predict_logits
from latent_transfer.models import mlp_classifier
from latent_transfer.objectives import (
    classification_loss,
    distillation_divergence,
    distillation_loss,
    soft_cross_entropy,
    soft_targets,
)
from latent_transfer.training import distil, fit

SHAPE, CLASSES = (1, 4, 4), 10


def _logits(seed: int, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(6, CLASSES, generator=generator).double()


def _images(count: int = 40) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(count, *SHAPE, generator=generator)
    labels = torch.arange(count) % CLASSES
    return ImageSet.from_pixels(pixels, labels, tuple(map(str, range(CLASSES))))


def _classifier(seed: int, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    return mlp_classifier(SHAPE, CLASSES, (16,), dropout=dropout)


def _gradient(loss: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss, logits)[0]


def test_kl_and_cross_entropy_are_one_signal() -> None:
    student, teacher = _logits(0).requires_grad_(), _logits(1)
    for temperature in (0.5, 1.0, 8.0):
        targets = soft_targets(teacher, temperature)
        crossed = soft_cross_entropy(student / temperature, targets).sum()
        divergence = distillation_divergence(student, teacher, temperature).sum()
        assert (crossed - divergence / temperature**2).abs() > 1e-3  # other values ...
        torch.testing.assert_close(  # ... and the same gradient
            _gradient(crossed, student), _gradient(divergence, student) / temperature**2
        )


def test_the_divergence_is_a_sum_over_classes() -> None:
    student, teacher, temperature = _logits(0), _logits(1), 4.0
    log_q = (student / temperature).log_softmax(-1)
    p = (teacher / temperature).softmax(-1)
    ours = distillation_divergence(student, teacher, temperature).mean() / temperature**2
    torch.testing.assert_close(ours, nn.KLDivLoss(reduction="batchmean")(log_q, p))
    with pytest.warns(UserWarning, match="batchmean"):
        default = nn.KLDivLoss()(log_q, p)
    torch.testing.assert_close(ours / default, torch.tensor(CLASSES).double())


def test_the_square_keeps_the_gradient_s_size() -> None:
    student, teacher = _logits(0).requires_grad_(), _logits(1)
    sizes = {
        temperature: _gradient(
            distillation_divergence(student, teacher, temperature).sum(), student
        ).norm()
        for temperature in (5.0, 50.0)
    }
    assert 0.8 < sizes[50.0] / sizes[5.0] < 1.25
    assert (sizes[50.0] / 50**2) / (sizes[5.0] / 5**2) < 0.0125  # what is left without it


def test_the_mixture_has_the_square_in_it() -> None:
    model, images = _classifier(0), _images()
    teacher = 5 * torch.randn(len(images), CLASSES, generator=torch.Generator().manual_seed(1))
    batch = Batch(images.pixels(), images.labels)
    terms = distillation_loss(
        model, batch, teacher_logits=teacher, temperature=20.0, label_weight=0.5
    )
    log_q = (model(images.pixels()) / 20).log_softmax(-1)
    soft = 400 * nn.KLDivLoss(reduction="batchmean")(log_q, (teacher / 20).softmax(-1))
    hard = classification_loss(model, batch)["loss"]
    torch.testing.assert_close(terms["loss"], (soft + hard) / 2)


def test_a_softmax_taken_for_logits_leaves_no_belief() -> None:
    teacher = _logits(2, scale=10.0)
    assert soft_targets(teacher, 4.0).max() > 0.5
    assert soft_targets(teacher.softmax(-1), 4.0).max() < 0.125
    answers = 100 * _classifier(0)(_images().pixels())
    assert answers.min() < 0  # what a classifier answers are logits, not probabilities


def test_a_teacher_left_in_training_mode_is_put_into_evaluation_mode() -> None:
    images, weights = _images(), []
    for mode in (True, False):
        teacher = _classifier(1, dropout=0.5).train(mode)
        student = _classifier(2)
        distil(student, teacher, images, temperature=4.0, epochs=2, progress=False)
        assert not teacher.training
        weights.append(torch.cat([p.detach().flatten() for p in student.parameters()]))
    assert torch.equal(*weights)
    teacher.train()
    assert not torch.equal(teacher(images.pixels()), predict_logits(teacher, images))


def test_beliefs_of_half_precision_logits_add_up_to_one() -> None:
    student, teacher = _logits(0).bfloat16().requires_grad_(), _logits(1).float()
    with torch.autocast("cpu", torch.bfloat16):
        divergence = distillation_divergence(student, teacher, 20.0)
        exact = distillation_divergence(student.double(), teacher.double(), 20.0)
    assert divergence.dtype == torch.float32
    torch.testing.assert_close(divergence.double(), exact, rtol=1e-3, atol=1e-4)


def test_a_transfer_depends_on_its_source() -> None:
    images = _images()
    meant: list[torch.Tensor] = []
    listed: list[torch.Tensor] = []
    for seed in (1, 2):
        teacher = _classifier(seed)
        for kept, transferred in ((meant, True), (listed, False)):
            student = _classifier(3)
            if transferred:
                distil(student, teacher, images, temperature=4.0, epochs=1, progress=False)
            else:
                fit(student, images, _label_loss, epochs=1, progress=False)
            kept.append(torch.cat([p.detach().flatten() for p in student.parameters()]))
    assert not torch.equal(*meant)
    assert torch.equal(*listed)


def _label_loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    return classification_loss(model, batch)
