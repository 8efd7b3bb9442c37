"""Measures ask for methods, not for classes, and answer for every image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from latent_transfer import evaluation, inference
from latent_transfer.data import ImageSet
from latent_transfer.densities import Gaussian, bernoulli_log_density
from latent_transfer.models import (
    GAN,
    M2,
    NADE,
    VAE,
    DiscreteMixture,
    LinearGaussian,
    VaDE,
    mlp_autoencoder,
    mlp_classifier,
    mlp_gan,
    mlp_m2,
    mlp_vae,
)

SHAPE = (1, 2, 3)


class Foreign(nn.Module):
    """No VAE of the package, but with a posterior and a likelihood."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.back = nn.Linear(6, 4), nn.Linear(2, 6)

    def posterior(self, images: torch.Tensor) -> Gaussian:
        return Gaussian(*self.net(images.flatten(1)).chunk(2, -1))

    def log_likelihood(self, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        return bernoulli_log_density(self.back(latents).unflatten(-1, SHAPE), images)


def _as_vae(foreign: Foreign) -> VAE:
    encoder = nn.Sequential(nn.Flatten(), foreign.net)
    return VAE(encoder, nn.Sequential(foreign.back, nn.Unflatten(-1, SHAPE)), 2)


@pytest.fixture
def binary(images: ImageSet) -> ImageSet:
    return images.subset(slice(0, 23)).binarized(torch.Generator().manual_seed(0))


PER_IMAGE: list[Callable[..., torch.Tensor]] = [
    evaluation.elbos,
    lambda model, images, **given: evaluation.log_likelihoods(
        model, images, **{"samples": 7, **given}
    ),
    *(
        lambda model, images, kind=kind, **given: evaluation.anomaly_scores(
            model, images, kind=kind, **given
        )
        for kind in ("elbo", "reconstruction", "kl", "likelihood")
    ),
    lambda model, images, **_: evaluation.kl_per_dimension(model, images),
    lambda model, images, **_: torch.stack(inference.encode(model, images)),
]


@pytest.mark.parametrize("measure", PER_IMAGE)
def test_a_foreign_model_is_measured_as_its_twin_of_the_package(
    binary: ImageSet, measure: Callable[..., torch.Tensor]
) -> None:
    torch.manual_seed(0)
    foreign = Foreign()
    torch.testing.assert_close(measure(foreign, binary), measure(_as_vae(foreign), binary))


@pytest.mark.parametrize("measure", PER_IMAGE[:6])
def test_one_value_for_each_image(binary: ImageSet, measure: Callable[..., torch.Tensor]) -> None:
    model = mlp_vae(SHAPE, (5,), 2).train()
    values = measure(model, binary)
    assert values.shape == (23,)
    assert not values.requires_grad
    assert all(part.training for part in model.modules())  # as it was


def test_the_means_are_those_of_the_values(binary: ImageSet) -> None:
    model, nade = mlp_vae(SHAPE, (5,), 2), NADE(SHAPE, 4)
    for estimate, values in (
        (evaluation.evidence_bound(model, binary), evaluation.elbos(model, binary)),
        (
            evaluation.negative_log_likelihood(model, binary, samples=7),
            -evaluation.log_likelihoods(model, binary, samples=7),
        ),
        (
            evaluation.exact_negative_log_likelihood(nade, binary),
            -evaluation.exact_log_likelihoods(nade, binary),
        ),
        (
            evaluation.reconstruction_error(model, binary),
            evaluation.reconstruction_errors(model, binary),
        ),
    ):
        assert estimate == evaluation.Estimate.of(values)


def test_scores_and_bounds_are_one_computation(binary: ImageSet) -> None:
    model = mlp_vae(SHAPE, (5,), 2)
    scores = evaluation.anomaly_scores(model, binary, kind="elbo", samples=4, seed=3)
    assert torch.equal(scores, -evaluation.elbos(model, binary, samples=4, seed=3))
    scores = evaluation.anomaly_scores(model, binary, kind="likelihood", samples=120, seed=3)
    bounds = evaluation.log_likelihoods(model, binary, samples=120, seed=3, batch_size=500)
    assert torch.equal(scores, -bounds)


def test_no_score_decodes_more_than_fifty_draws_at_once(binary: ImageSet) -> None:
    seen = list[int]()
    model = mlp_vae(SHAPE, (5,), 2)
    model.decoder.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    evaluation.anomaly_scores(model, binary, kind="likelihood", samples=120)
    assert seen == [50, 50, 20]


def test_kl_alone_needs_no_decoder(binary: ImageSet) -> None:
    model = mlp_vae(SHAPE, (5,), 2)
    nn.init.constant_(model.decoder.layers[0].weight, torch.nan)
    assert evaluation.anomaly_scores(model, binary, kind="kl").isfinite().all()


def _vade() -> VaDE:
    torch.manual_seed(0)
    vade = VaDE(mlp_vae(SHAPE, (5,), 2), 3)
    nn.init.normal_(vade.means)
    return vade


def test_vade_is_measured_under_its_own_prior(binary: ImageSet) -> None:
    # Numerical integration over the two latents is the truth.
    vade = _vade()
    axis = torch.linspace(-9, 9, 181)
    grid = torch.cartesian_prod(axis, axis)  # G×2
    pixels = binary.pixels()
    with torch.no_grad():
        log_joint = torch.cat(
            [vade.log_joint(pixels, part[:, None].expand(-1, 23, -1)) for part in grid.split(5000)]
        )  # G×B
    truth = log_joint.logsumexp(0) + 2 * torch.log(axis[1] - axis[0])
    sampled = evaluation.log_likelihoods(vade, binary, samples=20_000, samples_at_once=1000)
    torch.testing.assert_close(sampled, truth, atol=0.15, rtol=0)
    bounds = evaluation.elbos(vade, binary, samples=3000)
    assert (bounds < truth).all()
    standard = evaluation.elbos(vade.vae, binary, samples=3000)
    assert not torch.allclose(bounds, standard, atol=0.1)


def test_the_bound_of_vade_is_the_evidence_less_the_divergence(binary: ImageSet) -> None:
    vade = _vade()
    # One component N(0, I) makes the mixture the prior of the VAE.
    with torch.no_grad():
        vade.means.zero_()
        vade.log_variances.zero_()
    sampled = evaluation.elbos(vade, binary, samples=4000)
    closed = evaluation.elbos(vade.vae, binary, samples=4000)
    torch.testing.assert_close(sampled, closed, atol=0.1, rtol=0)
    parts = [evaluation.anomaly_scores(vade, binary, kind=k) for k in ("reconstruction", "kl")]
    torch.testing.assert_close(sum(parts), evaluation.anomaly_scores(vade, binary))


def test_vade_has_units_and_a_gap(binary: ImageSet) -> None:
    assert evaluation.active_units(_vade(), binary).shape == (2,)
    gap = evaluation.amortisation_gap(_vade(), binary, steps=150, samples=100)
    assert gap.mean > 0.1  # its encoder was never trained


def test_measuring_the_gap_keeps_the_mode(binary: ImageSet) -> None:
    model = mlp_vae(SHAPE, (5,), 2).train()
    evaluation.amortisation_gap(model, binary, steps=2, samples=2)
    assert model.training


def test_a_mixture_with_a_density_is_measured_exactly(binary: ImageSet) -> None:
    class Mixture(DiscreteMixture):
        def log_density(self, images: torch.Tensor) -> torch.Tensor:
            return self.log_evidence(images)

    mixture = Mixture(torch.randn(3), torch.randn(3, *SHAPE))
    values = evaluation.exact_log_likelihoods(mixture, binary)
    torch.testing.assert_close(values, mixture.log_evidence(binary.pixels()))


def _needs(measure: Any, model: Any, sentence: str, images: ImageSet) -> None:
    with pytest.raises(TypeError, match=sentence):
        measure(model, images)


def test_models_that_lack_a_method_are_told_which(binary: ImageSet) -> None:
    nade, gan, auto = NADE(SHAPE, 4), mlp_gan(SHAPE), mlp_autoencoder(SHAPE, (5,), 2)
    both = "methods log_likelihood and posterior, which"
    _needs(evaluation.elbos, nade, f"elbos needs a model with the {both} NADE lacks", binary)
    _needs(evaluation.negative_log_likelihood, gan, f"{both} GAN lacks", binary)
    _needs(evaluation.anomaly_scores, auto, f"{both} Autoencoder lacks", binary)
    _needs(evaluation.amortisation_gap, auto, f"{both} Autoencoder lacks", binary)
    _needs(evaluation.encode, nade, "encode needs .* the method posterior, which NADE", binary)
    _needs(evaluation.active_units, nade, "the method posterior", binary)
    _needs(evaluation.exact_negative_log_likelihood, auto, "the method log_density", binary)
    _needs(evaluation.reconstruction_error, nade, "the method reconstruct", binary)
    _needs(evaluation.elbos, "vae", "which str lacks", binary)


def test_one_posterior_for_each_image_is_needed(binary: ImageSet) -> None:
    m2: M2 = mlp_m2(SHAPE, 3, (5,), 2)
    for measure in (evaluation.encode, evaluation.elbos, evaluation.active_units):
        _needs(measure, m2, r"of 23×D each, but M2.posterior gave \(3, 23, 2\)", binary)
    # As many images as classes: K×B×D is still not B×D.
    _needs(evaluation.encode, m2, r"M2.posterior gave \(3, 3, 2\)", binary.subset(slice(0, 3)))
    linear = LinearGaussian(torch.zeros(6, 2), torch.zeros(6), 1.0)
    linear.posterior = lambda images: torch.zeros(len(images), 2)  # type: ignore[method-assign]
    _needs(evaluation.encode, linear, "LinearGaussian.posterior gave Tensor", binary)


def test_images_are_a_set_or_pixels(binary: ImageSet) -> None:
    model, pixels = mlp_vae(SHAPE, (5,), 2), binary.pixels()
    assert torch.equal(inference.encode(model, pixels).mean, inference.encode(model, binary).mean)
    with pytest.raises(TypeError, match=r"ImageSet, a Table or a tensor of pixels.*not a list"):
        inference.encode(model, [pixels])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"floating-point numbers in \[0, 1\], not torch.uint8"):
        inference.encode(model, binary.images)
    with pytest.raises(ValueError, match="At least one image"):
        inference.encode(model, pixels[:0])
    with pytest.raises(ValueError, match=r"batch_size.*not 23 and 0"):
        inference.encode(model, pixels, batch_size=0)
    with pytest.raises(ValueError, match="binarize=True needs an ImageSet"):
        evaluation.elbos(model, pixels, binarize=True)
    with pytest.raises(ValueError, match="One row for each of 23 images"):
        inference.over(model, pixels, lambda part: part[:1])


