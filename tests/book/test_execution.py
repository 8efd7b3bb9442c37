"""Notebooks are executed when, and only when, something that they depend on changed."""

from __future__ import annotations

import os

import nbformat
import pytest
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from execution import execute, fingerprint, keep, refresh_fingerprint, stale
from workspace import kernel_environment

OLD_CALL = "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=1)"


def write(path, *code: str, prose: str = "# A") -> None:
    cells = [new_markdown_cell(prose), *map(new_code_cell, code)]
    nbformat.write(new_notebook(cells=cells), path)


@pytest.fixture
def build(miniature, monkeypatch):
    folder = miniature.root / "_build"
    for name, value in kernel_environment(folder).items():
        monkeypatch.setenv(name, value)
    return folder


def test_fingerprint_follows_what_the_notebooks_depend_on(miniature, monkeypatch) -> None:
    seen = {fingerprint(miniature.root)}
    miniature.write("src/latent_transfer/counting.py", "x = 1\n")
    seen.add(fingerprint(miniature.root))
    miniature.write("requirements.txt", "torch==9\n")
    seen.add(fingerprint(miniature.root))
    for name in ("PROFILE", "DATA", "SEED"):
        monkeypatch.setenv(f"LATENT_TRANSFER_{name}", "other")
        seen.add(fingerprint(miniature.root))
    assert len(seen) == 6


def test_fingerprint_ignores_the_prose(miniature) -> None:
    before = fingerprint(miniature.root)
    miniature.write("book/index.md", "# Another\n")
    assert fingerprint(miniature.root) == before


def test_changed_package_drops_outputs_and_pages(miniature, build) -> None:
    for folder in (".jupyter_cache", ".doctrees"):
        (build / folder).mkdir()
    assert refresh_fingerprint(miniature.root, build)
    assert not (build / ".jupyter_cache").exists()
    assert not (build / ".doctrees").exists()
    (build / ".jupyter_cache").mkdir()
    assert not refresh_fingerprint(miniature.root, build)
    assert (build / ".jupyter_cache").exists()


@pytest.mark.slow
def test_only_changed_code_is_executed_again(miniature, build) -> None:
    path, cache = miniature.notebook, get_cache(str(build / ".jupyter_cache"))
    write(path, "print(1)")
    assert stale([path], cache) == [path]
    outcome = execute(path, 60)
    assert outcome.problem == ""
    keep(outcome, cache)
    keep(outcome, cache)  # the same code twice, as two notebooks may have
    assert stale([path], cache) == []
    write(path, "print(1)", prose="# B")
    assert stale([path], cache) == []
    write(path, "print(2)")
    assert stale([path], cache) == [path]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("a = 0\n1 / a", "ZeroDivisionError: division by zero"),
        (OLD_CALL, "DeprecationWarning: old"),
        ("import os\nos._exit(1)", "DeadKernelError"),
    ],
)
def test_failing_cell_is_shown_and_not_kept(code: str, message: str, miniature, build) -> None:
    path = miniature.notebook
    write(path, "print(1)", code)
    outcome = execute(path, 60)
    assert message in outcome.problem
    assert "\x1b" not in outcome.problem
    assert stale([path], get_cache(str(build / ".jupyter_cache"))) == [path]


def test_kernel_leaves_the_users_settings_alone(build) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        assert os.environ[name].startswith(str(build))
    assert os.environ["OMP_NUM_THREADS"] == "1"
