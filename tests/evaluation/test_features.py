"""Few-label errors: better features give lower errors, and methods meet the same labels."""

from __future__ import annotations

import pytest
import torch

from latent_transfer.data import ImageSet, load
from latent_transfer.evaluation import few_label_errors, linear_probe


@pytest.fixture(scope="module")
def digits() -> tuple[ImageSet, ImageSet]:
    data = load("digits", size=8)
    return data.train.only(["0", "1", "3"]), data.test.only(["0", "1", "3"])


def _errors(
    digits: tuple[ImageSet, ImageSet], features: object, per_class: int = 3, seed: int = 0
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return few_label_errors(
        features,  # type: ignore[arg-type]
        *digits,
        per_class=per_class,
        draws=6,
        generator=generator,
    )


def _pixels(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1)


def test_more_labels_give_fewer_errors(digits: tuple[ImageSet, ImageSet]) -> None:
    few, many = _errors(digits, _pixels, 1), _errors(digits, _pixels, 50)
    assert many.mean() < few.mean()
    assert many.mean() < 5


def test_features_without_information_are_at_chance(digits: tuple[ImageSet, ImageSet]) -> None:
    errors = _errors(digits, lambda images: torch.zeros(len(images), 2))
    assert errors.tolist() == pytest.approx([100 * 2 / 3] * 6, abs=2)


def test_methods_are_compared_on_the_same_labels(digits: tuple[ImageSet, ImageSet]) -> None:
    scaled = _errors(digits, lambda images: 3 * _pixels(images))
    assert torch.equal(_errors(digits, _pixels), scaled)
    assert not torch.equal(_errors(digits, _pixels, seed=1), scaled)


def test_one_class_is_refused(digits: tuple[ImageSet, ImageSet]) -> None:
    one = tuple(images.only(["0"]) for images in digits)
    with pytest.raises(ValueError, match=r"A classifier needs images of at least two classes"):
        _errors(one, _pixels)  # type: ignore[arg-type]


def test_more_labels_than_there_are_is_refused(digits: tuple[ImageSet, ImageSet]) -> None:
    with pytest.raises(ValueError, match=r"1000 images of each class were asked for"):
        _errors(digits, _pixels, 1000)


def test_the_linear_probe_standardises_and_generalises() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2
    features = torch.randn(200, 3, generator=generator) * torch.tensor([1e3, 1.0, 1e-3])
    features[:, 2] += 0.01 * labels  # the only useful feature is a thousand times too small
    assert linear_probe(features[:100], labels[:100], features[100:], labels[100:]) < 2
    useless = features[:, :2]
    assert 30 < linear_probe(useless[:100], labels[:100], useless[100:], labels[100:]) < 70
    with pytest.raises(ValueError, match="at least two classes"):
        linear_probe(features, torch.zeros_like(labels), features, labels)
