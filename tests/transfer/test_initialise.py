"""What is carried over is equal, reported, and never shared."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.models import Classifier, conv_autoencoder, mlp_autoencoder, mlp_vae
from latent_transfer.nets import MLPEncoder
from latent_transfer.transfer import initialise_from

CHANNELS = (4, 8)


def tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_all_of_a_twin_is_copied_and_nothing_shared() -> None:
    source, target = (mlp_vae((1, 4, 4), (8,), 2) for _ in range(2))
    report = initialise_from(source, target)
    before = tensors(source)
    assert report.copied == list(before)
    assert (report.adapted, report.skipped, report.unused) == ({}, {}, [])
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())


def test_one_part_goes_over_and_the_others_keep_their_start() -> None:
    source, target = (mlp_vae((1, 4, 4), (8,), 2) for _ in range(2))
    before = tensors(target)
    report = initialise_from(source, target, ["decoder"])
    assert all(name.startswith("decoder.") for name in report.copied)
    assert len(report.copied) == 4
    for name, value in target.state_dict().items():
        origin = source.state_dict()[name] if name in report.copied else before[name]
        assert torch.equal(value, origin)


def test_a_part_is_not_the_beginning_of_a_name() -> None:
    source, target = (
        nn.ModuleDict({"head": nn.Linear(2, 2), "head2": nn.Linear(2, 2)}) for _ in "ab"
    )
    assert initialise_from(source, target, ["head"]).copied == ["head.weight", "head.bias"]


def test_the_report_says_what_did_not_fit_and_why() -> None:
    source = mlp_vae((1, 4, 4), (8,), 2)
    target = Classifier(MLPEncoder((1, 4, 4), (8,), 6), 3, 2)
    report = initialise_from(source, target)
    assert report.copied == ["encoder.layers.0.weight", "encoder.layers.0.bias"]
    assert report.skipped["encoder.layers.2.weight"] == "4×8 in the source, 6×8 here"
    assert report.skipped["head.0.bias"] == "the source has none"
    assert report.unused[0] == "decoder.layers.0.weight"
    assert "skipped  encoder.layers.2.bias: 4 in the source, 6 here" in str(report).splitlines()


def test_buffers_go_over_too() -> None:
    source, target = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    source(torch.randn(10, 3, 4, 4) * 5 + 2)
    initialise_from(source, target)
    assert torch.equal(source.running_mean, target.running_mean)  # type: ignore[arg-type]
    assert torch.equal(source.running_var, target.running_var)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [(1, 3), (3, 1)])
def test_adapted_nets_treat_grey_images_as_before(channels: tuple[int, int]) -> None:
    source, target = (conv_autoencoder((c, 8, 8), CHANNELS, 5) for c in channels)
    report = initialise_from(source, target, adapt_channels=True)
    assert set(report.adapted) == {
        "encoder.convolutions.0.weight",
        "decoder.convolutions.2.weight",
        "decoder.convolutions.2.bias",
    }
    grey = torch.rand(6, 1, 8, 8)
    seen = [grey.expand(-1, c, -1, -1) for c in channels]
    codes = [model.encode(images) for model, images in zip((source, target), seen, strict=True)]
    assert torch.allclose(*codes, atol=1e-6)
    made = [model(images).mean(1) for model, images in zip((source, target), seen, strict=True)]
    assert torch.allclose(*made, atol=1e-5)


def test_channels_are_left_alone_unless_asked() -> None:
    source, target = (conv_autoencoder((c, 8, 8), CHANNELS, 5) for c in (1, 3))
    before = tensors(target)
    report = initialise_from(source, target)
    name = "encoder.convolutions.0.weight"
    assert report.skipped[name] == "4×1×3×3 in the source, 4×3×3×3 here"
    assert torch.equal(target.state_dict()[name], before[name])


def test_only_image_channels_are_adapted() -> None:
    source, target = (conv_autoencoder((1, 8, 8), (width, 8), 5) for width in (4, 6))
    report = initialise_from(source, target, adapt_channels=True)
    assert report.adapted == {}
    assert "encoder.convolutions.0.weight" in report.skipped


def test_shared_parameters_are_found() -> None:
    source = mlp_vae((1, 4, 4), (8,), 2)
    target = Classifier(source.encoder, 2, 2)
    with pytest.raises(ValueError, match=r"share the parameter encoder\.layers\.0\.weight"):
        initialise_from(source, target)


def test_what_cannot_be_meant_is_refused() -> None:
    source, target = (mlp_vae((1, 4, 4), (8,), 2) for _ in range(2))
    with pytest.raises(TypeError, match=r"such as \('encoder',\), not a string"):
        initialise_from(source, target, "encoder")
    with pytest.raises(TypeError, match="must be modules, not OrderedDict"):
        initialise_from(source.state_dict(), target)  # type: ignore[arg-type]
    torch.nn.init.constant_(source.decoder.layers[0].bias, torch.nan)  # type: ignore[index, union-attr]
    before = tensors(target)
    with pytest.raises(
        ValueError, match=r"decoder\.layers\.0\.bias of the source VAE is not finite"
    ):
        initialise_from(source, target)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    assert initialise_from(source, target, ["encoder"]).copied  # the broken part stays behind


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize(("old", "new"), [(2, 3), (3, 2), (1, 4)])
def test_other_numbers_of_channels_are_not_adapted(layer: type, old: int, new: int) -> None:
    source, target = (nn.ModuleDict({"a": layer(n, 5, 3)}) for n in (old, new))
    report = initialise_from(source, target, adapt_channels=True)
    assert (report.adapted, list(report.skipped)) == ({}, ["a.weight"])


def test_nothing_in_common_is_an_error() -> None:
    source = mlp_autoencoder((1, 4, 4), (8,), 2)
    with pytest.raises(ValueError, match="No tensor of Autoencoder fits one of Classifier"):
        initialise_from(source, Classifier(MLPEncoder((1, 6, 6), (9,), 4), 2, 2))
    with pytest.raises(ValueError, match="Both models need a part 'head'"):
        initialise_from(source, Classifier(MLPEncoder((1, 4, 4), (8,), 2), 2, 2), ["head"])
