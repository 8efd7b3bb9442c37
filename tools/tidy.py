"""Put the notebooks into the one form in which they are committed.

Jupyter writes execution counts, outputs, random cell ids and its own metadata into a notebook at
every save. nbstripout takes them out, so that a diff shows exactly what an author changed. What it
does not do is here: it cannot keep metadata by a list of what is wanted, give the same ids at every
run, or leave an output such that nbval compares it.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbstripout import strip_output

from workspace import ROOT, kernel_environment, notebooks

#: The tag by which nbval compares the stored output of a cell with a new one.
TAG = "nbval-check-output"
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_KEPT = ("mystnb", "tags")
_VALID_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_checked(cell: NotebookNode) -> bool:
    """Say whether nbval compares the stored output of this cell."""
    return cell.cell_type == "code" and TAG in cell.metadata.get("tags", [])


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Put a notebook into the committed form.

    Args:
        notebook: The notebook as an editor saved it; it is not changed.

    Returns:
        A new notebook, format 4.5, that holds sources, tags, ``mystnb`` metadata and the outputs
        of the checked cells.
    """
    stripped, used = _strip(copy.deepcopy(notebook)), set[str]()
    for cell in stripped.cells:
        cell.id = _identifier(cell, used)
        cell.source = cell.source.strip("\n").rstrip()
        if cell.cell_type == "code" and cell.outputs:
            cell.outputs = _merge_streams(cell.outputs)
            # Without a count, nbval takes the cell for one that was never run and compares nothing.
            for counted in (cell, *cell.outputs):
                if "execution_count" in counted:
                    counted.execution_count = 1
    stripped.metadata = nbformat.from_dict(_METADATA)
    stripped.nbformat, stripped.nbformat_minor = 4, 5
    return stripped


def _strip(notebook: NotebookNode) -> NotebookNode:
    """Take out of a notebook what nbstripout can."""
    unwanted = set[str]()
    for cell in notebook.cells:
        cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if v})
        unwanted |= {f"cell.metadata.{key}" for key in cell.metadata if key not in _KEPT}
        cell.metadata.pop("keep_output", None)  # nbstripout's own mark, which is not nbval's
        if is_checked(cell):
            cell.metadata.keep_output = True
    return strip_output(
        notebook,
        keep_output=False,
        keep_count=False,
        keep_id=True,
        extra_keys=[*sorted(unwanted), "cell.metadata.keep_output", "cell.attachments"],
        drop_empty_cells=True,
        drop_output_types={"stream:stderr"},
        strip_init_cells=True,
    )


def _identifier(cell: NotebookNode, used: set[str]) -> str:
    """Keep a valid id; derive a missing or repeated one from the source, the same at every run."""
    name, attempt = str(cell.get("id", "")), 0
    while name in used or not _VALID_ID.fullmatch(name):
        name = hashlib.sha256(f"{attempt}{cell.source}".encode()).hexdigest()[:8]
        attempt += 1
    used.add(name)
    return name


def _merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join what was printed in several pieces, because where it is cut is chance."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            if "metadata" in output:
                output.metadata = NotebookNode()
            kept.append(output)
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
