"""The chapter's common mistakes, guarded: each would make one of these tests fail."""

from __future__ import annotations

from functools import cache
from math import log

import pytest
import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.evaluation import evidence_bound
from latent_transfer.models import VAE, mlp_m2, mlp_vae
from latent_transfer.objectives import bernoulli_divergence, decoder_divergence, negative_elbo
from latent_transfer.training import class_tasks, draw_transfer_set, fit, join, learn_in_turn

SHAPE = (1, 3, 3)


def _set(pixels: torch.Tensor) -> ImageSet:
    return ImageSet.from_pixels(pixels, torch.zeros(len(pixels), dtype=torch.int64), ("any",))


@cache
def _trained() -> tuple[VAE, ImageSet]:
    """A VAE with one latent that tells images lit on top from images lit below."""
    top = torch.tensor([0.9, 0.5, 0.1]).repeat_interleave(3).view(SHAPE)
    probabilities = torch.stack([top, 1 - top]).repeat(100, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    images = _set(torch.bernoulli(probabilities, generator=generator))
    torch.manual_seed(0)
    vae = mlp_vae(SHAPE, (16,), 1)
    fit(
        vae,
        images,
        lambda model, batch: negative_elbo(vae, batch.images),
        epochs=60,
        learning_rate=1e-2,
        progress=False,
    )
    return vae, images


class _Turned(nn.Module):
    """An encoder whose latent means the opposite."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.encoder(images)
        return outputs * torch.tensor([-1.0, 1.0])


def test_an_encoder_of_another_language_does_not_fit_a_matched_decoder() -> None:
    teacher, images = _trained()
    matched = VAE(teacher.encoder, teacher.decoder, 1)
    apart = VAE(_Turned(teacher.encoder), teacher.decoder, 1)
    latents = torch.linspace(-3, 3, 11)[:, None]
    # The decoders agree, so that the loss says nothing of the encoder ...
    assert decoder_divergence(apart, teacher, latents).abs().max() < 1e-6
    # ... which is of no use beside them.
    assert (
        evidence_bound(matched, images, samples=20).mean
        > evidence_bound(apart, images, samples=20).mean + 1
    )


def test_equal_images_from_turned_latents_are_far_apart_by_the_bound() -> None:
    teacher, _ = _trained()
    flip = nn.Linear(1, 1, bias=False)
    nn.init.constant_(flip.weight, -1.0)
    turned = VAE(teacher.encoder, nn.Sequential(flip, teacher.decoder), 1)
    latents = torch.linspace(-3, 3, 61)[:, None]  # symmetric, as the prior is
    torch.testing.assert_close(turned.decode(latents), teacher.decode(latents.flip(0)))
    assert decoder_divergence(turned, teacher, latents).mean() > 1


def test_the_divergence_averages_over_the_teacher_s_pixels() -> None:
    open_pixel, decided = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), -20.0)
    right = bernoulli_divergence(open_pixel, decided).item()
    reversed_ = bernoulli_divergence(decided, open_pixel).item()
    assert right == pytest.approx(10 - log(2), abs=1e-3)  # a student that decides pays dearly
    assert reversed_ == pytest.approx(log(2), abs=1e-3)  # reversed, it would hardly pay

    class Fixed(nn.Module):
        def __init__(self, logits: torch.Tensor) -> None:
            super().__init__()
            self.logits = logits

        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            return self.logits.expand(len(latents), 1, 1, 1)

    student, teacher = (VAE(nn.Identity(), Fixed(x), 1) for x in (decided, open_pixel))
    assert decoder_divergence(student, teacher, torch.zeros(1, 1)).item() == pytest.approx(right)


def test_grey_is_right_for_a_decoder_and_wrong_for_an_encoder() -> None:
    vae, _ = _trained()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        z = torch.randn(1, 1, generator=generator)
        greys = vae.likelihood.mean(vae.decode(z))  # 1×1×3×3
        draws = torch.bernoulli(greys.expand(20_000, *SHAPE), generator=generator)
        told = vae.log_likelihood(draws, z.expand(20_000, 1))
        assert told.mean().item() == pytest.approx(vae.log_likelihood(greys, z).item(), abs=0.1)
        spread = vae.posterior(draws).mean.std()
    assert spread > 0.05  # the encoder answers to the draws; the grey image has one answer


def test_a_transfer_set_is_binary_unless_asked_otherwise() -> None:
    torch.manual_seed(0)
    m2, labels = mlp_m2(SHAPE, classes=2, hidden=(4,), latent_size=1), torch.tensor([0, 1] * 20)
    generator = torch.Generator().manual_seed(0)
    drawn = draw_transfer_set(m2, labels, ("a", "b"), generator)
    grey = draw_transfer_set(m2, labels, ("a", "b"), generator, binarize=False)
    assert set(drawn.images.unique().tolist()) == {0, 255}
    assert len(grey.images.unique()) > 2
    assert torch.equal(drawn.labels, labels)


def test_a_teacher_prefers_rounded_samples_to_real_images() -> None:
    teacher, images = _trained()
    with torch.no_grad():
        greys = teacher.generate(200, torch.Generator().manual_seed(2))
    rounded = evidence_bound(teacher, _set(greys.round()), samples=20).mean
    assert rounded > evidence_bound(teacher, images, samples=20).mean + 1


class _Remembers(nn.Module):
    """Knows the classes on which it was trained last, and draws only those."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.known = nn.Parameter(torch.zeros(classes), requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) * self.known


def test_a_memory_of_the_newest_task_loses_the_first() -> None:
    labels = torch.arange(30) % 3
    pixels = nn.functional.one_hot(labels, 3).float().view(30, 1, 1, 3)
    images = ImageSet.from_pixels(pixels, labels, ("a", "b", "c"))
    tasks = class_tasks(images, 1)

    def learn(model: nn.Module, given: ImageSet, seen: int) -> None:
        assert isinstance(model, _Remembers)
        model.known.copy_(nn.functional.one_hot(given.labels, 3).amax(0).float() - 0.5)

    def every_class(model: nn.Module, seen: int) -> ImageSet:
        return join(*tasks[:seen])

    def newest_class(model: nn.Module, seen: int) -> ImageSet:
        return tasks[seen - 1]

    full = learn_in_turn(_Remembers(3), tasks, tasks, learn, every_class)
    short = learn_in_turn(_Remembers(3), tasks, tasks, learn, newest_class)
    assert full[-1].tolist() == [100, 100, 100]
    assert short[-1].tolist() == [0, 100, 100]
