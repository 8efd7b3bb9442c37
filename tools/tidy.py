"""Put the notebooks into the one form in which they are committed.

Jupyter writes execution counts, outputs, random cell ids and its own metadata into a notebook at
every save. In the committed form only what an author wrote remains, so that a diff shows exactly
what changed; the outputs that a test compares (``# NBVAL_CHECK_OUTPUT``) stay.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from workspace import ROOT, kernel_environment, notebooks

MARK = "# NBVAL_CHECK_OUTPUT"
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_KEPT = ("mystnb", "tags")
_VALID_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_checked(cell: NotebookNode) -> bool:
    """Say whether nbval compares the stored output of this cell."""
    return cell.cell_type == "code" and cell.source.lstrip().startswith(MARK)


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Put a notebook into the committed form.

    Args:
        notebook: The notebook as an editor saved it; it is not changed.

    Returns:
        A new notebook, format 4.5, that holds sources, tags, ``mystnb`` metadata and the outputs
        of the checked cells.
    """
    cells, used = [], set[str]()
    for cell in notebook.cells:
        if not cell.source.strip():
            continue
        clean = NotebookNode(
            cell_type=cell.cell_type,
            id=_identifier(cell, used),
            metadata=NotebookNode({k: cell.metadata[k] for k in _KEPT if cell.metadata.get(k)}),
            source=cell.source.strip("\n").rstrip(),
        )
        if cell.cell_type == "code":
            clean.outputs = normalise_outputs(cell.outputs) if is_checked(cell) else []
            # Without a count, nbval takes the cell for one that was never run and compares nothing.
            clean.execution_count = 1 if clean.outputs else None
        cells.append(clean)
    metadata = nbformat.from_dict(_METADATA)
    return NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=cells)


def _identifier(cell: NotebookNode, used: set[str]) -> str:
    """Keep a valid id; derive a missing or repeated one from the source, the same at every run."""
    name, attempt = str(cell.get("id", "")), 0
    while name in used or not _VALID_ID.fullmatch(name):
        name = hashlib.sha256(f"{attempt}{cell.source}".encode()).hexdigest()[:8]
        attempt += 1
    used.add(name)
    return name


def normalise_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Drop what differs between two runs that print the same.

    Args:
        outputs: Outputs of one cell.

    Returns:
        Neighbouring streams merged, standard error dropped, every count one, metadata emptied.
    """
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
            kept.append(NotebookNode(output_type="stream", name="stdout", text=output.text))
        else:
            copy = NotebookNode(output)
            copy.metadata = NotebookNode()
            if "execution_count" in copy:
                copy.execution_count = 1
            kept.append(copy)
    return kept


def render(notebook: NotebookNode) -> str:
    """Write a notebook as the text of its file."""
    text: str = nbformat.writes(normalise(notebook))
    return text.rstrip("\n") + "\n"


def untidy(paths: list[Path]) -> list[Path]:
    """List the notebooks whose file differs from the committed form."""
    return [path for path in paths if path.read_text(encoding="utf-8") != render(_read(path))]


def _read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def tidy(paths: list[Path]) -> list[Path]:
    """Rewrite the untidy notebooks.

    Args:
        paths: Notebooks to look at.

    Returns:
        Those that were rewritten.
    """
    changed = untidy(paths)
    for path in changed:
        path.write_text(render(_read(path)), encoding="utf-8")
    return changed


def ruff(paths: list[Path], root: Path, check: bool) -> bool:
    """Format and lint the code of the notebooks; with ``check``, change nothing.

    Returns:
        Whether nothing is left to mend.
    """
    if not paths:
        return True
    command = [sys.executable, "-m", "ruff"]
    lint = [*command, "check", "--quiet", *([] if check else ["--fix"])]
    form = [*command, "format", "--quiet", *(["--check"] if check else [])]
    files = [str(path) for path in paths]
    runs = [subprocess.run([*c, *files], cwd=root, check=False) for c in (lint, form)]
    return all(run.returncode == 0 for run in runs)


def refresh(paths: list[Path], root: Path) -> list[str]:
    """Execute the notebooks that have checked cells and store those cells' outputs.

    Args:
        paths: Tidy notebooks.
        root: Top of the working tree; executed versions are kept in the cache of its build folder.

    Returns:
        One line for each notebook that failed.
    """
    from jupyter_cache import get_cache

    from execution import execute_all, refresh_fingerprint, stale

    build = root / "_build"
    os.environ.update(kernel_environment(build))
    refresh_fingerprint(root, build)
    cache = get_cache(str(build / ".jupyter_cache"))
    paths = [path for path in paths if any(is_checked(cell) for cell in _read(path).cells)]
    outcomes = execute_all(
        stale(paths, cache), build, 600, lambda done: print(f"  ran {done.path}")
    )
    failed = {done.path: done.problem for done in outcomes if done.problem}
    for path in [path for path in paths if path not in failed]:
        _, executed = cache.merge_match_into_notebook(_read(path))
        path.write_text(render(executed), encoding="utf-8")
    return [f"{path}:\n{problem}" for path, problem in failed.items()]


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, tidy, and return the exit status."""
    parser = argparse.ArgumentParser(description="Put notebooks into the committed form.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the book")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if untidy")
    parser.add_argument("--refresh", action="store_true", help="execute and store checked outputs")
    parser.add_argument("--root", type=Path, default=ROOT, help="top of the working tree")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    paths = [path.resolve() for path in options.notebooks] or notebooks(root)
    if options.check:
        problems: list[Any] = untidy(paths)
        problems = [f"{path} is not in the committed form; run `make tidy`." for path in problems]
    else:
        changed = tidy(paths)
    clean = ruff(paths, root, options.check)
    if not options.check:
        tidy(paths)
        problems = refresh(paths, root) if options.refresh else []
        print(f"{len(paths)} notebooks are tidy; {len(changed)} changed.")
    print(*problems, sep="\n", end="\n" if problems else "")
    return 0 if clean and not problems else 1


if __name__ == "__main__":
    sys.exit(main())
