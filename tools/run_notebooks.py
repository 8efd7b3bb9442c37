"""Execute notebooks one after the other, with nothing but the package and a kernel.

This is what Colab does: no build of the book, no pinned versions, an empty working folder. The
weekly run uses it with the newest versions. With paths as arguments it runs those chapters only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from workspace import ROOT, notebooks


def run(path: Path, timeout: int = 1800) -> str:
    """Execute a notebook in an empty folder.

    Args:
        path: The notebook; its file is not changed.
        timeout: Seconds that one cell may take.

    Returns:
        What went wrong; empty if nothing did.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            notebook, timeout=timeout, kernel_name="python3", resources=resources
        )
        try:
            client.execute()
        except (CellExecutionError, RuntimeError, TimeoutError) as error:
            return str(error) or type(error).__name__
    return ""


def main() -> int:
    """Read the command line, execute, and return the exit status."""
    parser = argparse.ArgumentParser(description="Execute notebooks as Colab would.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the book")
    failed = 0
    for path in parser.parse_args().notebooks or notebooks(ROOT):
        started = time.monotonic()
        problem = run(path)
        failed += bool(problem)
        seconds = time.monotonic() - started
        print(f"{'failed' if problem else 'done':<6} {seconds:6.1f} s  {path}", flush=True)
        if problem:
            print(problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
