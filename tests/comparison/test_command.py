"""The command as users type it: what it says, and that stopping it costs nothing."""

from __future__ import annotations

import inspect
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from latent_transfer import cli, comparison
from latent_transfer.comparison import FourWays, Outcome, html_report
from latent_transfer.comparison.settings import command as command_of
from latent_transfer.comparison.settings import options
from latent_transfer.errors import DataError

# A shell that runs the tests in the background has them ignore SIGINT, and children inherit that.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from latent_transfer.__main__ import main; main()"
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
    assert f"Stopped; run the same command again to resume from {out}." in said
    assert said.endswith("Interrupted.\n")
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


#: A value of each setting that is not its default; a new setting needs one here.
OTHERS = {
    "source": "folder:some where/else",
    "target": "glyphs",
    "labels": (3, 7),
    "seeds": 6,
    "size": 17,
    "pretraining_steps": 11,
    "steps": 12,
    "augment": False,
    "skip_damaged": True,
}


def typed(line: str, monkeypatch: pytest.MonkeyPatch) -> tuple[FourWays, dict[str, object]]:
    """The settings and places with which the command line would compare."""
    seen: list[tuple[FourWays, dict[str, object]]] = []

    def keep(settings: FourWays, out: Path, **places: object) -> None:
        seen.append((settings, {"out": out, **places}))
        raise DataError("enough")

    monkeypatch.setattr(comparison, "compare_four_ways", keep)
    program, *arguments = shlex.split(line)
    assert program == "latent-transfer"
    with pytest.raises(SystemExit):
        cli.main(arguments)
    return seen[0]


def test_every_setting_is_an_option_a_row_and_a_word() -> None:
    names = [field.name for field in fields(FourWays)]
    assert names == list(OTHERS)
    parameters = inspect.signature(cli.compare).parameters
    assert list(parameters) == [*names, "out", "root"]
    assert [parameters[name].default for name in names[2:]] == [
        field.default for field in fields(FourWays)[2:]
    ]


@pytest.mark.parametrize("name", OTHERS)
def test_a_setting_appears_in_the_command_and_comes_back_from_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FourWays("digits", "photos")
    changed = replace(plain, **{name: OTHERS[name]})  # type: ignore[arg-type]
    assert command_of(changed) != command_of(plain)
    assert typed(command_of(changed), monkeypatch)[0] == changed


@pytest.mark.parametrize("name", OTHERS)
def test_a_setting_reaches_the_report(name: str, outcome: Outcome) -> None:
    budgets = {"labels": (7,), "seeds": 9}
    settings = replace(outcome.settings, **{name: (OTHERS | budgets)[name]})  # type: ignore[arg-type]
    changed = replace(outcome, settings=settings, budgets=list(settings.labels or (5,)))
    if name in ("source", "target"):  # told by what was loaded
        loaded = getattr(outcome, name)
        changed = replace(outcome, **{name: replace(loaded, name="else")})
    row = options()[name].row
    texts = [BeautifulSoup(html_report(each), "html.parser") for each in (outcome, changed)]
    values = [[line.td.text for line in text.select("tr") if line.th.text == row] for text in texts]
    assert len(values[0]) == len(values[1]) == 1
    assert values[0] != values[1]
    commands = [text.code.text for text in texts if text.code]
    assert commands[0] != commands[1]


def test_places_are_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    line = "latent-transfer compare --source digits --target photos --out=~/x --root ~/data"
    assert typed(line, monkeypatch)[1] == {"out": tmp_path / "x", "root": tmp_path / "data"}


def test_ctrl_c_while_the_report_is_written_says_how_to_resume(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare_four_ways", lambda *_, **__: None)
    monkeypatch.setattr(comparison, "write_report", interrupted)
    names = ("--source", "digits", "--target", "photos", "--out", str(tmp_path))
    code, _, err = run(capsys, "compare", *names)
    assert code == 130
    assert err.splitlines() == [
        f"Stopped; run the same command again to resume from {tmp_path}.",
        "Interrupted.",
    ]


@pytest.mark.parametrize(
    ("wrong", "code", "message"),
    [
        (("--labels", "5,x"), 2, "--labels takes numbers with commas between them, such as 5,20"),
        (("--labels", "0"), 2, "--labels needs one or more numbers, each at least 1."),
        (("--seeds", "1"), 2, "--seeds must be at least 2, not 1"),
        (("--out", ""), 2, "An empty text names no place"),
        (("--root", " "), 2, "An empty text names no place"),
        (("--source", "nope"), 1, "--source: Unknown data set 'nope'"),
        (("--target", "folder:/no/such"), 1, "--target: There is no image folder /no/such."),
        (("--labels", "5,400"), 1, "--labels 400 is too many: class"),
    ],
)
def test_errors_are_one_sentence_that_names_the_option(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    wrong: tuple[str, str],
    code: int,
    message: str,
) -> None:
    place = tmp_path / "out"
    arguments = ("--source", "digits", "--target", "digits", "--out", str(place), *wrong)
    left, out, err = run(capsys, "compare", *arguments)
    assert (left, out) == (code, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not place.exists()
