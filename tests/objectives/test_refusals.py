"""Objectives refuse what broadcasting, rounding or a wrong unit would turn into another number."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from math import inf, nan

import pytest
import torch
from torch import nn

from latent_transfer import objectives
from latent_transfer.data import Batch
from latent_transfer.densities import Gaussian, bernoulli_log_density, multinomial_log_density
from latent_transfer.models import (
    GAN,
    M2,
    NADE,
    VAE,
    Autoencoder,
    Classifier,
    VaDE,
    feature_autoencoder,
    mlp_autoencoder,
    mlp_classifier,
    mlp_gan,
    mlp_m2,
    mlp_multimodal_vae,
    mlp_vae,
    sparse_autoencoder,
)
from latent_transfer.nets import MLPEncoder, small_vgg_features
from latent_transfer.objectives import Terms
from latent_transfer.transfer import DomainAdversarial, domain_adversarial_loss

SHAPE, CLASSES = (1, 4, 4), 3
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def _vae() -> VAE:
    return mlp_vae(SHAPE, (8,), 2)


def _adversarial_autoencoder() -> nn.Module:
    return feature_autoencoder(small_vgg_features((4,)), (3, 8, 8), 4, channels=(4, 8))


def _domain_adversarial() -> DomainAdversarial:
    return DomainAdversarial(Classifier(MLPEncoder(SHAPE, (8,), 6), 6, CLASSES - 1))


def _semi_supervised(model: M2, batch: Batch) -> Terms:
    return objectives.semi_supervised_loss(
        model, batch, labelled=batch, label_weight=0.1, labelled_share=0.5
    )


def _distilled(model: nn.Module, batch: Batch) -> Terms:
    logits = torch.eye(CLASSES)[LABELS[: len(batch.images)]] * 4
    return objectives.distillation_loss(
        model, batch, teacher_logits=logits, temperature=2.0, label_weight=0.5
    )


def _sparse(model: Autoencoder, batch: Batch) -> Terms:
    return objectives.sparse_reconstruction_loss(
        model, batch, penalty=objectives.l1_sparsity, weight=0.1
    )


def _adversarial(model: GAN, batch: Batch) -> Terms:
    return objectives.adversarial_loss(model, batch, penalty=1.0)


#: Every loss of a model and a batch: what makes the model, the loss, the shape of its images.
LOSSES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Terms], Sequence[int]]] = {
    "adversarial": (lambda: mlp_gan(SHAPE, (8,), 2), _adversarial, SHAPE),
    "adversarial reconstruction": (
        _adversarial_autoencoder,
        lambda model, batch: objectives.adversarial_reconstruction_loss(
            model, batch, adversarial_weight=0.1
        ),
        (3, 8, 8),
    ),
    "classification": (
        lambda: mlp_classifier(SHAPE, CLASSES, (8,)),
        objectives.classification_loss,
        SHAPE,
    ),
    "distillation": (lambda: mlp_classifier(SHAPE, CLASSES, (8,)), _distilled, SHAPE),
    "domain adversarial": (_domain_adversarial, domain_adversarial_loss, SHAPE),
    "negative ELBO": (_vae, objectives.negative_elbo, SHAPE),
    "importance weighted": (
        _vae,
        lambda model, batch: objectives.negative_importance_weighted_bound(model, batch, samples=2),
        SHAPE,
    ),
    "negative log-density": (lambda: NADE(SHAPE, 4), objectives.negative_log_density, SHAPE),
    "VaDE": (lambda: VaDE(_vae(), 3), objectives.negative_vade_elbo, SHAPE),
    "reconstruction": (
        lambda: mlp_autoencoder(SHAPE, (8,), 2),
        objectives.reconstruction_loss,
        SHAPE,
    ),
    "sparse": (lambda: sparse_autoencoder(SHAPE, 9), _sparse, SHAPE),
    "semi-supervised": (
        lambda: mlp_m2(SHAPE, CLASSES, (8,), 2),
        _semi_supervised,
        SHAPE,
    ),
}


def _batch(shape: Sequence[int]) -> Batch:
    images = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0)).round()
    return Batch(images, LABELS, progress=0.5)


def test_every_loss_of_a_batch_is_spied_on() -> None:
    named = {name for name in objectives.__all__ if name.endswith("_loss")}
    without_a_batch = {"discriminator_loss", "generator_loss", "hinge_loss", "multimodal_loss"}
    assert len(named - without_a_batch) == 7
    assert len(LOSSES) == 7 + 4 + 1  # losses, negative bounds, and the one of transfer


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("training", [True, False])
def test_a_loss_moves_neither_weights_nor_averages_nor_modes(name: str, training: bool) -> None:
    torch.manual_seed(0)
    build, loss, shape = LOSSES[name]
    model = build().train(training)
    frozen = next(iter(model.parameters())).requires_grad_(False)
    learns = [parameter.requires_grad for parameter in model.parameters()]
    modes = [module.training for module in model.modules()]
    # The power iteration of a spectral norm is the forward pass's, as a batch norm's statistics.
    before = {k: v.clone() for k, v in model.state_dict().items() if "parametrizations" not in k}
    batch = _batch(shape)
    kept = batch.images.clone()
    terms = loss(model, batch)
    assert terms["loss"].requires_grad
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == learns
    assert all(parameter.grad is None for parameter in model.parameters())
    assert frozen.grad is None
    assert torch.equal(batch.images, kept)
    assert not batch.images.requires_grad


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_refuses_integer_images_and_empty_batches(name: str) -> None:
    build, loss, shape = LOSSES[name]
    batch = _batch(shape)
    with pytest.raises(ValueError, match=r"floating-point images .*, not torch.uint8; ImageSet"):
        loss(build(), batch._replace(images=batch.images.byte()))
    empty = batch._replace(images=batch.images[:0], labels=LABELS[:0])
    with pytest.raises(ValueError, match="at least one image, but the batch is empty"):
        loss(build(), empty)


def test_a_multimodal_loss_needs_an_input() -> None:
    model = mlp_multimodal_vae([(1, 2, 2), 3], (4,), 2)
    with pytest.raises(ValueError, match="the batch is empty"):
        objectives.multimodal_loss(model, (torch.rand(0, 1, 2, 2), LABELS[:0]))
    inputs = (torch.rand(6, 1, 2, 2), LABELS)
    with pytest.raises(ValueError, match="one weight per modality, not 1 for 2"):
        objectives.multimodal_bound(model, inputs, weights=[1.0])
    for options in ({"weights": [1.0, -1.0]}, {"beta": nan}):
        with pytest.raises(ValueError, match="must be finite and ≥ 0"):
            objectives.multimodal_bound(model, inputs, **options)  # type: ignore[arg-type]


# -- labels ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0.0, 1.0]), "must be integers, one per image, not torch.float32"),
        (torch.eye(2), r"not torch.float32 of shape \(2, 2\)"),
        (torch.tensor([0]), r"not torch.int64 of shape \(1,\) for 2 images"),
        (torch.tensor([[0], [1]]), r"of shape \(2, 1\)"),
        (torch.tensor([0, -1]), "run from -1 to 0, but there are logits for 2 classes"),
        (torch.tensor([0, 2]), "run from 0 to 2, but there are logits for 2 classes"),
    ],
)
def test_labels_are_class_numbers(labels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        objectives.cross_entropy(torch.zeros(2, 2), labels)


def test_labels_of_bounds_and_of_smoothing_are_class_numbers() -> None:
    with pytest.raises(ValueError, match="run from 0 to 3"):
        objectives.smoothed_labels(torch.tensor([0, 3]), 3, 0.1)
    with pytest.raises(ValueError, match="must be integers"):
        objectives.smoothed_labels(torch.tensor([0.0, 1.0]), 3, 0.1)
    model = mlp_m2(SHAPE, CLASSES, (8,), 2)
    with pytest.raises(ValueError, match="run from 3 to 3, but there are logits for 3 classes"):
        objectives.labelled_bound(model, torch.rand(1, *SHAPE), torch.tensor([3]))


def test_small_integers_are_labels_too() -> None:
    logits = torch.randn(3, 3)
    expected = objectives.cross_entropy(logits, torch.tensor([0, 1, 2]))
    for kind in (torch.uint8, torch.int32):
        torch.testing.assert_close(
            objectives.cross_entropy(logits, torch.arange(3, dtype=kind)), expected
        )


def test_logits_are_one_row_per_image() -> None:
    with pytest.raises(ValueError, match=r"one row per image, not of shape \(2, 3, 4\)"):
        objectives.cross_entropy(torch.zeros(2, 3, 4), torch.zeros(2, 4, dtype=torch.int64))


# -- shapes ---------------------------------------------------------------------------------

COLUMN, ROW = torch.zeros(4, 1), torch.zeros(4)


@pytest.mark.parametrize(
    "function",
    [
        objectives.gaussian_kl,
        objectives.gaussian_kl_per_dimension,
        lambda mean, log_variance: objectives.free_bits_kl(mean, log_variance, 0.1),
        lambda mean, log_variance: objectives.gaussian_divergence(
            Gaussian(mean, log_variance), Gaussian(mean, mean)
        ),
        lambda mean, log_variance: objectives.pathwise_gradients(
            lambda z: z.sum(-1), mean, log_variance, 2
        ),
        lambda mean, log_variance: objectives.score_function_gradients(
            lambda z: z.sum(-1), mean, log_variance, 2
        ),
        objectives.discriminator_loss,
        objectives.hinge_loss,
        objectives.elbo,
        objectives.squared_error,
        objectives.feature_distance,
        objectives.soft_cross_entropy,
        objectives.logit_matching,
        objectives.unlabelled_bound,
        lambda one, other: objectives.distillation_divergence(one, other, 1.0),
    ],
)
def test_a_column_beside_a_row_is_refused(
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    with pytest.raises(ValueError, match=r"\(4, 1\).*\(4,\)|\(4,\).*\(4, 1\)|\(1, 4\)"):
        function(COLUMN, ROW)


def test_densities_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="channels, height and width differ"):
        bernoulli_log_density(torch.zeros(3, 1, 4, 1), torch.rand(3, 1, 4, 4))
    with pytest.raises(ValueError, match=r"floating point in .*, not torch.uint8"):
        bernoulli_log_density(torch.zeros(3, 1, 4, 4), torch.ones(3, 1, 4, 4).byte())
    belief = Gaussian(torch.zeros(4, 3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match="do not lie in the space of a Gaussian"):
        belief.log_density(torch.zeros(4, 1))
    with pytest.raises(ValueError, match="samples must be at least 1, not 0"):
        belief.rsample(0)


def test_other_shapes_that_would_broadcast_are_refused() -> None:
    wide, narrow = (Gaussian(torch.zeros(4, d), torch.zeros(4, d)) for d in (3, 1))
    with pytest.raises(ValueError, match="same number of dimensions"):
        objectives.gaussian_divergence(wide, narrow)
    with pytest.raises(ValueError, match="logits of both images must have one shape"):
        objectives.bernoulli_divergence(torch.zeros(4, 1, 2, 2), torch.zeros(4, 1, 2, 1))
    with pytest.raises(ValueError, match="matrix of features of the same images"):
        objectives.similarity_distance(torch.rand(4, 3), torch.rand(1, 3))
    with pytest.raises(ValueError, match=r"B×K and weights K, not \(4, 3\) and \(1,\)"):
        objectives.mixture_kl(torch.rand(4, 3), torch.zeros(1), torch.rand(4, 3))
    with pytest.raises(ValueError, match=r"B×K and weights K, not \(4, 1\) and \(3,\)"):
        objectives.best_log_responsibilities(torch.rand(4, 1), torch.zeros(3))
    for empty in (torch.zeros(4), torch.zeros(0, 4)):
        with pytest.raises(ValueError, match="S×B with at least one sample"):
            objectives.importance_weighted_bound(empty)
    with pytest.raises(ValueError, match="needs at least one image"):
        objectives.free_bits_kl(torch.zeros(0, 2), torch.zeros(0, 2), 0.1)
    with pytest.raises(ValueError, match="needs codes B×D"):
        objectives.kl_sparsity(torch.zeros(0, 3))


def test_integer_pixels_do_not_wrap_around() -> None:
    dark, bright = torch.zeros(1, 1, 2, 2).byte(), torch.ones(1, 1, 2, 2).byte()
    with pytest.raises(ValueError, match="Pixels must be floating point"):
        objectives.squared_error(bright, dark)


# -- weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, nan, inf])
def test_weights_are_finite_and_not_negative(value: float) -> None:
    images, vae = _batch(SHAPE), _vae()
    calls: list[Callable[[], object]] = [
        lambda: objectives.negative_elbo(vae, images, beta=value),
        lambda: objectives.negative_elbo(vae, images, free_bits=value),
        lambda: objectives.elbo(torch.zeros(2), torch.zeros(2), value),
        lambda: objectives.free_bits_kl(torch.zeros(2, 2), torch.zeros(2, 2), value),
        lambda: objectives.negative_vade_elbo(VaDE(vae, 2), images, beta=value),
        lambda: objectives.adversarial_loss(mlp_gan(SHAPE, (8,), 2), images, penalty=value),
        lambda: objectives.sparse_reconstruction_loss(
            sparse_autoencoder(SHAPE, 9), images, penalty=objectives.l1_sparsity, weight=value
        ),
        lambda: objectives.labelled_bound(mlp_m2(SHAPE, 3, (8,), 2), images.images, beta=value),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="must be finite and ≥ 0, but is"):
            call()


@pytest.mark.parametrize("value", [-0.1, 1.1, nan])
def test_shares_lie_between_nothing_and_all(value: float) -> None:
    images, m2 = _batch(SHAPE), mlp_m2(SHAPE, 3, (8,), 2)
    calls: list[Callable[[], object]] = [
        lambda: objectives.smoothed_labels(LABELS, 3, value),
        lambda: objectives.semi_supervised_loss(
            m2, images, labelled=images, label_weight=0.1, labelled_share=value
        ),
        lambda: objectives.distillation_loss(
            nn.Identity(), images, teacher_logits=LABELS, temperature=1.0, label_weight=value
        ),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\], but is"):
            call()


@pytest.mark.parametrize("value", [0.0, -1.0, nan, inf])
def test_a_temperature_is_positive_and_finite(value: float) -> None:
    with pytest.raises(ValueError, match="temperature must be positive and finite, but is"):
        objectives.soft_targets(torch.zeros(1, 2), value)
    with pytest.raises(ValueError, match="temperature must be positive and finite, but is"):
        objectives.distillation_divergence(torch.zeros(1, 2), torch.zeros(1, 2), value)


# -- probabilities in the place of logits ---------------------------------------------------


def test_a_teacher_of_probabilities_is_warned_of_once() -> None:
    logits = torch.randn(6, CLASSES, generator=torch.Generator().manual_seed(0))
    batch = Batch(logits, LABELS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for told in (logits, logits.log_softmax(-1), logits.relu()):
            objectives.distillation_loss(nn.Identity(), batch, teacher_logits=told, temperature=2.0)
        objectives.soft_targets(logits.softmax(-1), 2.0)
        assert not caught
        for _ in range(3):
            objectives.distillation_loss(
                nn.Identity(), batch, teacher_logits=logits.softmax(-1), temperature=2.0
            )
    assert ["look like probabilities" in str(warning.message) for warning in caught] == [True]


def test_targets_of_a_soft_cross_entropy_are_beliefs() -> None:
    logits = torch.randn(6, CLASSES, generator=torch.Generator().manual_seed(0))
    for wrong in (logits, logits.softmax(-1) / 2, logits.softmax(-1) - 1 / CLASSES):
        with pytest.raises(ValueError, match="nonnegative and sum to one"):
            objectives.soft_cross_entropy(logits, wrong)
    rounded = logits.softmax(-1).bfloat16().float()
    assert objectives.soft_cross_entropy(logits, rounded).isfinite().all()


# -- vectorised over replicas ---------------------------------------------------------------


def test_checks_of_values_give_way_under_vmap() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, teacher = torch.randn(2, 5, 6, CLASSES, generator=generator)
    labels = LABELS.expand(5, -1)
    together = torch.func.vmap(objectives.cross_entropy)(logits, labels)
    alone = [objectives.cross_entropy(*pair) for pair in zip(logits, labels, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone))
    told = torch.func.vmap(lambda *pair: objectives.distillation_divergence(*pair, 2.0))
    apart = [
        objectives.distillation_divergence(s, t, 2.0) for s, t in zip(logits, teacher, strict=True)
    ]
    torch.testing.assert_close(told(logits, teacher), torch.stack(apart))
    beliefs = teacher.softmax(-1)
    torch.func.vmap(objectives.soft_cross_entropy)(logits, beliefs)
    torch.func.vmap(objectives.kl_sparsity)(beliefs)
    counts = torch.ones(5, 6, 3, 1, 1)
    assert torch.func.vmap(multinomial_log_density)(torch.zeros_like(counts), counts).shape == (
        5,
        6,
    )
