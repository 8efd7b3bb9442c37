"""Run every check of the repository, one after the other, and sum up.

All steps run even if an early one fails: somebody who waits a few minutes for the tests wants to
know everything that is wrong, not the first thing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from workspace import ROOT, cores, kernel_environment, notebooks


@dataclass(frozen=True)
class Step:
    """One check.

    Attributes:
        name: What the summary calls it.
        command: Arguments after ``python -m``.
    """

    name: str
    command: list[str]


def steps() -> list[Step]:
    """List the checks, the quick ones first."""
    workers = ["-n", str(cores())]
    checks = [
        Step("lint", ["ruff", "check", "."]),
        Step("format", ["ruff", "format", "--check", "."]),
        Step("types", ["mypy"]),
        Step("tests", ["pytest", "tests", "-q", *workers, "--dist", "worksteal"]),
    ]
    if notebooks():
        nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "600"]
        files = [str(path.relative_to(ROOT)) for path in notebooks()]
        command = ["pytest", "-q", *nbval, *workers, "--dist", "loadfile", *files]
        checks.append(Step("notebooks", command))
    return checks


def run(step: Step, environment: dict[str, str]) -> tuple[bool, float]:
    """Run one step, its output going straight to the terminal.

    Args:
        step: What to run.
        environment: The whole environment to run it in.

    Returns:
        Whether it passed, and the seconds it took.
    """
    started = time.monotonic()
    command = [sys.executable, "-m", *step.command]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    return done.returncode == 0, time.monotonic() - started


def main() -> int:
    """Run all steps and print the summary."""
    console = Console(highlight=False)
    environment = os.environ | kernel_environment(ROOT / "_build")
    table = Table("step", "result", "seconds")
    table.columns[-1].justify = "right"
    failed, total = [], 0.0
    planned = steps()
    for number, step in enumerate(planned, 1):
        console.print(f"\n[bold][{number}/{len(planned)}] {step.name}[/bold]")
        passed, seconds = run(step, environment)
        total += seconds
        table.add_row(step.name, "passed" if passed else "[red]failed[/red]", f"{seconds:.1f}")
        if not passed:
            failed.append(step.name)
    table.add_row("all", "", f"{total:.1f}", end_section=True)
    console.print()
    console.print(table)
    if failed:
        console.print(f"Failed: {', '.join(failed)}.")
        return 1
    console.print("Everything passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
