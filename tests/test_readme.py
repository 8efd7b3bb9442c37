"""What the README shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import latent_transfer as lt

ROOT = Path(__file__).parents[1]


def test_the_example_runs_and_prints_a_bound(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # it saves a model
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    exec(compile(example, "README.md", "exec"), {})
    mean, error = re.search(r"(-\d+\.\d+) ± (\d+\.\d+) nats", capsys.readouterr().out).groups()
    # Independent pixels alone reach −160 nats on these digits.
    assert -155 < float(mean) < -80
    assert 0 < float(error) < 5
    assert lt.load("vae.safetensors").latent_size == 8


def test_the_commands_it_names_exist() -> None:
    readme, makefile = (
        (ROOT / "README.md").read_text("utf-8"),
        (ROOT / "Makefile").read_text("utf-8"),
    )
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.M))
    assert {"book", "test"} <= named
    assert named <= set(re.findall(r"^([a-z]+):", makefile, re.M))
