"""Joining domains and the adversarial loss: which term moves which part, and which way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from latent_transfer.data import Batch, ImageSet
from latent_transfer.models import Classifier
from latent_transfer.nets import MLPEncoder
from latent_transfer.transfer import (
    DomainAdversarial,
    domain_adversarial_loss,
    join_domains,
    mix,
    reversal_schedule,
)


def make_set(count: int, classes: int, size: int = 4) -> ImageSet:
    pixels = torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % classes, tuple("abc"[:classes]))


@pytest.fixture
def model() -> DomainAdversarial:
    torch.manual_seed(0)
    return DomainAdversarial(Classifier(MLPEncoder((1, 4, 4), (8,), 6), 6, 3), hidden=5)


def gradients(model: DomainAdversarial, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    names = [name for name, _ in model.named_parameters()]
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return {name: g for name, g in zip(names, found, strict=True) if g is not None}


def test_target_labels_do_not_survive() -> None:
    joined = join_domains(make_set(6, 3), make_set(4, 2))
    assert joined.labels.tolist() == [0, 1, 2, 0, 1, 2, 3, 3, 3, 3]
    assert joined.classes == ("a", "b", "c", "target")
    with pytest.raises(ValueError, match="one shape"):
        join_domains(make_set(6, 3), make_set(4, 2, size=5))


def test_joined_domains_keep_their_images_in_order() -> None:
    source, target = make_set(6, 3), make_set(4, 2)
    joined = join_domains(source, target)
    assert torch.equal(joined.images[:6], source.images)
    assert torch.equal(joined.images[6:], target.images)


@pytest.mark.parametrize("together", [join_domains, partial(mix, share=0.5)])
def test_domains_are_sets_of_images(together: Callable[[ImageSet, ImageSet], ImageSet]) -> None:
    images = make_set(6, 3)
    with pytest.raises(TypeError, match="must be ImageSets, not Tensor"):
        together(images, images.pixels())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="need images of one shape"):
        together(images, make_set(2, 2, size=5))


def test_a_domain_adversarial_model_answers_like_its_classifier(model: DomainAdversarial) -> None:
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(model(images), model.classifier(images))


def test_a_pair_of_images_and_labels_is_a_batch_too(model: DomainAdversarial) -> None:
    pair = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 2, 3])
    terms = domain_adversarial_loss(model, pair)  # type: ignore[arg-type]
    assert terms["loss"].item() == domain_adversarial_loss(model, Batch(*pair))["loss"].item()
    with pytest.raises(ValueError, match="needs labels"):
        domain_adversarial_loss(model, pair[0])  # type: ignore[arg-type]


def test_the_domain_term_is_the_cross_entropy_of_the_domains(model: DomainAdversarial) -> None:
    images, labels = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 3, 3])
    logits = model.domain_head(model.classifier.features(images)).squeeze(-1)
    target = torch.distributions.Bernoulli(logits=logits)
    expected = -target.log_prob(torch.tensor([0.0, 0.0, 1.0, 1.0])).mean()
    found = domain_adversarial_loss(model, Batch(images, labels, 0.5))["domains"]
    torch.testing.assert_close(found, expected)


def test_the_encoder_climbs_what_the_domain_head_descends(model: DomainAdversarial) -> None:
    images = torch.rand(10, 1, 4, 4)
    labels = torch.tensor([3] * 10)  # target only: the class term is zero
    batch = Batch(images, labels, progress=0.3)
    found = gradients(model, domain_adversarial_loss(model, batch, strength=0.7)["loss"])
    logits = model.domain_head(model.classifier.features(images)).squeeze(-1)
    plain = torch.nn.functional.softplus(-logits).mean()  # −log p(target)
    expected = gradients(model, plain)
    factor = -0.7 * reversal_schedule(0.3)
    for name, gradient in expected.items():
        sign = 1.0 if name.startswith("domain_head") else factor
        assert torch.allclose(found[name], sign * gradient, atol=1e-6)


def test_the_class_term_sees_source_images_alone(model: DomainAdversarial) -> None:
    images = torch.rand(8, 1, 4, 4)
    labels = torch.tensor([0, 1, 2, 0, 3, 3, 3, 3])
    terms = domain_adversarial_loss(model, Batch(images, labels, 0.5))
    logits = model.classifier(images[:4])
    expected = torch.nn.functional.cross_entropy(logits, labels[:4])
    assert terms["classes"].item() == pytest.approx(expected.item())
    assert terms["loss"].item() == pytest.approx((terms["classes"] + terms["domains"]).item())


def test_without_strength_the_domains_do_not_move_the_encoder(model: DomainAdversarial) -> None:
    batch = Batch(torch.rand(8, 1, 4, 4), torch.tensor([3] * 8), 0.9)
    found = gradients(model, domain_adversarial_loss(model, batch, strength=0.0)["loss"])
    assert all(not g.any() for name, g in found.items() if name.startswith("classifier"))
    assert any(g.any() for name, g in found.items() if name.startswith("domain_head"))


def test_confusion_counts_wrong_domains(model: DomainAdversarial) -> None:
    with torch.no_grad():
        model.domain_head[-1].weight.zero_()
        model.domain_head[-1].bias.fill_(-1)  # always says: source
    labels = torch.tensor([0, 1, 2, 3])
    terms = domain_adversarial_loss(model, Batch(torch.rand(4, 1, 4, 4), labels, 0.5))
    assert terms["confusion"].item() == 25