@pytest.mark.parametrize("samples", [0, -1, True, 2.5])
def test_samples_are_a_whole_number(binary: ImageSet, samples: Any) -> None:
    model = mlp_vae(SHAPE, (5,), 2)
    for measure in (
        evaluation.elbos,
        evaluation.log_likelihoods,
        evaluation.amortisation_gap,
        evaluation.anomaly_scores,
        lambda *given, **named: evaluation.anomaly_scores(*given, kind="reconstruction", **named),
    ):
        with pytest.raises(ValueError, match="samples must be a whole number from 1 on"):
            measure(model, binary, samples=samples)
    with pytest.raises(ValueError, match="samples_at_once must be a whole number"):
        evaluation.log_likelihoods(model, binary, samples_at_once=0)


def test_models_in_double_precision_answer_in_double_precision(binary: ImageSet) -> None:
    torch.manual_seed(0)
    vae, classifier = mlp_vae(SHAPE, (5,), 2), mlp_classifier(SHAPE, 2, (5,))
    single = inference.encode(vae, binary).mean
    double = inference.encode(vae.double(), binary).mean
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single)
    for values in (
        evaluation.elbos(vae, binary),
        evaluation.log_likelihoods(vae, binary, samples=3),
        evaluation.anomaly_scores(vae, binary),
        evaluation.reconstruction_errors(vae, binary),
        evaluation.exact_log_likelihoods(NADE(SHAPE, 4).double(), binary),
        inference.predict_logits(classifier.double(), binary),
        inference.extract_features(vae, binary, "encoder.layers.0"),
    ):
        assert values.dtype == torch.float64
    assert evaluation.amortisation_gap(vae, binary, steps=2, samples=2).count == 23


