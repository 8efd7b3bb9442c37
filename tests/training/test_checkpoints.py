"""A killed run resumes to the same bits; a checkpoint that does not fit is refused clearly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
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
from latent_transfer.training import History, cosine_schedule, fit, warm_up
from latent_transfer.training.description import digest

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


def test_a_finished_run_says_that_nothing_was_trained(
    path: Path, images: ImageSet, capsys: pytest.CaptureFixture[str]
) -> None:
    train(path, images)
    assert capsys.readouterr().out == ""
    train(path, images, progress=True)
    assert "holds the finished run; nothing was trained" in capsys.readouterr().out


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


# -- what decides a run is compared -------------------------------------------------------------


def make(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return mlp_vae((1, 4, 4), (8,), 2)


def run(place: Path, images: ImageSet, loss: object = negative_elbo, **options: object) -> History:
    settings = {"epochs": 2, "batch_size": 20, "progress": False, "checkpoint": place} | options
    model = settings.pop("model", None) or make()
    return fit(model, images, loss, **settings)  # type: ignore[arg-type]


def beta_loss(beta: float) -> object:
    return lambda model, batch: negative_elbo(model, batch, beta=beta)


def table_loss(rows: torch.Tensor) -> object:
    def loss(model: nn.Module, batch: Batch) -> torch.Tensor:
        codes = model.posterior(batch.images).mean  # type: ignore[operator]
        return (codes - rows[batch.indices]).square().mean()

    return loss


def teacher_loss(teacher: nn.Module) -> object:
    def loss(model: nn.Module, batch: Batch) -> torch.Tensor:
        return (model.posterior(batch.images).mean - teacher(batch.images)).square().mean()  # type: ignore[operator]

    return loss


def net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"loss": beta_loss(1.0)}, {"loss": beta_loss(0.0)}, r"another loss \(its beta differs\)"),
        (
            {"loss": partial(negative_elbo, beta=1.0)},
            {"loss": partial(negative_elbo, beta=0.0)},
            "another loss",
        ),
        (
            {"loss": lambda model, batch: negative_elbo(model, batch, beta=1.0)},
            {"loss": lambda model, batch: negative_elbo(model, batch, beta=0.5)},
            "another loss",
        ),
        (
            {"loss": table_loss(torch.zeros(50, 2))},
            {"loss": table_loss(torch.ones(50, 2))},
            r"another loss \(its rows differs\)",
        ),
        (
            {"loss": teacher_loss(net(0))},
            {"loss": teacher_loss(net(1))},
            r"another loss \(its teacher differs\)",
        ),
        ({"schedule": cosine_schedule}, {}, "another schedule"),
        ({"schedule": partial(warm_up, until=0.5)}, {"schedule": partial(warm_up, until=0.4)},
         "another schedule"),
        ({"transform": torch.flip}, {"transform": torch.roll}, "another transform"),
        ({}, {"model": "other start"}, "other starting weights"),
        ({"validation": "yes"}, {}, "validation="),
        ({"clip": 1.0}, {"clip": 2.0}, "clip=1.0, not 2.0"),
        ({"optimizer": torch.optim.SGD}, {"optimizer": torch.optim.Adam}, "optimizer='SGD'"),
        (
            {"optimizer": partial(torch.optim.Adam, betas=(0.9, 0.99))},
            {"optimizer": partial(torch.optim.Adam, betas=(0.5, 0.99))},
            "options=",
        ),
        ({"model": "frozen"}, {}, "other frozen parts in epoch 1"),
        ({"about": {"source": "digits"}}, {"about": {"source": "glyphs"}}, "about="),
    ],
)  # fmt: skip
def test_a_run_that_is_decided_otherwise_is_refused(
    tmp_path: Path,
    images: ImageSet,
    first: dict[str, object],
    second: dict[str, object],
    message: str,
) -> None:
    def made(options: dict[str, object]) -> dict[str, object]:
        options = dict(options)
        if "transform" in options:
            dims = {"dims": (-1,)} if options["transform"] is torch.flip else {"shifts": 1}
            options["transform"] = partial(options["transform"], **dims)  # type: ignore[arg-type]
        if options.get("validation"):
            options["validation"] = images
        if options.get("model") == "other start":
            options["model"] = make(1)
        if options.get("model") == "frozen":
            options["model"] = make()
            options["model"].encoder.requires_grad_(False)  # type: ignore[attr-defined]
        return options

    place = tmp_path / "run"
    run(place, images, **made(first))
    assert run(place, images, **made(first)).epochs == 2  # the same call reads what is there
    with pytest.raises(CheckpointError, match=message):
        run(place, images, **made(second))


def test_what_a_loss_counts_is_its_state(tmp_path: Path, images: ImageSet) -> None:
    steps: list[int] = []

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        steps.append(len(steps))
        if len(steps) == 5:
            raise KeyboardInterrupt
        return negative_elbo(model, batch)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", images, loss)
    resumed, straight = make(), make()
    run(tmp_path / "run", images, loss, model=resumed)
    run(None, images, model=straight)  # type: ignore[arg-type]
    for name, value in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value)


def test_a_loss_that_holds_the_model_itself_resumes(tmp_path: Path, images: ImageSet) -> None:
    def holding(model: nn.Module) -> object:
        return lambda _, batch: negative_elbo(model, batch)  # type: ignore[arg-type]

    def stop(model: nn.Module, history: History) -> None:
        if history.epochs == 2:
            raise KeyboardInterrupt

    halted, resumed, straight = make(), make(), make()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", images, holding(halted), model=halted, after_epoch=stop, epochs=3)
    run(tmp_path / "run", images, holding(resumed), model=resumed, epochs=3)
    run(None, images, model=straight, epochs=3)  # type: ignore[arg-type]
    for name, value in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value)


def test_an_interrupted_model_may_go_on_itself(tmp_path: Path, images: ImageSet) -> None:
    model, straight, calls = make(), make(), []

    def once(model: nn.Module) -> None:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", images, model=model, after_step=once)
    run(tmp_path / "run", images, model=model, after_step=once)
    run(None, images, model=straight)  # type: ignore[arg-type]
    for name, value in straight.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_early_stopping_resumes_with_its_best_weights(tmp_path: Path, images: ImageSet) -> None:
    options = {"epochs": 30, "validation": images, "patience": 2, "learning_rate": 0.3}
    straight, halted, resumed = make(), make(), make()
    history = run(None, images, model=straight, **options)  # type: ignore[arg-type]
    assert history.best_epoch + 2 == history.epochs < 30

    def stop(model: nn.Module, history_so_far: History) -> None:
        if history_so_far.epochs == history.epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", images, model=halted, after_epoch=stop, **options)
    assert run(tmp_path / "run", images, model=resumed, **options) == history
    assert run(tmp_path / "run", images, **options) == history  # and is not run again
    for name, value in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value)


def test_a_link_stays_a_link_and_a_home_is_found(
    tmp_path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there").mkdir()
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "there" / "run")
    run("~/run", images)  # type: ignore[arg-type]
    assert link.is_symlink()
    assert (tmp_path / "there" / "run").stat().st_size > 0


def test_a_place_that_cannot_be_written_is_found_out_first(
    tmp_path: Path, images: ImageSet
) -> None:
    (tmp_path / "file").write_text("")
    steps: list[int] = []
    with pytest.raises(OSError):  # noqa: PT011 (NotADirectoryError or FileExistsError)
        run(tmp_path / "file" / "run", images, after_step=lambda model: steps.append(1))
    assert not steps


@pytest.mark.parametrize("last", range(4))
def test_every_tensor_of_a_start_counts(last: int) -> None:
    # The pairs of a dictionary live for a moment, and the next one may be made at the same place.
    state = {name: torch.zeros(2) for name in "abcd"}
    other = {**state, "abcd"[last]: torch.ones(2)}
    assert digest(state) == digest(dict(state))
    assert digest(state) != digest(other)
    assert digest([(1, 2), (3, 4), (5, 6 + last)]) != digest([(1, 2), (3, 4), (5, 10)])
