"""``make test`` runs every check, says at the end which failed, and fails if one did."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workspace import ROOT

CHECKS = ["lint", "format", "types", "doctests", "tests", "notebooks"]

# Stands for ruff, mypy and pytest: says how it was called, and fails if it is told to.
TOOL = """#!/usr/bin/env bash
echo "ran $(basename "$0") $*"
[[ -z "$BROKEN" || "$(basename "$0") $*" != *"$BROKEN"* ]]
"""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("ruff", "mypy", "pytest", "python"):
        (binaries / name).write_text(TOOL)
        (binaries / name).chmod(0o755)
    (tmp_path / ".venv" / ".installed").touch()
    return tmp_path


def make(tree: Path, target: str, broken: str = "") -> tuple[int, list[str]]:
    environment = {**os.environ, "BROKEN": broken}
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # of the make that runs these tests
        environment.pop(name, None)
    done = subprocess.run(
        ["make", target], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.splitlines()


def test_every_check_runs_and_passes(tree: Path) -> None:
    status, printed = make(tree, "test")
    assert status == 0
    assert [line.removeprefix("== ") for line in printed if line.startswith("== ")] == CHECKS
    assert printed[-1] == "Everything passed."


@pytest.mark.parametrize(
    ("broken", "failed"),
    [("ruff check", "lint"), ("mypy", "types"), ("doctest", "doctests"), ("nbval", "notebooks")],
)
def test_checks_after_a_failed_one_run_too(tree: Path, broken: str, failed: str) -> None:
    status, printed = make(tree, "test", broken)
    assert status != 0
    assert sum(line.startswith("ran ") for line in printed) == len(CHECKS)
    results = dict(line.split()[:2] for line in printed[-1 - len(CHECKS) : -1])
    assert results == {c: "FAILED" if c == failed else "passed" for c in CHECKS}
    assert printed[-1] == f"Failed: {failed}."


def test_summary_does_not_remember_the_run_before(tree: Path) -> None:
    make(tree, "test")
    assert make(tree, "test", "mypy")[1][-1] == "Failed: types."
    assert make(tree, "test")[1][-1] == "Everything passed."


@pytest.mark.parametrize("check", CHECKS)
def test_check_is_a_target_of_its_own(tree: Path, check: str) -> None:
    status, printed = make(tree, check)
    assert status == 0
    assert sum(line.startswith("ran ") for line in printed) == 1
    assert make(tree, check, broken=" ")[0] != 0
