"""Training students: who is asked, how often, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.evaluation import agreement, predict_logits
from latent_transfer.models import Classifier, mlp_classifier
from latent_transfer.objectives import (
    classification_loss,
    distillation_divergence,
    feature_distance,
    soft_targets,
)
from latent_transfer.training import bias_for_share, distil, fit, fit_to_targets

NAMES = ("a", "b", "c")
SHAPE = (1, 4, 4)


def _images(count: int = 60, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    pixels = torch.randint(0, 80, (count, *SHAPE), generator=generator)
    pixels[torch.arange(count), 0, 0, labels] += 150  # the class shows in the first row
    return ImageSet(pixels.to(torch.uint8), labels, NAMES)


def _classifier(seed: int = 0, **options: float) -> Classifier:
    torch.manual_seed(seed)
    return mlp_classifier(SHAPE, 3, (16, 12), **options)


class _Counting(nn.Module):
    """A teacher that counts the images it is shown and notes its mode."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.seen, self.modes = model, 0, set[bool]()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        self.modes.add(self.training)
        return self.model(images)


def _settings(epochs: int = 3) -> dict:
    return {"epochs": epochs, "batch_size": 20, "learning_rate": 1e-2, "progress": False}


def test_the_teacher_is_asked_once_an_image() -> None:
    teacher = _Counting(_classifier(dropout=0.5)).train()
    distil(_classifier(1), teacher, _images(), temperature=4, **_settings())
    assert teacher.seen == 60
    assert teacher.modes == {False}


@pytest.mark.parametrize("change", [{"transform": lambda images: images}, {"binarize": True}])
def test_the_teacher_is_asked_anew_when_images_change(change: dict) -> None:
    teacher = _Counting(_classifier(dropout=0.5)).train()
    distil(_classifier(1), teacher, _images(), temperature=4, **change, **_settings())
    assert teacher.seen == 3 * 60
    assert teacher.modes == {False}


@pytest.mark.parametrize("label_weight", [0.0, 0.5])
def test_kept_answers_train_the_same_student_as_fresh_ones(label_weight: float) -> None:
    teacher, students = _classifier(), [_classifier(1), _classifier(1)]
    for student, fresh in zip(students, ({}, {"transform": lambda images: images}), strict=True):
        distil(
            student,
            teacher,
            _images(),
            temperature=4,
            label_weight=label_weight,
            **fresh,
            **_settings(10),
        )
    kept, fresh_ones = (predict_logits(student, _images()) for student in students)
    torch.testing.assert_close(kept, fresh_ones, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(kept, predict_logits(_classifier(1), _images()), atol=0.1)


def test_known_logits_serve_as_well_as_the_teacher_itself() -> None:
    teacher, one, other = _classifier(), _classifier(1), _classifier(1)
    distil(one, teacher, _images(), temperature=2, **_settings())
    distil(other, predict_logits(teacher, _images()), _images(), temperature=2, **_settings())
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_student_learns_what_its_teacher_knows_without_a_label() -> None:
    images = _images()
    teacher = _classifier()
    fit(
        teacher,
        images,
        lambda model, batch: classification_loss(model, batch),
        **_settings(30),
    )
    student = _classifier(1)
    wrong = ImageSet(images.images, images.labels.roll(1), NAMES)  # labels would mislead
    history = distil(student, teacher, wrong, temperature=4, **_settings(60))
    answers = [predict_logits(model, _images(seed=5)) for model in (student, teacher)]
    assert agreement(*answers) > 95
    assert history.training["loss"][-1] < 0.1 * history.training["loss"][0]


def test_targets_go_with_their_images() -> None:
    images, seen = _images(), []
    targets = images.pixels().flatten(1)

    def loss(model, batch, rows):
        assert torch.equal(batch.images.flatten(1), rows)
        seen.append(batch.labels)
        assert torch.equal(batch.labels, rows[:, :3].argmax(1))  # labels come through as well
        return {"loss": model(batch.images).square().mean()}

    fit_to_targets(_classifier(), images, targets, loss, **_settings(2))
    assert torch.bincount(torch.cat(seen)).tolist() == [40, 40, 40]


def test_hints_shape_the_features_of_a_student() -> None:
    images, teacher = _images(), _classifier()
    student = mlp_classifier(SHAPE, 3, (5,))
    with torch.no_grad():
        hints = teacher.features(images.pixels())
    guided = nn.Sequential(student.encoder, nn.Linear(student.feature_size, hints.shape[1]))
    history = fit_to_targets(
        guided,
        images,
        hints,
        lambda model, batch, rows: {"loss": feature_distance(model(batch.images), rows).mean()},
        **_settings(40),
    )
    assert history.training["loss"][-1] < 0.3 * history.training["loss"][0]


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperatures_must_be_positive(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        distil(_classifier(), _classifier(1), _images(), temperature=temperature, **_settings())
    with pytest.raises(ValueError, match="temperature must be positive"):
        soft_targets(torch.zeros(2, 3), temperature)


def test_classes_must_be_the_same() -> None:
    teacher = mlp_classifier(SHAPE, 4, (8,))
    with pytest.raises(ValueError, match="same classes"):
        distil(_classifier(), teacher, _images(), temperature=2, **_settings())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_teacher_that_diverged_is_refused_before_training(bad: float) -> None:
    teacher, student = _classifier(), _classifier(1)
    nn.init.constant_(teacher.head[0].bias, bad)
    before = student.head[0].weight.clone()
    with pytest.raises(ValueError, match="not finite for 60 of 60 images"):
        distil(student, teacher, _images(), temperature=2, **_settings())
    assert torch.equal(student.head[0].weight, before)
    with pytest.raises(ValueError, match="not finite for 1 of 2"):
        distillation_divergence(torch.zeros(2, 3), torch.tensor([[0, 0, bad], [0, 0, 0]]), 1.0)


def test_an_empty_transfer_set_is_refused() -> None:
    with pytest.raises(ValueError, match="one or more positions"):
        distil(
            _classifier(),
            _classifier(1),
            _images().subset(torch.zeros(60, dtype=torch.bool)),
            temperature=2,
            **_settings(),
        )


def test_label_weight_must_be_a_share() -> None:
    with pytest.raises(ValueError, match=r"label_weight must lie in \[0, 1\]"):
        distil(
            _classifier(), _classifier(1), _images(), temperature=2, label_weight=2, **_settings()
        )


def test_every_image_needs_its_target() -> None:
    with pytest.raises(ValueError, match="59 rows of targets for 60 images"):
        distil(_classifier(), torch.zeros(59, 3), _images(), temperature=2, **_settings())


@pytest.mark.parametrize("change", [{"transform": lambda images: images}, {"binarize": True}])
def test_known_answers_do_not_fit_images_that_change(change: dict) -> None:
    with pytest.raises(ValueError, match="give the teacher itself"):
        distil(_classifier(), torch.zeros(60, 3), _images(), temperature=2, **change, **_settings())


def test_hints_of_another_width_need_an_adapter() -> None:
    with pytest.raises(ValueError, match="put a linear adapter on the student"):
        feature_distance(torch.zeros(2, 3), torch.zeros(2, 4))


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5])
def test_a_share_is_no_certainty(share: float) -> None:
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        bias_for_share(torch.zeros(4, 3), [1], share)


@pytest.mark.parametrize("classes", [[], [0, 1, 2]])
def test_some_but_not_all_classes_have_their_bias_moved(classes: list[int]) -> None:
    with pytest.raises(ValueError, match="but not all"):
        bias_for_share(torch.zeros(4, 3), classes, 0.5)
