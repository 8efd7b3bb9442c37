"""One line says what a chapter runs on, and an environment variable can change each part of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import latent_transfer as lt
from latent_transfer.session import Session, find_data_root


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROFILE", "SEED", "DATA"):
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


def test_full_is_the_default_in_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "google.colab", object())
    assert lt.setup().profile == "full"


@pytest.mark.parametrize(("name", "value"), [("PROFILE", "fast"), ("SEED", "one")])
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"LATENT_TRANSFER_{name}", value)
    with pytest.raises(ValueError, match=rf"LATENT_TRANSFER_{name} must be .*'{value}'"):
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
