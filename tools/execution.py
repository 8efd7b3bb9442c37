"""Execute the book's notebooks in parallel into the cache that Jupyter Book then reads.

Jupyter Book would execute them one after the other, and its cache looks at code cells alone: it
cannot see that the package, the pinned versions or the data changed. `refresh_fingerprint` sees it.

The parallel executor of jupyter-cache does not serve: it reports nothing before the last notebook
has ended, counts the machine's cores and not those it may use, and hands a failure over as a log.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

import nbformat
from joblib import cpu_count
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import single_nb_execution
from nbformat import NotebookNode

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PROFILE_VARIABLES = tuple(
    f"LATENT_TRANSFER_{name}" for name in ("PROFILE", "DATA", "SEED", "TRAINING")
)


@dataclass(frozen=True)
class Outcome:
    """How the execution of one notebook ended.

    Attributes:
        path: The notebook.
        seconds: How long it ran.
        problem: What went wrong, ready to print; empty if nothing did.
        executed: The notebook with its outputs, as the text of a file.
    """

    path: Path
    seconds: float
    problem: str = ""
    executed: str = field(default="", repr=False)


def fingerprint(root: Path) -> str:
    """Digest everything but the notebooks that can change what a notebook prints.

    Args:
        root: Top of the working tree.

    Returns:
        A hexadecimal digest of the package's files, the pinned versions, the versions of Python
        and torch, and the profile, data root and seed in the environment.
    """
    digest = hashlib.sha256()
    files = [p for p in (root / "src").rglob("*") if p.is_file() and p.suffix in {".py", ".json"}]
    for path in [*sorted(files), root / "requirements.txt"]:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    settings = [
        sys.version,
        _version("torch"),
        *(os.environ.get(v, "") for v in _PROFILE_VARIABLES),
    ]
    digest.update("\0".join(settings).encode())
    return digest.hexdigest()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "missing"


def refresh_fingerprint(root: Path, build: Path) -> bool:
    """Drop all executed notebooks if something that they depend on has changed.

    Args:
        root: Top of the working tree.
        build: The build folder.

    Returns:
        Whether there were executed notebooks and they were dropped.
    """
    current, record = fingerprint(root), build / "fingerprint"
    if record.exists() and record.read_text(encoding="utf-8") == current:
        return False
    dropped = (build / ".jupyter_cache").exists()
    # Sphinx re-reads a page when its source is newer; here the sources are the same and the
    # outputs are not, so that its own memory must go too.
    for folder in (".jupyter_cache", ".doctrees"):
        shutil.rmtree(build / folder, ignore_errors=True)
    build.mkdir(parents=True, exist_ok=True)
    record.write_text(current, encoding="utf-8")
    return dropped


def stale(paths: Iterable[Path], cache: JupyterCacheAbstract) -> list[Path]:
    """List the notebooks that have code and no executed version in the cache.

    Args:
        paths: Notebooks of the book.
        cache: The execution cache.

    Returns:
        Those to execute. The key is the code cells with their metadata, so that a change of prose
        alone makes no notebook stale.
    """
    return [path for path in paths if not _is_cached(path, cache)]


def _is_cached(path: Path, cache: JupyterCacheAbstract) -> bool:
    notebook = nbformat.read(path, as_version=4)
    if not any(cell.cell_type == "code" for cell in notebook.cells):
        return True
    try:
        cache.get_cache_bundle(cache.match_cache_notebook(notebook).pk)
    except KeyError:
        return False
    return True


def execute(path: Path, timeout: int) -> Outcome:
    """Execute one notebook in an empty folder, which is what it meets in Colab.

    Args:
        path: The notebook; its file is not changed.
        timeout: Seconds that one cell may take.

    Returns:
        The outcome; nothing is raised for a cell that fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = single_nb_execution(notebook, folder, timeout, allow_errors=False)
        except Exception as error:  # a kernel that died or did not start
            return Outcome(path, 0.0, f"{type(error).__name__}: {error}")
    if result.err is not None:
        return Outcome(path, result.time, _describe_failure(notebook, str(result.err)))
    return Outcome(path, result.time, executed=nbformat.writes(notebook))


def keep(outcome: Outcome, cache: JupyterCacheAbstract) -> None:
    """Put an executed notebook into the cache.

    Args:
        outcome: A successful execution.
        cache: The execution cache. One process writes it, because two that execute the same code
            would write the same entry.
    """
    notebook = nbformat.reads(outcome.executed, as_version=4)
    seconds = {"execution_seconds": outcome.seconds}
    bundle = CacheBundleIn(notebook, str(outcome.path), data=seconds)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def _describe_failure(notebook: NotebookNode, message: str, lines: int = 15) -> str:
    """Show the failing cell and the end of its traceback."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                traceback = _ANSI.sub("", "\n".join(output.traceback)).splitlines()
                rule = "-" * 60
                return "\n".join([rule, cell.source, rule, *traceback[-lines:]])
    return _ANSI.sub("", message)


def execute_all(
    paths: list[Path], build: Path, timeout: int, report: Callable[[Outcome], None]
) -> list[Outcome]:
    """Execute notebooks side by side, one core each.

    Args:
        paths: Notebooks to execute.
        build: The build folder, whose cache receives the results.
        timeout: Seconds that one cell may take.
        report: Called with each outcome as soon as it is there.

    Returns:
        The outcomes in the order in which the notebooks finished.
    """
    if not paths:
        return []
    cache, outcomes = get_cache(str(build / ".jupyter_cache")), []
    workers = min(cpu_count(), len(paths))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(execute, path, timeout) for path in paths]
        for future in as_completed(futures):
            outcome = future.result()
            if not outcome.problem:
                keep(outcome, cache)
            outcomes.append(outcome)
            report(outcome)
    return outcomes
