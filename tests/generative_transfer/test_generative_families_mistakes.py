"""The mistakes that the chapter on families of generative models shows, each guarded."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.mixture import GaussianMixture

from latent_transfer import data, evaluation, models
from latent_transfer.data import ImageSet
from latent_transfer.training import FeatureSpace


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return data.load("digits", size=8).train.binarized(torch.Generator().manual_seed(0))


def test_a_density_depends_on_the_unit_and_a_probability_does_not(digits: ImageSet) -> None:
    pixels = digits.pixels()[:300].flatten(1)
    densities, probabilities = [], []
    for unit in (1.0, 255.0):
        mixture = GaussianMixture(
            5, covariance_type="diag", reg_covar=0.04 * unit**2, random_state=0
        ).fit(unit * pixels.numpy())
        densities.append(mixture.score(unit * pixels.numpy()))
        means, variances = (
            torch.tensor(found).float() for found in (mixture.means_, mixture.covariances_)
        )
        above = (means - unit / 2) / variances.sqrt()
        logits = torch.special.log_ndtr(above) - torch.special.log_ndtr(-above)
        shares = torch.tensor(mixture.weights_).float().log()
        coins = models.DiscreteMixture(shares, logits.view(-1, 1, 8, 8))
        probabilities.append(coins.log_evidence(digits.pixels()[:300]).mean().item())
    assert densities[0] - densities[1] == pytest.approx(64 * math.log(255), abs=0.5)
    assert probabilities[0] == pytest.approx(probabilities[1], abs=0.05)


def test_a_rounded_mixture_is_as_probable_as_it_is_frequent() -> None:
    mean, std = torch.tensor([0.3, 0.8]), torch.tensor([0.4, 0.2])
    above = (mean - 0.5) / std
    logits = torch.special.log_ndtr(above) - torch.special.log_ndtr(-above)
    coins = models.DiscreteMixture(torch.zeros(1), logits.view(1, 1, 1, 2))
    drawn = mean + std * torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))
    frequencies = torch.bincount(((drawn > 0.5).long() @ torch.tensor([2, 1])), minlength=4) / 1e5
    every = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).view(4, 1, 1, 2)
    torch.testing.assert_close(coins.log_evidence(every).exp(), frequencies, rtol=0, atol=0.01)


class _Leaky(models.NADE):
    """Its running sum includes the pixel that is to be predicted."""

    def conditionals(self, images: torch.Tensor) -> torch.Tensor:
        inputs = images.flatten(1)[..., None] * self.input_weight
        hidden = (self.input_bias + inputs.cumsum(1)).sigmoid()
        return ((hidden * self.output_weight).sum(-1) + self.output_bias).view_as(images)


def test_a_pixel_that_sees_itself_makes_no_distribution() -> None:
    every = torch.cartesian_prod(*6 * [torch.tensor([0.0, 1.0])]).view(64, 1, 2, 3)
    totals = []
    for family in (models.NADE, _Leaky):
        torch.manual_seed(0)
        model = family((1, 2, 3), hidden=4)
        for weight in (model.input_weight, model.output_weight):
            torch.nn.init.constant_(weight, 5.0)  # "the sum so far says that it is on"
        torch.nn.init.constant_(model.input_bias, -2.5)
        torch.nn.init.constant_(model.output_bias, -10.0)
        totals.append(model.log_density(every).exp().sum().item())
    assert totals[0] == pytest.approx(1, abs=1e-5)
    assert totals[1] > 3


def test_a_bound_is_below_the_likelihood_that_it_stands_for(digits: ImageSet) -> None:
    torch.manual_seed(0)
    vae = models.mlp_vae(digits.shape, (16,), 4)
    with torch.no_grad():  # an encoder that is sure of itself and wrong
        vae.encoder.layers[-1].bias[:4] += 1
    some = digits.subset(slice(0, 50))
    nll = evaluation.negative_log_likelihood(vae, some, samples=500).mean
    assert -evaluation.evidence_bound(vae, some, samples=20).mean > nll + 0.5


def test_training_mode_changes_features_and_a_feature_space_does_not_allow_it(
    digits: ImageSet,
) -> None:
    torch.manual_seed(0)
    net = models.mlp_classifier(digits.shape, 10, (32, 16), dropout=0.5).train()
    pixels = digits.pixels()[:200]
    with torch.no_grad():
        first, second = net.features(pixels), net.features(pixels)
    assert evaluation.frechet_distance(first, second) > 1e-3
    space = FeatureSpace("a net left in training mode", net)
    assert torch.equal(space(pixels), space(pixels))
    assert net.training  # as it was found


def test_few_real_images_are_far_from_real_images_by_the_frechet_distance_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1_000, 16, generator=generator)
    shifted = torch.randn(500, 16, generator=generator) + 0.15  # truly another distribution
    few = evaluation.frechet_distance(features[:20], features[500:])
    assert few > evaluation.frechet_distance(shifted, features[500:]) + 1
    kernel = evaluation.real_against_real(
        evaluation.kernel_distance, features, count=20, draws=200, generator=generator
    )
    assert abs(kernel.mean()) < 3 * kernel.std() / math.sqrt(50)


def test_a_memory_wins_the_distance_and_loses_the_test_for_copying(digits: ImageSet) -> None:
    train, held_out = digits.subset(slice(0, 700)), digits.subset(slice(700, 1_400))
    memory = train.pixels()[torch.randperm(700, generator=torch.Generator().manual_seed(1))]
    noisy = held_out.pixels()[:300].clone()  # a generator that learnt, and errs a little
    flips = torch.rand(noisy.shape, generator=torch.Generator().manual_seed(2)) < 0.1
    noisy[flips] = 1 - noisy[flips]
    real = held_out.pixels()[300:].flatten(1)
    distances = [
        evaluation.frechet_distance(real, pixels[:300].flatten(1)) for pixels in (memory, noisy)
    ]
    assert distances[0] < distances[1]
    assert evaluation.copying(memory, train.pixels(), held_out.pixels()) > 95
    assert evaluation.copying(noisy, train.pixels(), held_out.pixels()) < 60


def test_a_memory_that_draws_its_pixels_anew_is_found_out_in_grey() -> None:
    grey = data.load("digits").train.resize(14)
    train, held_out = grey.subset(slice(0, 700)), grey.subset(slice(700, 1_400))
    binary = [part.binarized(torch.Generator().manual_seed(0)) for part in (train, held_out)]
    memory = train.pixels()
    redrawn = torch.bernoulli(memory, generator=torch.Generator().manual_seed(1))
    unnoticed = evaluation.copying(redrawn, *(part.pixels() for part in binary))
    assert unnoticed == pytest.approx(50, abs=8)
    assert evaluation.copying(memory, memory, held_out.pixels()) > 95


def test_a_chosen_dozen_looks_better_than_what_it_was_chosen_from() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(600, 8, generator=generator)
    good = real[:300]  # the data's own distribution
    bad = 1.5 * torch.randn(600, 8, generator=generator)
    plain = evaluation.nearest(good, real[300:])[0].mean()
    of_bad = evaluation.nearest(bad, real[300:])[0]
    assert of_bad.mean() > plain
    assert of_bad.sort().values[:12].mean() < plain / 1.2