def test_what_has_no_numbers_runs_where_the_images_are(binary: ImageSet) -> None:
    logits = inference.predict_logits(lambda pixels: pixels.flatten(1), binary)
    assert torch.equal(logits, binary.pixels().flatten(1))
    assert torch.equal(inference.over(nn.Flatten(), binary.pixels().double(), nn.Flatten()), logits)


def test_logits_are_a_matrix(binary: ImageSet) -> None:
    gan: GAN = mlp_gan(SHAPE)
    assert inference.predict_logits(gan.discriminator, binary).shape == (23, 1)
    with pytest.raises(ValueError, match=r"Logits are N×K, but VAE gave \(23, 1, 2, 3\)"):
        inference.predict_logits(mlp_vae(SHAPE, (5,), 2), binary)


def test_parts_keep_the_modes_that_they_had(binary: ImageSet) -> None:
    model = mlp_classifier(SHAPE, 2, (5,), dropout=0.5).train()
    model.encoder.eval()
    modes = [part.training for part in model.modules()]
    seen = list[bool]()

    def stop(pixels: torch.Tensor) -> torch.Tensor:
        seen.extend(part.training for part in model.modules())
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        inference.over(model, binary, stop)
    assert seen
    assert not any(seen)
    assert [part.training for part in model.modules()] == modes


@pytest.mark.parametrize(
    "measure",
    [
        *PER_IMAGE[:6],
        evaluation.reconstruction_errors,
        evaluation.reconstruction_error,
        evaluation.evidence_bound,
        lambda *given, **named: evaluation.negative_log_likelihood(*given, samples=2, **named),
        inference.encode,
        inference.extract_features,
    ],
)
def test_no_more_images_at_once_than_asked_for(binary: ImageSet, measure: Any) -> None:
    seen = list[int]()
    model = mlp_vae(SHAPE, (5,), 2)
    model.encoder.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    measure(model, binary, batch_size=10)
    assert set(seen) == {10, 3}


def test_listening_to_a_layer_leaves_no_trace(binary: ImageSet) -> None:
    model = mlp_vae(SHAPE, (5,), 2)
    inference.extract_features(model, binary, "encoder.layers.0")
    with pytest.raises(ValueError, match="not passed on the way to the features"):
        inference.extract_features(model, binary, "decoder.layers.0")
    assert not any(part._forward_hooks for part in model.modules())
