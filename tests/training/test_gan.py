"""Training a GAN: both sides learn, frozen parts stay, a killed run resumes to the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latent_transfer.data import ImageSet, load
from latent_transfer.models import GAN, conv_gan
from latent_transfer.training import fit_gan
from latent_transfer.transfer import (
    freeze,
    initialise_from,
    layers,
    mix,
    scale_and_shift,
    snapshot,
)


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return load("digits", size=8).train.subset(slice(0, 200))


def _gan(seed: int = 0) -> GAN:
    torch.manual_seed(seed)
    return conv_gan((1, 8, 8), (8, 16), 8, averaging=0.9)


def _changed(gan: GAN, before: dict[str, torch.Tensor]) -> set[str]:
    now = dict(gan.named_parameters())
    return {name for name, value in before.items() if not torch.equal(value, now[name])}


@pytest.mark.parametrize("game", ["non_saturating", "hinge"])
def test_samples_come_nearer_to_the_data(digits: ImageSet, game: str) -> None:
    gan = _gan().eval()
    generator = torch.Generator()
    mean = digits.pixels().mean(0)
    start = (gan.generate(200, generator.manual_seed(0)).mean(0) - mean).square().sum()
    history = fit_gan(
        gan, digits, game=game, epochs=30, batch_size=50, learning_rate=2e-3, progress=False
    )
    end = (gan.generate(200, generator.manual_seed(0)).mean(0) - mean).square().sum()
    assert end < 0.3 * start
    assert set(history.training) == {"loss", "discriminator", "generator"}
    assert not gan.training


def test_rates_of_the_two_sides_are_their_own(digits: ImageSet) -> None:
    moved = {}
    for rate in (1e-3, 1e-2):
        gan = _gan()
        before = snapshot(gan, "discriminator")
        fit_gan(gan, digits, epochs=1, discriminator_rate=rate, progress=False)
        now = dict(gan.named_parameters())
        moved[rate] = sum((now[name] - value).norm().item() for name, value in before.items())
    assert moved[1e-2] > 3 * moved[1e-3]


def test_frozen_parts_stay(digits: ImageSet) -> None:
    gan = _gan()
    first = layers(gan, "discriminator")[:1]
    freeze(gan, *first)
    before = snapshot(gan, "generator", "discriminator")
    fit_gan(gan, digits, epochs=1, progress=False)
    stayed = before.keys() - _changed(gan, before)
    assert first == ["discriminator.convolutions.0"]
    assert stayed == {name for name in before if name.startswith(first[0])}


def test_scale_and_shift_moves_nothing_else(digits: ImageSet) -> None:
    gan = scale_and_shift(_gan(), "generator")
    before = snapshot(gan, "generator")
    fit_gan(gan, digits, epochs=1, progress=False)
    assert _changed(gan, before) == {
        f"generator.{norm}.{name}"
        for norm in ("head.2", "convolutions.1")
        for name in ("weight", "bias")
    }
    with pytest.raises(ValueError, match="discriminator has no normalisation to tune"):
        scale_and_shift(gan, "discriminator")


def test_a_moved_gan_draws_what_its_source_drew() -> None:
    source, target = _gan(0).eval(), _gan(1).eval()
    initialise_from(source, target, ["generator", "average"])
    pairs = [gan.generate(3, torch.Generator().manual_seed(0)) for gan in (source, target)]
    assert torch.equal(*pairs)


def test_a_killed_run_ends_with_the_same_bits(digits: ImageSet, tmp_path: Path) -> None:
    whole, cut = _gan(), _gan()
    fit_gan(whole, digits, epochs=3, progress=False)

    def stop(model: torch.nn.Module, progress: float) -> None:
        if progress > 0.5:
            raise KeyboardInterrupt

    path = tmp_path / "gan.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit_gan(cut, digits, epochs=3, checkpoint=path, before_epoch=stop, progress=False)
    again = _gan()
    fit_gan(again, digits, epochs=3, checkpoint=path, progress=False)
    expected = whole.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in again.state_dict().items())


def test_a_mixture_has_the_share_of_target_images(digits: ImageSet) -> None:
    target = digits.subset(slice(0, 7))
    mixed = mix(digits, target, share=0.5)
    counts = mixed.counts()
    assert counts == {"source": 200, "target": 7 * 29}  # 200 / 7, rounded
    assert torch.equal(mixed.images[:200], digits.images)
    assert torch.equal(mixed.images[-7:], target.images)
    assert mix(digits, target, share=0.001).counts()["target"] == 7
    with pytest.raises(ValueError, match="share must lie above 0 and below 1, not at 1"):
        mix(digits, target, share=1)
    with pytest.raises(ValueError, match="images of one shape"):
        mix(digits, target.resize(10), share=0.5)
