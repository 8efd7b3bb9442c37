"""How pytest runs here: the environment of every notebook and test, the workers, the doctests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from joblib import cpu_count

from workspace import ROOT, kernel_environment

# Before anything imports torch or matplotlib, which read it at import. The build, the tests and
# nbval's kernels then agree on threads, on the static widgets and on where caches go.
os.environ.update(kernel_environment(ROOT / "_build"))


def pytest_xdist_auto_num_workers() -> int:
    """Count workers for ``-n auto``: the cores that this process, or its container, may use."""
    return int(cpu_count())


@pytest.fixture(autouse=True)
def _doctest(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give every doctest the same random numbers, an empty folder and figures that nobody sees."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    import matplotlib
    import torch

    matplotlib.use("Agg")
    torch.manual_seed(0)
    folder = request.getfixturevalue("tmp_path")
    request.getfixturevalue("monkeypatch").chdir(folder)
    yield
    from matplotlib import pyplot

    pyplot.close("all")
    left = sorted(path.name for path in folder.iterdir())
    assert not left, f"The example leaves files behind: {', '.join(left)}."
