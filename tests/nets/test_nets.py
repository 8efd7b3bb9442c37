"""Every net fits 28×28 and 32×32, grey and colour, and says so when it is fed something else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latent_transfer.nets import (
    ConvDecoder,
    ConvEncoder,
    MLPDecoder,
    MLPEncoder,
    Shape,
    he_initialise,
    limit_norms,
)
from latent_transfer.nets.convolutional import halvings

SHAPES: list[Shape] = [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32), (1, 8, 8), (1, 17, 30)]


@pytest.mark.parametrize("shape", SHAPES)
def test_encoders_and_decoders_fit_each_other(shape: Shape) -> None:
    channels = (8, 16, 16) if min(shape[1:]) < 16 else (8, 16, 16, 32)
    images = torch.rand(2, *shape)
    for encoder in (MLPEncoder(shape, (20,), 5), ConvEncoder(shape, channels, 5)):
        assert encoder(images).shape == (2, 5)
    for decoder in (MLPDecoder(5, (20,), shape), ConvDecoder(5, channels[::-1], shape)):
        assert decoder(torch.randn(2, 5)).shape == images.shape
        assert decoder(torch.randn(7, 2, 5)).shape == (7, *images.shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel", [3, 4])
def test_decoders_with_normalisation_have_free_logits(shape: Shape, kernel: int) -> None:
    decoder = ConvDecoder(5, (8, 4), shape, nn.BatchNorm2d, kernel=kernel)
    images = decoder(torch.randn(6, 5))
    assert images.shape == (6, *shape)
    norms = [layer for layer in decoder.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [norm.num_features for norm in norms] == [8, 4]
    assert images.min() < 0 < images.max()  # nothing rectified


def test_every_pixel_is_reached_by_equally_many_weights_if_the_kernel_is_even() -> None:
    def spread(kernel: int) -> float:
        layer = ConvDecoder(1, (1,), (1, 32, 32), kernel=kernel).convolutions[0]
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
        reached: torch.Tensor = layer(torch.ones(1, 1, 16, 16))[..., 4:-4, 4:-4]
        return (reached.max() - reached.min()).item()

    assert spread(3) == 3  # one to four weights: a checkerboard
    assert spread(4) == 0


@pytest.mark.parametrize("decoder", [MLPDecoder(5, (20,), (1, 28, 28)), ConvDecoder(5)])
def test_leading_axes_do_not_mix(decoder: torch.nn.Module) -> None:
    codes = torch.randn(3, 2, 5)
    together = decoder(codes)
    one_by_one = torch.stack([decoder(code) for code in codes])
    torch.testing.assert_close(together, one_by_one)


def test_sizes_halve_rounding_up() -> None:
    assert [height for height, _ in halvings((1, 28, 28), 4)] == [28, 14, 7, 4, 2]
    assert [height for height, _ in halvings((1, 32, 32), 4)] == [32, 16, 8, 4, 2]


def test_too_small_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"4×4 cannot be halved 4 times"):
        ConvEncoder((1, 4, 4))


@pytest.mark.parametrize(
    ("images", "advice"),
    [
        (torch.rand(2, 3, 28, 28), r"2×3×28×28; convert the data set with \.grey\(\)"),
        (torch.rand(2, 1, 32, 32), r"2×1×32×32; resize the data set with \.resize\(28\)"),
        (torch.rand(1, 28, 28), r"1×28×28; add the batch dimension"),
        (torch.rand(784), "784; add the batch dimension"),
    ],
)
@pytest.mark.parametrize("net", [MLPEncoder((1, 28, 28), (), 2), ConvEncoder((1, 28, 28))])
def test_images_of_another_shape_get_one_sentence(
    net: torch.nn.Module, images: torch.Tensor, advice: str
) -> None:
    with pytest.raises(ValueError, match=f"takes batches of 1×28×28 .*{advice}"):
        net(images)


@pytest.mark.parametrize("decoder", [MLPDecoder(5, (), (1, 28, 28)), ConvDecoder(5)])
def test_codes_of_another_size_get_one_sentence(decoder: torch.nn.Module) -> None:
    with pytest.raises(ValueError, match=r"takes codes of size 5 .*not a tensor of shape 2×6"):
        decoder(torch.randn(2, 6))


def test_the_last_layer_is_linear() -> None:
    torch.manual_seed(0)
    codes = MLPEncoder((1, 28, 28), (50,), 20)(torch.rand(50, 1, 28, 28))
    assert (codes < 0).any()
    logits = MLPDecoder(20, (50,), (1, 28, 28))(torch.randn(50, 20))
    assert (logits < 0).any()
    assert (logits > 0).any()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(300, 400),
        nn.Conv2d(64, 80, 3, padding=1),
        nn.ConvTranspose2d(64, 80, 3, stride=2, padding=1, output_padding=1),
    ],
)
def test_the_he_start_keeps_the_mean_square_through_a_relu(layer: nn.Module) -> None:
    torch.manual_seed(0)
    shape = (200, 300) if isinstance(layer, nn.Linear) else (8, 64, 12, 12)
    signal = torch.randn(shape).relu()
    with torch.no_grad():
        passed = he_initialise(layer)(signal).relu()
    ratio = passed.square().mean() / signal.square().mean()
    assert 0.8 < ratio.item() < 1.2


def test_the_he_start_leaves_no_bias_and_no_layer_without_one() -> None:
    net = he_initialise(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False)))
    assert not net[0].bias.any()


def test_norms_are_back_within_their_limit_whenever_a_layer_is_used() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    limit_norms(net, 0.5)
    optimiser = torch.optim.SGD(net.parameters(), lr=5.0)
    (-net(torch.ones(3, 6)).sum()).backward()
    optimiser.step()
    assert all(layer.weight.norm(dim=1).max() > 0.6 for layer in (net[0], net[2]))
    net(torch.ones(3, 6))
    assert all(layer.weight.norm(dim=1).max() < 0.5 + 1e-5 for layer in (net[0], net[2]))


def test_long_weights_are_shortened_at_once_and_short_ones_left_as_they_are() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[0.3, 0.1], [3.0, 4.0]])
    limit_norms(layer, 1.0)
    torch.testing.assert_close(layer.weight.data, torch.tensor([[0.3, 0.1], [0.6, 0.8]]))


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_norm_needs_a_positive_limit(limit: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        limit_norms(nn.Linear(2, 2), limit)


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8), (7, 9, 12)])
def test_any_number_of_channels_fits(shape: Shape) -> None:
    images = torch.rand(2, *shape)
    for encoder in (MLPEncoder(shape, (6,), 5), ConvEncoder(shape, (4, 8), 5)):
        assert encoder(images).shape == (2, 5)
    for decoder in (MLPDecoder(5, (6,), shape), ConvDecoder(5, (8, 4), shape)):
        assert decoder(torch.randn(2, 5)).shape == images.shape


@pytest.mark.parametrize(
    ("shape", "images", "advice"),
    [
        ((1, 8, 8), torch.rand(2, 3, 8, 8), r"\.grey\(\) or build the net for 3 channels"),
        ((3, 8, 8), torch.rand(2, 1, 8, 8), r"\.rgb\(\) or build the net for 1 channels"),
        ((4, 8, 8), torch.rand(2, 3, 8, 8), "; build the net for 3 channels"),
        ((1, 8, 8), torch.rand(2, 1, 9, 9), r"\.resize\(8\) or build the net for 9×9"),
        ((1, 8, 6), torch.rand(2, 1, 9, 9), r"\.resize\(\(8, 6\)\) or build the net for 9×9"),
        ((1, 8, 8), torch.rand(1, 8, 8), r"images\[None\]"),
        ((1, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "floating-point pixels in .0, 1."),
    ],
)
def test_the_advice_mends_what_is_wrong(shape: Shape, images: torch.Tensor, advice: str) -> None:
    for net in (MLPEncoder(shape, (), 2), ConvEncoder(shape, (4,), 2)):
        with pytest.raises(ValueError, match=advice):
            net(images)


def test_every_net_takes_the_activation_that_it_is_given() -> None:
    shape = (1, 8, 8)
    nets = (
        ConvEncoder(shape, (4, 8), 3, nn.Tanh),
        MLPEncoder(shape, (6, 5), 3, nn.Tanh),
        MLPDecoder(3, (6, 5), shape, nn.Tanh),
    )
    for net in nets:
        assert sum(isinstance(layer, nn.Tanh) for layer in net.modules()) == 2
        assert not any(isinstance(layer, nn.ReLU) for layer in net.modules())
