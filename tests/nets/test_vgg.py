"""VGG features: a small one, and VGG19 from a local file of weights or from none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from latent_transfer import _torchvision
from latent_transfer.data import download
from latent_transfer.errors import DataError
from latent_transfer.nets import small_vgg_features, vgg19_features, weights
from latent_transfer.nets.vgg import VGG19_ENDS


def _published() -> nn.Sequential:
    torch.manual_seed(0)
    vgg = _torchvision.load("torchvision.models.vgg")
    net: nn.Sequential = vgg.make_layers(vgg.cfgs["E"])
    return net.eval()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The convolutions of a VGG19 with random weights, in the layout of the published file."""
    net = _published()
    path = tmp_path_factory.mktemp("weights") / "vgg19.safetensors"
    save_file({f"features.{name}": value for name, value in net.state_dict().items()}, path)
    return path


def test_small_features_halve_with_each_block_and_take_grey_images() -> None:
    features = small_vgg_features((4, 8))
    assert features(torch.rand(2, 3, 32, 32)).shape == (2, 8, 8, 8)
    grey = torch.rand(2, 1, 28, 28)
    assert torch.equal(features(grey), features(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("blocks", range(1, 6))
def test_vgg19_from_a_local_file_computes_what_torchvision_does(file: Path, blocks: int) -> None:
    published = _published()
    features = vgg19_features(blocks, file)
    images = torch.rand(1, 3, 32, 32)
    normalised = (images - features.mean) / features.std
    with torch.no_grad():
        maps = features(images)
        torch.testing.assert_close(maps, published[: VGG19_ENDS[blocks - 1]](normalised))
    assert maps.shape == (1, features.channels, 32 // 2**blocks, 32 // 2**blocks)


def test_vgg19_is_found_under_the_data_root(file: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "vgg19.safetensors").symlink_to(file)
    assert vgg19_features(1, root=tmp_path).channels == 64


def test_vgg19_without_file_and_network_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(url: str, checksum: str, folder: Path) -> Path:
        (folder / "vgg19").write_bytes(b"half")
        raise OSError("no route to host")

    monkeypatch.setattr(download, "_retrieve", unreachable)
    with pytest.raises(DataError, match=r"vgg19 needs .* \(https.*no route to host\)"):
        vgg19_features(2, root=tmp_path)
    assert list(tmp_path.rglob("*")) == []  # nothing half-written stays


def test_a_fetched_file_is_kept(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def served(url: str, checksum: str, folder: Path) -> Path:
        calls.append(url)
        (folder / "vgg19").write_bytes(file.read_bytes())
        return folder / "vgg19"

    monkeypatch.setattr(download, "_retrieve", served)
    for _ in range(2):
        assert vgg19_features(1, root=tmp_path).channels == 64
    assert calls == [*weights.FILES["vgg19"].urls]


def test_a_file_of_other_weights_is_refused(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, other)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(file.read_bytes()[:1000])
    for path in (other, cut, tmp_path / "missing.safetensors"):
        with pytest.raises(
            DataError, match=r"does not hold the weights of these layers .* names and shapes"
        ):
            vgg19_features(1, path)


def test_blocks_out_of_range_are_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="VGG19 has 1 to 5 blocks, not 6"):
        vgg19_features(6, file)
