"""The examples in docstrings are run with fixed seeds, out of sight, in a folder kept empty."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from workspace import ROOT

EXAMPLES = '''
def first():
    """Draw.

    >>> import torch
    >>> torch.rand(1)
    tensor([0.4963])
    """


def second():
    """Draw the same again, and show a figure.

    >>> import torch, matplotlib.pyplot
    >>> torch.rand(1)
    tensor([0.4963])
    >>> matplotlib.pyplot.plot([1, 2])
    [...]
    >>> matplotlib.get_backend().lower()
    'agg'
    """


def third():
    """Leave something behind.

    >>> open("rubbish.txt", "w").close()
    """
'''


@pytest.mark.slow
def test_examples_share_nothing_and_leave_nothing(tmp_path) -> None:
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "workspace.py", tmp_path / "tools")
    (tmp_path / "examples.py").write_text(EXAMPLES)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--doctest-modules", "examples.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "3 passed, 1 error" in done.stdout, done.stdout
    assert "The example leaves files behind: rubbish.txt." in done.stdout
    assert not list(tmp_path.glob("**/rubbish.txt"))
