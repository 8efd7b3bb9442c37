"""A killed run resumes to the same bits; a checkpoint that does not fit is refused clearly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from latent_transfer.data import Batch, ImageSet
from latent_transfer.errors import CheckpointError
from latent_transfer.models import mlp_autoencoder, mlp_vae
from latent_transfer.objectives import negative_elbo, reconstruction_loss
from latent_transfer.training import History, fit

RUN = """
import os, signal, sys
import torch
from torch import nn
from latent_transfer.training import checkpoints
from latent_transfer.data import ImageSet
from latent_transfer.models import VAE, mlp_vae
from latent_transfer.nets import MLPDecoder, MLPEncoder
from latent_transfer.objectives import negative_elbo
from latent_transfer.training import cosine_schedule, fit

checkpoint, result, kill_at, kill_in = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
steps = iter(range(1, 10_000))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def loss(model, batch):
    if next(steps) == kill_at:
        die()
    return negative_elbo(model, batch.images)

if kill_in == "save":  # the bytes are on their way to the disk, the name is not given yet
    os.fsync = lambda file: die()

torch.manual_seed(0)
encoder = nn.Sequential(MLPEncoder((1, 4, 4), (8,), 8), nn.BatchNorm1d(8), nn.Dropout(0.2),
                        nn.Linear(8, 4))
model = VAE(encoder, MLPDecoder(2, (8,), (1, 4, 4)), 2)
pixels = torch.randint(0, 256, (50, 1, 4, 4), dtype=torch.uint8)
images = ImageSet(pixels, torch.arange(50) % 2, ("even", "odd"))
history = fit(model, images, loss, epochs=4, batch_size=20, binarize=True, schedule=cosine_schedule,
              validation=images, checkpoint=checkpoint or None, progress=False)
state = {name: value.clone() for name, value in model.state_dict().items()}
from safetensors.torch import save_file
save_file(state, result, metadata={"history": repr(history)})
"""


def _run(checkpoint: str, result: Path, kill_at: int = 0, kill_in: str = "nothing") -> int:
    command = [sys.executable, "-c", RUN, checkpoint, str(result), str(kill_at), kill_in]
    return subprocess.run(command, check=False).returncode


def _result(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    with safe_open(path, framework="pt") as file:
        return load_file(path), file.metadata()["history"]


def test_a_run_killed_again_and_again_ends_with_the_same_bits(tmp_path: Path) -> None:
    checkpoint, killed, straight = (str(tmp_path / n) for n in ("run", "killed", "straight"))
    assert _run("", Path(straight)) == 0
    # In the first pass; while the first checkpoint is written; in a later pass; in the pass after.
    for kill_at, kill_in in [(2, "nothing"), (0, "save"), (5, "nothing"), (7, "nothing")]:
        assert _run(checkpoint, Path(killed), kill_at, kill_in) == -signal.SIGKILL
    assert _run(checkpoint, Path(killed)) == 0
    (weights, history), (expected_weights, expected_history) = (
        _result(Path(killed)),
        _result(Path(straight)),
    )
    assert history == expected_history
    for name, value in expected_weights.items():
        assert torch.equal(weights[name], value), name


@pytest.fixture
def images() -> ImageSet:
    pixels = torch.arange(50 * 16, dtype=torch.int64).remainder(256).to(torch.uint8)
    return ImageSet(pixels.view(50, 1, 4, 4), torch.arange(50) % 2, ("even", "odd"))


@pytest.fixture
def path(tmp_path: Path, images: ImageSet) -> Path:
    path = tmp_path / "run.safetensors"
    train(path, images)
    return path


def train(
    path: Path, images: ImageSet, model: nn.Module | None = None, **options: object
) -> History:
    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        evaluate = negative_elbo if hasattr(model, "posterior") else reconstruction_loss
        return evaluate(model, batch.images)  # type: ignore[arg-type, operator]

    torch.manual_seed(0)
    settings = {"epochs": 2, "batch_size": 20, "progress": False, "checkpoint": path} | options
    return fit(model or mlp_vae((1, 4, 4), (8,), 2), images, loss, **settings)  # type: ignore[arg-type]


def test_a_finished_run_is_not_run_again(path: Path, images: ImageSet) -> None:
    before = path.read_bytes()
    torch.manual_seed(0)
    model = mlp_vae((1, 4, 4), (8,), 2)
    assert train(path, images, model).epochs == 2
    assert path.read_bytes() == before
    saved = load_file(path)
    for name, value in model.state_dict().items():
        assert torch.equal(saved[f"model.{name}"], value)


def test_nothing_but_the_checkpoint_is_left_behind(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_checkpoint(
    path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full_disk(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    other = path.with_name("other")
    with pytest.raises(OSError, match="No space left"):
        train(other, images)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (mlp_autoencoder((1, 4, 4), (8,), 2), "belongs to a model of class VAE, not Autoencoder"),
        (mlp_vae((1, 4, 4), (9,), 2), r"another VAE: decoder.* is \[8\] there and \[9\] here"),
        (mlp_vae((1, 4, 4), (8, 8), 2), r"another VAE: decoder.* is \[16\] there and \[8\] here"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(
    path: Path, images: ImageSet, model: nn.Module, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        train(path, images, model)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"epochs": 3}, "a run with epochs=2, not 3"),
        ({"seed": 1}, "a run with seed=0, not 1"),
        ({"batch_size": 10}, "a run with batch_size=20, not 10"),
        ({"binarize": True}, "a run with binarize=False, not True"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    path: Path, images: ImageSet, option: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        train(path, images, **option)


def test_a_checkpoint_of_other_data_is_refused(path: Path, images: ImageSet) -> None:
    other = ImageSet(images.images + 1, images.labels, images.classes)
    with pytest.raises(CheckpointError, match="a run with data="):
        train(path, other)


def test_a_checkpoint_of_another_version_is_refused(path: Path, images: ImageSet) -> None:
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["latent_transfer"])
    save_file(load_file(path), path, {"latent_transfer": json.dumps(header | {"format": 0})})
    with pytest.raises(CheckpointError, match=r"checkpoint format 0, this version .* format 2"):
        train(path, images)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "foreign", "folder"])
def test_a_damaged_checkpoint_is_refused(path: Path, images: ImageSet, damage: str) -> None:
    content = path.read_bytes()
    path.unlink()
    if damage == "foreign":
        save_file({"weight": torch.zeros(3)}, path)
    elif damage == "folder":
        path.mkdir()
    else:
        kept = {
            "truncated": content[: len(content) // 2],
            "garbage": b"\x80\x04K\x01.",
            "empty": b"",
        }
        path.write_bytes(kept[damage])
    with pytest.raises(CheckpointError, match=r"is damaged or no checkpoint|is no checkpoint"):
        train(path, images)
