"""What every model offers: forward, a precision of its own, and no half-made pieces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from latent_transfer import models
from latent_transfer.nets import device_of, dtype_of, small_vgg_features

SHAPE = (1, 4, 4)


def _vae() -> models.VAE:
    return models.mlp_vae(SHAPE, (6,), 3)


def test_a_vae_gives_what_its_likelihood_takes_at_the_posterior_mean() -> None:
    vae, images = _vae(), torch.rand(5, *SHAPE)
    logits = vae(images)
    assert torch.equal(logits, vae.decode(vae.posterior(images).mean))
    assert torch.equal(vae(images), logits)  # no noise
    torch.testing.assert_close(vae.reconstruct(images), torch.sigmoid(logits))


def test_a_gan_gives_the_images_of_the_generator_that_is_trained() -> None:
    gan, noise = models.mlp_gan(SHAPE, (6,), 3), torch.randn(5, 3)
    nn.init.constant_(gan.generator.layers[-1].bias, 2.0)  # the average lags behind
    torch.testing.assert_close(gan(noise), torch.sigmoid(gan.generator(noise)))
    assert not torch.allclose(gan(noise), gan.decode(noise))
    torch.manual_seed(1)
    sampled = gan.sample(5)
    torch.manual_seed(1)
    assert torch.equal(sampled, gan(torch.randn(5, 3)))


def test_a_nade_gives_the_logits_of_its_conditionals() -> None:
    nade, images = models.NADE(SHAPE, 5), torch.randint(0, 2, (3, *SHAPE)).float()
    assert torch.equal(nade(images), nade.conditionals(images))
    terms = torch.distributions.Bernoulli(logits=nade(images)).log_prob(images)
    torch.testing.assert_close(nade.log_density(images), terms.sum((1, 2, 3)))


def test_a_multimodal_vae_gives_the_parameters_of_every_modality() -> None:
    model = models.mlp_multimodal_vae([SHAPE, 3], (6,), 2)
    images, labels = torch.rand(5, *SHAPE), torch.tensor([0, 1, 2, 0, 1])
    pixels, classes = model([images, None])
    assert pixels.shape == images.shape
    assert classes.shape == (5, 3)
    latents = model.posterior([images, None]).mean
    assert torch.equal(classes, model.decode(latents, 1))
    assert not torch.equal(model([images, labels])[1], classes)
    with pytest.raises(ValueError, match="takes a list of modalities"):
        model(images)


def test_the_solvable_models_give_the_evidence() -> None:
    linear = models.LinearGaussian(torch.randn(5, 2), torch.randn(5), 0.3)
    points = torch.randn(4, 5)
    assert torch.equal(linear(points), linear.log_evidence(points))
    mixture = models.DiscreteMixture(torch.randn(3), torch.randn(3, *SHAPE))
    images = torch.randint(0, 2, (4, *SHAPE)).float()
    assert torch.equal(mixture(images), mixture.log_evidence(images))


def test_hooks_see_a_forward() -> None:
    seen = list[tuple[int, ...]]()
    vae = _vae()
    vae.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape)))
    vae(torch.rand(5, *SHAPE))
    assert seen == [(5, *SHAPE)]


def test_a_likelihood_without_a_mean_cannot_be_made() -> None:
    class Half(models.Likelihood):
        def log_density(self, output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
            return (output - images).flatten(-3).sum(-1)

    with pytest.raises(TypeError, match="mean"):
        Half()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="abstract"):
        models.Likelihood()  # type: ignore[abstract]


def test_a_likelihood_is_called_for_its_mean() -> None:
    output = torch.randn(2, *SHAPE)
    assert torch.equal(models.BernoulliLikelihood()(output), torch.sigmoid(output))


GENERATORS: dict[str, Callable[[], nn.Module]] = {
    "VAE": _vae,
    "GAN": lambda: models.mlp_gan(SHAPE, (6,), 3),
    "NADE": lambda: models.NADE(SHAPE, 4),
    "adversarial autoencoder": lambda: models.feature_autoencoder(
        small_vgg_features((4,)), SHAPE, 2, channels=(4, 8)
    ),
    "M2": lambda: models.mlp_m2(SHAPE, 3, (5,), 2),
    "VaDE": lambda: models.VaDE(_vae(), 3),
    "M1M2": lambda: models.stack_m2(_vae(), torch.tensor([0, 2]), 3, (4,), 2),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_in_double_precision_one_seed_gives_the_same_images(name: str) -> None:
    torch.manual_seed(0)
    model = GENERATORS[name]().eval()
    if isinstance(model, models.AdversarialAutoencoder):
        model.fit_prior(torch.rand(4, *SHAPE))
    what = torch.tensor([0, 1, 2]) if name in {"M2", "VaDE", "M1M2"} else 3
    single = model.generate(what, torch.Generator().manual_seed(0))
    double = model.double().generate(what, torch.Generator().manual_seed(0))
    assert single.dtype == torch.float32
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single)


def test_sampling_a_gan_keeps_its_precision() -> None:
    assert models.mlp_gan(SHAPE, (6,), 3).double().sample(2).dtype == torch.float64


def test_the_expert_of_a_missing_modality_keeps_the_precision() -> None:
    model = models.mlp_multimodal_vae([SHAPE, 3], (6,), 2).double()
    belief = model.posterior([torch.rand(2, *SHAPE).double(), None])
    assert belief.mean.dtype == torch.float64


def test_where_a_module_without_parameters_lives() -> None:
    assert device_of(nn.Identity()) == torch.device("cpu")
    assert dtype_of(nn.Identity()) == torch.get_default_dtype()
    buffered = models.LinearGaussian(
        torch.zeros(3, 1, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 1.0
    )
    assert dtype_of(buffered) == torch.float64
    assert device_of(buffered.to("meta")) == torch.device("meta")
    assert dtype_of(nn.Linear(2, 2).bfloat16()) == torch.bfloat16


def test_a_count_of_the_batches_is_no_precision() -> None:
    norm = nn.BatchNorm1d(2, affine=False).double()
    norm.register_buffer("running_mean", None)
    norm.register_buffer("running_var", None)
    assert dtype_of(norm) == torch.get_default_dtype()  # num_batches_tracked is int64


def test_a_multimodal_vae_may_have_no_parameters() -> None:
    model = models.MultimodalVAE(
        [nn.Flatten()], [nn.Unflatten(-1, (1, 2, 2))], [models.BernoulliLikelihood()], 2
    )
    assert model.posterior([torch.rand(3, 1, 2, 2)]).mean.shape == (3, 2)


def test_the_prior_of_vade_is_its_mixture() -> None:
    vade = models.VaDE(_vae(), 3)
    latents = torch.randn(5, 3)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=vade.weight_logits),
        torch.distributions.Independent(
            torch.distributions.Normal(vade.means, (0.5 * vade.log_variances).exp()), 1
        ),
    )
    torch.testing.assert_close(models.log_prior(vade, latents), mixture.log_prob(latents))
    images = torch.rand(5, *SHAPE)
    torch.testing.assert_close(
        models.log_joint(vade, images, latents), vade.log_joint(images, latents)
    )


def test_the_prior_is_standard_normal_unless_the_model_says_otherwise() -> None:
    latents = torch.randn(5, 3)
    expected = torch.distributions.Normal(0, 1).log_prob(latents).sum(-1)
    torch.testing.assert_close(models.log_prior(_vae(), latents), expected)


@pytest.mark.parametrize("name", ["M2", "VaDE", "M1M2"])
def test_images_of_classes_need_classes(name: str) -> None:
    model, what = GENERATORS[name](), "cluster" if name == "VaDE" else "label"
    for wrong in (5, torch.tensor([0.0, 1.0]), torch.tensor([[0, 1]]), torch.tensor([True])):
        with pytest.raises(TypeError, match=f"One {what} per image is needed, a tensor of B whole"):
            model.generate(wrong)
    for wrong, span in ((torch.tensor([0, 3]), "0 to 3"), (torch.tensor([-1, 2]), "-1 to 2")):
        with pytest.raises(ValueError, match=f"A {what} lies in 0 to 2, but these run from {span}"):
            model.generate(wrong)
    assert model.generate(torch.tensor([0, 2])).shape == (2, *SHAPE)


def test_an_encoder_of_another_width_is_named() -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 5))
    vae = models.VAE(encoder, models.mlp_vae(SHAPE, (6,), 2).decoder, 2)
    with pytest.raises(ValueError, match=r"2 latents gives means and .* B×4, not \(3, 5\)"):
        vae(torch.rand(3, *SHAPE))


@pytest.mark.parametrize("encoder", [nn.Conv2d(1, 4, 3), nn.Flatten()])
def test_a_head_needs_features(encoder: nn.Module) -> None:
    classifier = models.Classifier(encoder, 20, 3)
    with pytest.raises(ValueError, match=r"takes 20 features per image, B×20 or wider"):
        classifier(torch.rand(2, *SHAPE))


def test_a_spread_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive, not nan"):
        models.GaussianLikelihood(float("nan"))
    with pytest.raises(ValueError, match="must be positive, not nan"):
        models.LinearGaussian(torch.zeros(2, 1), torch.zeros(2), float("nan"))
