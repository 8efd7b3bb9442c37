"""What a cell says of where it ran, in which precision, and with whose code."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from latent_transfer.papers import cells
from latent_transfer.papers.cells import Cell, Failed, Measured, Watch, run_cell, watching
from latent_transfer.papers.code import code_of, library_of
from latent_transfer.papers.table import PaperTable, Place, Row, find_table
from latent_transfer.papers.tables import nade

NADE = "latent_transfer.papers.tables.nade"


def run(table: PaperTable, place: Place, label: str = "fine,labels=10") -> Measured | Failed:
    settings = table.row(label).used(table.chosen(quick=True))
    return run_cell(Cell("tiny_table", label, 0, settings, place))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, tmp_path)


def test_the_device_is_that_of_the_layers_not_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "GPU of this machine")
    with watching(NADE) as watch:
        nn.Sequential(nn.Linear(2, 2), nn.ReLU())(torch.zeros(1, 2))
    assert watch.environment()["device"] == "cpu"
    with watching(NADE) as watch:
        nn.Linear(2, 2, device="meta")(torch.zeros(1, 2, device="meta"))
    assert watch.environment()["device"] == "meta"
    nn.Linear(2, 2)(torch.zeros(1, 2))  # after the block nobody watches
    assert watch.devices == {torch.device("meta")}
    watch.devices = {torch.device("cuda", 0), torch.device("cpu")}
    assert watch.environment()["device"] == "cpu, cuda (GPU of this machine)"


def test_a_table_runs_on_the_device_that_there_is(
    tiny: PaperTable, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.device] = []

    def measure(row: Row, seed: int, settings: object, place: Place) -> float:
        seen.append(place.device)
        return 1.0

    monkeypatch.setattr(cells, "find_device", lambda: torch.device("meta"))
    monkeypatch.setattr(cells, "load_table", lambda _: replace(tiny, measure=measure))
    result = run(tiny, place)
    assert isinstance(result, Measured)
    assert seen == [torch.device("meta")]


def test_the_precision_is_that_of_the_training() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with watching(NADE) as watch, torch.no_grad():
        net(torch.zeros(1, 2))
    assert "precision" not in watch.environment()
    with watching(NADE) as watch:
        net(torch.zeros(1, 2))
    assert watch.environment()["precision"] == "float32"
    with watching(NADE) as watch:
        with torch.autocast("cpu", torch.bfloat16):
            net(torch.zeros(1, 2))
        with torch.no_grad():
            net(torch.zeros(1, 2))
    assert watch.environment()["precision"] == "bfloat16"


def test_a_cell_says_what_ran(place: Place) -> None:
    table = find_table("burda2015")
    settings = table.chosen(quick=True) | {"nll_samples": 2}
    settings["training"] = settings["training"] | {"epochs": 1, "precision": "float32"}
    module = "latent_transfer.papers.tables.burda2015"
    result = run_cell(Cell(module, "VAE,k=1", 0, settings, place))
    assert isinstance(result, Measured)
    found = result.environment
    assert (found["device"], found["precision"]) == ("cpu", "float32")
    assert (found["code"], found["library"]) == (code_of(module), library_of(module))
    assert found["torch"] == torch.__version__


def test_the_commit_is_that_of_this_checkout() -> None:
    folder = Path(nade.__file__).parent
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
    )
    found = cells.commit()
    if asked.returncode:
        assert found == "unknown"
    else:
        assert found.removesuffix("-dirty") == asked.stdout.strip()[:12]


def test_outside_a_checkout_the_commit_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A checkout of something else, in which the package is merely installed.
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *command], cwd=tmp_path, check=True)
    installed = tmp_path / "site-packages" / "cells.py"
    installed.parent.mkdir()
    installed.touch()
    monkeypatch.setattr(cells, "__file__", str(installed))
    assert cells.commit.__wrapped__() == "unknown"
    monkeypatch.setenv("PATH", "")
    assert cells.commit.__wrapped__() == "unknown"


def test_watching_takes_down_nothing_of_other_outputs() -> None:
    class Pair(nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
            return images, None

    with watching(NADE) as watch:
        Pair()(torch.zeros(1))
    assert watch == Watch(NADE)


def test_a_worker_that_does_not_see_the_folder_says_so(tiny: PaperTable, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    result = run(tiny, Place(missing, tmp_path))
    assert isinstance(result, Failed)
    assert result.reason == (
        f"FileNotFoundError: {missing} is not here; --out must be on a disk that all workers see."
    )
