"""The chapter's common mistakes, guarded: each would make one of these tests fail."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.evaluation import (
    copying,
    density_coverage,
    frechet_distance,
    kernel_distance,
    nearest,
)
from latent_transfer.models import feature_autoencoder, mlp_gan
from latent_transfer.nets import small_vgg_features
from latent_transfer.objectives import squared_error
from latent_transfer.training import fit_gan
from latent_transfer.transfer import initialise_from, mix


def _normal(count: int, size: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(64, 100), (3, 100), (3, 3, 100), (2, 100, 8, 8)])
def test_noise_is_no_image_for_a_classifier(shape: tuple[int, ...]) -> None:
    # Without the check, the first two would pass: broadcasting makes one colour image of them.
    with pytest.raises(ValueError, match="takes batches of images, B×1×H×W or B×3×H×W"):
        small_vgg_features((4,))(torch.randn(shape))


def test_a_classifier_s_features_of_noise_images_hardly_vary() -> None:
    torch.manual_seed(0)
    features = small_vgg_features((8, 16))
    noise = torch.rand(50, 1, 16, 16)
    flat = torch.rand(50, 1, 1, 1).expand(-1, -1, 16, 16)  # as bright, and different

    def spread(images: torch.Tensor) -> float:
        # What is left after averaging over places: which picture it is, not where its grains are.
        maps = features(images).mean((2, 3))
        return (maps.var(0).sum() / maps.square().sum(1).mean()).item()

    assert spread(noise) < spread(flat) / 10


def test_an_autoencoder_draws_codes_from_a_prior_not_noise_images() -> None:
    torch.manual_seed(0)
    model = feature_autoencoder(small_vgg_features((4, 8)), (1, 8, 8), 4, channels=(4, 8))
    with pytest.raises(ValueError, match="has no prior of its own"):
        model.generate(3)
    model.fit_prior(torch.rand(10, 1, 8, 8))
    assert model.generate(3).shape == (3, 1, 8, 8)


def test_a_row_of_numbers_is_no_image() -> None:
    torch.manual_seed(0)
    listing = nn.Sequential(small_vgg_features((4, 8)), nn.Flatten(), nn.Linear(8 * 8 * 8, 16384))
    images = torch.rand(2, 3, 32, 32)
    with pytest.raises(ValueError, match="must return the encoder's shape"):
        squared_error(listing(images), images)
    mended = feature_autoencoder(small_vgg_features((4, 8)), channels=(4, 8))
    assert mended.reconstruct(images).shape == images.shape


def test_chosen_samples_prove_nothing_and_a_distance_sees_through_them() -> None:
    real, good, bad = _normal(300), _normal(300, seed=1), 1.5 * _normal(300, seed=2) + 0.5
    chosen = bad[nearest(bad, real)[0].argsort()[:14]]
    assert nearest(chosen, real)[0].mean() < nearest(good, real)[0].mean()
    assert kernel_distance(real, bad) > kernel_distance(real, good) + 0.1


def test_frechet_distances_of_unequal_samples_compare_the_sizes() -> None:
    real, samples = _normal(2_000), _normal(2_000, seed=1)
    few, many = (frechet_distance(real, samples[:count]) for count in (20, 2_000))
    assert few > 10 * many
    kernel = [kernel_distance(real, part) for part in samples.split(20)]
    assert abs(sum(kernel) / len(kernel)) < 0.02


def test_the_images_that_chose_a_checkpoint_are_too_kind_to_it() -> None:
    real = _normal(2_000)
    candidates = [_normal(100, seed=seed) for seed in range(1, 11)]  # all equally good
    gaps = []
    for chooses, judges in zip(real.split(25)[:20], real.split(25)[20:40], strict=True):
        seen = [kernel_distance(chooses, samples) for samples in candidates]
        best = min(range(10), key=seen.__getitem__)
        gaps.append(kernel_distance(judges, candidates[best]) - seen[best])
    assert sum(gaps) / len(gaps) > 0.01


def test_what_is_generated_comes_from_the_average() -> None:
    torch.manual_seed(0)
    gan = mlp_gan((1, 2, 2), (4,), 2, averaging=0.9)
    gan.update_average()
    before = gan.generate(5, torch.Generator().manual_seed(0))
    for weight in gan.generator.parameters():
        weight.data.add_(3.0)
    after = gan.generate(5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(after, before)
    gan.update_average()
    assert not torch.allclose(gan.generate(5, torch.Generator().manual_seed(0)), before)


def test_training_feeds_the_average_and_a_move_takes_it_along() -> None:
    torch.manual_seed(0)
    source, target = (mlp_gan((1, 2, 2), (4,), 2) for _ in range(2))
    images = ImageSet.from_pixels(torch.rand(6, 1, 2, 2), torch.zeros(6).long(), ("any",))
    fit_gan(source, images, epochs=1, progress=False)
    assert source.average.n_averaged == 1
    initialise_from(source, target, ["generator", "average", "discriminator"])
    drawn = [gan.generate(4, torch.Generator().manual_seed(0)) for gan in (source, target)]
    torch.testing.assert_close(*drawn)
    # Without "average", a moved GAN that is not trained yet draws from untrained weights.
    bare = mlp_gan((1, 2, 2), (4,), 2)
    initialise_from(source, bare, ["generator", "discriminator"])
    assert not torch.allclose(bare.generate(4, torch.Generator().manual_seed(0)), drawn[0])


def test_replay_has_a_good_distance_and_is_caught_by_copying_and_coverage() -> None:
    real, train = _normal(400, size=4), _normal(200, size=4, seed=1)
    replay = train[torch.randint(200, (400,), generator=torch.Generator().manual_seed(2))]
    fresh = _normal(400, size=4, seed=3)
    assert kernel_distance(real, replay) < 0.15
    assert copying(replay, train, real) > 99
    assert 40 < copying(fresh, train, real) < 60
    few = replay[:10].repeat(40, 1)
    assert density_coverage(real, few).coverage < density_coverage(real, fresh).coverage / 2


def test_a_mixture_keeps_every_target_image_and_says_which_is_which() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(12, 1, 2, 2, generator=generator)
    labels = torch.zeros(12, dtype=torch.int64)
    images = ImageSet.from_pixels(pixels, labels, ("any",))
    both = mix(images.subset(slice(0, 10)), images.subset(slice(10, 12)), share=0.75)
    assert both.counts() == {"source": 10, "target": 30}
    targets = both.only(["target"]).images
    assert all((targets == image).flatten(1).all(1).sum() == 15 for image in images.images[10:])
