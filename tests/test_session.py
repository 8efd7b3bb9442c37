"""One line says what a chapter runs on, and an environment variable can change each part of it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import latent_transfer as lt
from latent_transfer.session import Session, find_data_root, find_device


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROFILE", "SEED", "DATA", "TRAINING"):
        monkeypatch.delenv(f"LATENT_TRANSFER_{name}", raising=False)


def test_setup_prints_one_line_that_says_everything(capsys: pytest.CaptureFixture[str]) -> None:
    session = lt.setup(seed=3, device="cpu")
    (line,) = capsys.readouterr().out.splitlines()
    for part in ("profile quick", "seed 3", "cpu", "thread", "data root"):
        assert part in line
    assert session.profile == "quick"


def test_setup_seeds_torch() -> None:
    lt.setup(seed=5, device="cpu")
    first = torch.randn(3)
    lt.setup(seed=5, device="cpu")
    assert torch.equal(torch.randn(3), first)


def test_the_home_folder_is_not_printed() -> None:
    inside, outside = Path.home() / "data", Path("/somewhere/data")
    assert str(Path.home()) not in str(_session(data_root=inside))
    assert "~/data" in str(_session(data_root=inside))
    assert str(outside) in str(_session(data_root=outside))


def test_choose_follows_the_profile() -> None:
    assert _session(profile="quick").choose(quick=1, full=2) == 1
    assert _session(profile="full").choose(quick=1, full=2) == 2


def test_profile_and_seed_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_TRANSFER_PROFILE", "full")
    monkeypatch.setenv("LATENT_TRANSFER_SEED", "11")
    session = lt.setup(seed=0)
    assert (session.profile, session.seed) == ("full", 11)


def test_quick_is_the_default_in_colab_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("colab"))
    assert lt.setup().profile == "quick"


def test_the_profile_is_an_argument_that_the_environment_overrides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert lt.setup(profile="full").profile == "full"
    monkeypatch.setenv("LATENT_TRANSFER_PROFILE", "quick")
    assert lt.setup(profile="full").profile == "quick"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": 1.5}, r"^seed must be an integer, not 1\.5\.$"),
        ({"seed": "1"}, "^seed must be an integer, not '1'"),
        ({"profile": "fast"}, "^profile must be 'quick' or 'full', not 'fast'"),
        ({"device": "gpu"}, "^device must be one that PyTorch finds here.* not 'gpu'"),
        ({"device": "cuda:99"}, "^device must be one that PyTorch finds here.* not 'cuda:99'"),
    ],
)
def test_a_wrong_argument_is_named(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lt.setup(**wrong)


def test_a_seed_may_be_numpys() -> None:
    assert lt.setup(seed=np.int64(7)).seed == 7  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "chosen"),
    [({"cuda", "mps"}, "cuda"), ({"mps"}, "mps"), (set(), "cpu")],
)
def test_the_device_is_the_first_that_there_is(
    monkeypatch: pytest.MonkeyPatch, there: set[str], chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    assert find_device() == torch.device(chosen)
    assert lt.setup().device == torch.device(chosen)


def test_steps_are_multiplied_by_the_training_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = lt.setup()
    assert (session.training, session.steps(30)) == (1, 30)
    assert "training" not in capsys.readouterr().out
    monkeypatch.setenv("LATENT_TRANSFER_TRAINING", "4")
    session = lt.setup()
    assert (session.training, session.steps(30)) == (4, 120)
    assert "training ×4" in capsys.readouterr().out
    with pytest.raises(TypeError):
        session.steps(2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("PROFILE", "fast"), ("SEED", "one"), ("TRAINING", "1.5"), ("TRAINING", "0")],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"LATENT_TRANSFER_{name}", value)
    with pytest.raises(ValueError, match=rf"LATENT_TRANSFER_{name} must be .*{value}"):
        lt.setup()


def test_generators_of_one_offset_agree_and_of_two_differ() -> None:
    session = _session()
    draws = [torch.rand(4, generator=session.generator(offset)) for offset in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_repetitions_have_seeds_of_their_own() -> None:
    first, second = (
        Session(seed, torch.device("cpu"), 1, "quick", Path("data")).seeds(5) for seed in (0, 1)
    )
    assert len({*first, *second}) == 10


def test_data_root_argument_beats_environment_beats_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_data_root().name == "latent-transfer"
    monkeypatch.setenv("LATENT_TRANSFER_DATA", str(tmp_path))
    assert find_data_root() == tmp_path
    assert find_data_root("~/else") == Path.home() / "else"


def _session(profile: str = "quick", data_root: Path = Path("data")) -> Session:
    return Session(0, torch.device("cpu"), 1, profile, data_root)  # type: ignore[arg-type]
