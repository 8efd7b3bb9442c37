"""Parts by name: freezing, unfreezing, and learning rates layer by layer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from latent_transfer.data import ImageSet
from latent_transfer.models import Classifier, mlp_vae, sparse_autoencoder
from latent_transfer.nets import ConvEncoder, MLPEncoder
from latent_transfer.objectives import classification_loss
from latent_transfer.training import fit
from latent_transfer.transfer import (
    freeze,
    layers,
    parameter_groups,
    scale_and_shift,
    snapshot,
    unfreeze,
    unfreeze_schedule,
)

LAYERS = ["encoder.layers.0", "encoder.layers.2", "encoder.layers.4", "head.0"]


@pytest.fixture
def model() -> Classifier:
    return Classifier(MLPEncoder((1, 4, 4), (8, 6), 10), 5, 3)


def trained(model: nn.Module) -> list[str]:
    return [
        name
        for name in layers(model)
        if model.get_submodule(name).weight.requires_grad  # type: ignore[union-attr]
    ]


def test_layers_run_from_the_input_to_the_output(model: Classifier) -> None:
    assert layers(model) == LAYERS
    assert layers(model, "encoder") == LAYERS[:3]
    encoder = ConvEncoder((1, 8, 8), (4, 4), 2)
    assert layers(encoder) == ["convolutions.0", "convolutions.2", "head"]


def test_a_parametrised_layer_goes_by_its_own_name() -> None:
    model = sparse_autoencoder((1, 4, 4), 6, unit_features=True)
    assert layers(model) == ["encoder.layers.0", "decoder.layers.0"]
    freeze(model, "decoder.layers.0")
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == {
        "decoder.layers.0.bias",
        "decoder.layers.0.parametrizations.weight.original",
    }


def test_freeze_and_unfreeze_parts(model: Classifier) -> None:
    assert freeze(model, "encoder") is model
    assert trained(model) == LAYERS[3:]
    unfreeze(model, "encoder.layers.4")
    assert trained(model) == LAYERS[2:]
    freeze(model)
    assert trained(model) == []
    unfreeze(model)
    assert trained(model) == LAYERS


def test_an_unknown_part_is_refused(model: Classifier) -> None:
    for function in (freeze, unfreeze, layers, snapshot):
        with pytest.raises(ValueError, match="no part 'decoder'; its parts are encoder, head"):
            function(model, "decoder")


@pytest.mark.parametrize(
    ("progress", "count"),
    [(0.0, 1), (0.24, 1), (0.25, 2), (1 / 3, 2), (0.5, 3), (0.75, 4), (0.9, 4)],
)
def test_the_schedule_frees_parts_at_even_distances(
    model: Classifier, progress: float, count: int
) -> None:
    schedule = unfreeze_schedule(*reversed(LAYERS))
    schedule(model, progress)
    assert trained(model) == LAYERS[4 - count :]


def test_the_schedule_may_end_early_and_depends_on_progress_alone(model: Classifier) -> None:
    schedule = unfreeze_schedule(*reversed(LAYERS), until=0.5)
    for progress, count in [(0.4, 4), (0.125, 2), (0.0, 1), (0.375, 4)]:
        schedule(model, progress)
        assert trained(model) == LAYERS[4 - count :]


def test_thirds_are_not_missed_by_rounding(model: Classifier) -> None:
    schedule = unfreeze_schedule("head", "encoder.layers.4", "encoder.layers.2")
    freeze(model)
    for epoch in range(3):
        schedule(model, epoch / 3)
        assert len(trained(model)) == epoch + 1


def test_a_schedule_without_sense_is_refused(model: Classifier) -> None:
    for parts, until in [((), 1.0), (("head",), 0.0), (("head",), 1.5)]:
        with pytest.raises(ValueError, match="at least one part, and until above 0"):
            unfreeze_schedule(*parts, until=until)
    with pytest.raises(ValueError, match="no part 'decoder'"):
        unfreeze_schedule("decoder")(model, 0.0)


def test_groups_slow_down_from_the_output_to_the_input(model: Classifier) -> None:
    groups = parameter_groups(model, 0.1, decay=0.5)
    assert [group["lr"] for group in groups] == [0.1, 0.05, 0.025, 0.0125]
    for group, layer in zip(groups, reversed(LAYERS), strict=True):
        expected = list(model.get_submodule(layer).parameters())
        assert all(a is b for a, b in zip(group["params"], expected, strict=True))


def test_frozen_layers_have_groups_and_train_once_they_thaw(model: Classifier) -> None:
    freeze(model, "encoder")
    groups = parameter_groups(model, 0.1, decay=0.5)
    assert [group["lr"] for group in groups] == [0.1, 0.05, 0.025, 0.0125]
    before, after_one = snapshot(model), {}
    images = ImageSet.from_pixels(torch.rand(12, 1, 4, 4), torch.arange(12) % 3, ("a", "b", "c"))
    thaw = unfreeze_schedule("head", "encoder")

    def before_epoch(model: nn.Module, progress: float) -> None:
        if progress == 0.5:
            after_one.update(snapshot(model))
        thaw(model, progress)

    fit(
        model,
        images,
        classification_loss,
        epochs=2,
        batch_size=6,
        groups=groups,
        before_epoch=before_epoch,
        progress=False,
    )
    for name, start in before.items():
        assert torch.equal(after_one[name], start) == name.startswith("encoder")
    assert all(not torch.equal(value, before[name]) for name, value in snapshot(model).items())


@pytest.mark.parametrize(("rate", "decay"), [(0.1, 0.0), (0.1, 1.5), (0.1, math.nan), (0.0, 1.0)])
def test_groups_without_sense_are_refused(model: Classifier, rate: float, decay: float) -> None:
    with pytest.raises(ValueError, match=r"(decay|learning_rate) must be"):
        parameter_groups(model, rate, decay=decay)


def test_only_scales_and_shifts_are_tuned() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.BatchNorm2d(2, affine=False))
    assert scale_and_shift(model) is model
    assert [name for name, p in model.named_parameters() if p.requires_grad] == [
        "1.weight",
        "1.bias",
    ]
    with pytest.raises(ValueError, match="0 has no normalisation to tune"):
        scale_and_shift(model, "0")


def test_every_parameter_of_a_vae_is_in_one_group() -> None:
    model = mlp_vae((1, 4, 4), (8,), 2)
    grouped = [p for group in parameter_groups(model, 0.1) for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in model.parameters()}
    assert len(grouped) == len(list(model.parameters()))


def test_a_snapshot_is_a_copy(model: Classifier) -> None:
    before = snapshot(model, "head")
    assert list(before) == ["head.0.weight", "head.0.bias"]
    kept = before["head.0.bias"].clone()
    with torch.no_grad():
        model.head[0].bias.add_(1)
    assert torch.equal(before["head.0.bias"], kept)
    assert not before["head.0.bias"].requires_grad
    assert list(snapshot(model)) == [name for name, _ in model.named_parameters()]
