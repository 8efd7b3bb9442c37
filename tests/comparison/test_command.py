"""The command as users type it: what it says, and that stopping it costs nothing."""

from __future__ import annotations

import inspect
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from latent_transfer import cli
from latent_transfer.comparison import FourWays

# A shell that runs the tests in the background has them ignore SIGINT, and children inherit that.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from latent_transfer.cli import main; main()"
)


def command(pets: Path, out: Path) -> list[str]:
    return [
        *("compare", "--source", "digits", "--target", f"folder:{pets}", "--out", str(out)),
        *("--labels", "2,5", "--seeds", "2", "--size", "9"),
        *("--pretraining-steps", "80", "--steps", "20"),
    ]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leaving:
        cli.main(list(arguments))
    said = capsys.readouterr()
    return int(str(leaving.value.code)), said.out, said.err


def stop(arguments: list[str], ready: Callable[[], bool], how: signal.Signals) -> tuple[int, str]:
    """Start the command, send the signal once ready; the exit code and the error stream."""
    child = subprocess.Popen(
        [sys.executable, "-c", START, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while child.poll() is None and not ready():
        time.sleep(0.002)
    child.send_signal(how)
    _, said = child.communicate(timeout=60)
    return child.returncode, said


def test_stopped_anywhere_it_ends_the_same(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, whole = tmp_path / "stopped", tmp_path / "whole"
    pretrained, record = (out / "checkpoints" / n for n in ("source.safetensors", "scores.json"))
    arguments = command(pets, out)

    assert stop(arguments, pretrained.exists, signal.SIGKILL)[0] == -signal.SIGKILL
    assert not record.exists()
    assert stop(arguments, record.exists, signal.SIGKILL)[0] == -signal.SIGKILL
    scores = len(json.loads(record.read_text(encoding="utf-8"))["scores"])
    assert 1 <= scores < 16

    def further() -> bool:
        return len(json.loads(record.read_text(encoding="utf-8"))["scores"]) > scores

    code, said = stop(arguments, further, signal.SIGINT)
    assert code == 130
    assert f"Stopped; the same command goes on from {out}." in said
    assert "Traceback" not in said
    assert not (out / "report.html").exists()

    for place in (out, whole):
        assert run(capsys, *command(pets, place))[0] == 0
    for name in ("report.html", "results.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_it_says_what_it_does_and_where_the_report_is(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("--source", f"folder:{pets}", "--target", "digits")
    tiny = ("--labels", "1", "--seeds", "2", "--size", "9", "--pretraining-steps", "1")
    code, out, err = run(capsys, "compare", *names, *tiny, "--steps", "2", "--no-augment")
    folder = Path("compare-my <i>pets&-digits")
    assert code == 0
    verdict, *places = out.splitlines()
    assert verdict.startswith("Compared with training from scratch on digits, fine-tuning the")
    assert places == [f"Report: {folder / 'report.html'}", f"Numbers: {folder / 'results.json'}"]
    assert "Pre-training on 30 images of folder:my <i>pets& (source), without labels" in err
    assert "Pre-training on 1,437 images of digits (target), without labels" in err
    assert "8/8" in err  # the bar over classifiers
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert content["settings"]["augment"] is False
    assert [content["settings"][name] for name in ("pretraining_steps", "steps")] == [1, 2]
    assert content["verdict"] == verdict


def test_defaults_are_the_packages() -> None:
    options = inspect.signature(cli.compare).parameters
    for field in fields(FourWays)[2:]:
        assert options[field.name].default == field.default


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--labels", "5,x"), "--labels takes numbers with commas between them, such as 5,20,100,"),
        (("--labels", "0"), "--labels needs one or more numbers, each at least 1."),
        (("--seeds", "1"), "--seeds must be at least 2, not 1"),
        (("--source", "nope"), "--source: Unknown data set 'nope'"),
        (("--target", "folder:/no/such"), "--target: There is no image folder /no/such."),
        (("--labels", "5,400"), "--labels 400 is too many: class"),
    ],
)
def test_errors_are_one_sentence_that_names_the_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, wrong: tuple[str, str], message: str
) -> None:
    place = tmp_path / "out"
    arguments = ("--source", "digits", "--target", "digits", "--out", str(place), *wrong)
    code, out, err = run(capsys, "compare", *arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not place.exists()
