"""Errors in per cent, over images and over classes, with dropout off."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.evaluation import balanced_error, classification_error, predict_logits


class Threshold(nn.Module):
    """Says class 1 where the first pixel is bright, behind a dropout that would spoil it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(0.9)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = self.dropout(images[:, 0, 0, 0] - 0.5) * self.scale
        return torch.stack([-bright, bright, torch.full_like(bright, -9)], 1)


@pytest.fixture
def images() -> ImageSet:
    """Eight dark images of class 0, and of class 1 one bright and one dark; none of class 2."""
    pixels = torch.zeros(10, 1, 2, 2, dtype=torch.uint8)
    pixels[8] = 255
    return ImageSet(pixels, torch.tensor([0] * 8 + [1, 1]), ("a", "b", "c"))


def test_one_in_ten_is_wrong(images: ImageSet) -> None:
    error = classification_error(Threshold().train(), images)
    assert error.mean == pytest.approx(10)
    assert error.standard_error == pytest.approx(10)  # of ten values 0 or 100
    assert error.count == 10


def test_classes_count_alike_when_balanced(images: ImageSet) -> None:
    assert balanced_error(Threshold(), images) == pytest.approx((0 + 50) / 2)


def test_logits_of_all_images_in_order(images: ImageSet) -> None:
    model = Threshold().train()
    logits = predict_logits(model, images, batch_size=3)
    assert model.training  # as it was, and yet nothing was dropped:
    assert torch.equal(logits, model.eval()(images.pixels()))
    assert not logits.requires_grad
