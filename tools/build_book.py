"""Build the book: execute what changed, make the pages with warnings as errors, check them.

Jupyter Book alone would execute the chapters one by one, keep stale outputs after a change in the
package, and report a failing cell as a warning. This script does the steps around it, so that one
command either ends with a readable book or says which cell, page or link is at fault.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from jupyter_cache import get_cache
from tqdm import tqdm

from execution import Outcome, execute_all, refresh_fingerprint, stale
from page_checks import check_pages
from workspace import ROOT, kernel_environment, notebooks

CELL_TIMEOUT = 600


def execute_chapters(root: Path, build: Path) -> list[Outcome]:
    """Execute the stale notebooks with one line of progress for each.

    Args:
        root: Top of the working tree.
        build: The build folder.

    Returns:
        One outcome for each executed notebook.
    """
    if refresh_fingerprint(root, build):
        print("The package or its settings changed: every chapter is executed again.")
    todo = stale(notebooks(root), get_cache(str(build / ".jupyter_cache")))
    unchanged = len(notebooks(root)) - len(todo)
    print(f"Executing {len(todo)} notebooks ({unchanged} are unchanged) ...", flush=True)
    # Chapters before the short pages of the appendix, long files first: the last core waits less.
    todo.sort(key=lambda path: ("appendix" in path.parts, -path.stat().st_size))
    with tqdm(total=len(todo), unit="notebook", leave=False, disable=None) as bar:

        def report(outcome: Outcome) -> None:
            name = outcome.path.relative_to(root / "book").with_suffix("")
            mark = "failed" if outcome.problem else "done"
            tqdm.write(f"  {mark:<6} {outcome.seconds:6.1f} s  {name}")
            sys.stdout.flush()
            bar.update()

        return execute_all(todo, build, CELL_TIMEOUT, report)


def forget_pages(outcomes: list[Outcome], root: Path, build: Path) -> None:
    """Make Sphinx read the executed notebooks again, even those whose file did not change."""
    for outcome in outcomes:
        name = outcome.path.relative_to(root / "book").with_suffix(".doctree")
        (build / ".doctrees" / name).unlink(missing_ok=True)


def make_pages(root: Path) -> bool:
    """Run Jupyter Book, quiet unless something is wrong.

    Args:
        root: Top of the working tree; the pages go to ``_build/html`` under it.

    Returns:
        Whether it succeeded without a warning.
    """
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(root / "book")]
    command += ["--config", str(root / "_config.yml"), "--toc", str(root / "_toc.yml")]
    command += ["--path-output", str(root), "-W", "--keep-going", "-q"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return True
    # The next build would not re-read, and so not complain about, the pages that caused a warning.
    shutil.rmtree(root / "_build" / ".doctrees", ignore_errors=True)
    print(done.stdout + done.stderr)
    return False


def build(root: Path) -> int:
    """Build the book under ``root`` and return the exit status."""
    started, folder = time.monotonic(), root / "_build"
    os.environ.update(kernel_environment(folder))
    outcomes = execute_chapters(root, folder)
    failures = [outcome for outcome in outcomes if outcome.problem]
    for failure in failures:
        print(f"\nFailed: {failure.path.relative_to(root)}\n{failure.problem}")
    if failures:
        print(f"\nThe book was not built: {len(failures)} of {len(outcomes)} notebooks failed.")
        return 1
    forget_pages(outcomes, root, folder)
    print("Making the pages ...", flush=True)
    if not make_pages(root):
        print("The book was not built: see the warnings above.")
        return 1
    problems = check_pages(folder / "html", notebooks(root), root / "book")
    for problem in problems:
        print(f"  {problem}")
    if problems:
        print(f"The pages were built, but {len(problems)} checks failed.")
        return 1
    seconds = time.monotonic() - started
    print(f"The book is ready after {seconds:.0f} s: open {folder / 'html' / 'index.html'}")
    print("or run `make serve` and visit http://127.0.0.1:8000/")
    return 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Build the book into _build/html.")
    parser.add_argument("--root", type=Path, default=ROOT, help="top of the working tree")
    return build(parser.parse_args().root.resolve())


if __name__ == "__main__":
    sys.exit(main())
