"""One cell of a table, in the process that computes it: device, seed, one thread, and what ran.

A module of its own because a worker imports it; whoever owns the sweep is in
:mod:`latent_transfer.papers.sweep`.
"""

from __future__ import annotations

import platform
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from latent_transfer._random import seeded
from latent_transfer.papers.code import code_of, library_of
from latent_transfer.papers.table import Place, load_table
from latent_transfer.session import find_device, package_version

PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn")

# A Dask worker may have several threads, and PyTorch's generators belong to the process.
_one_at_a_time = threading.Lock()


class Cell(NamedTuple):
    """A cell to compute, in plain values that any process can be sent.

    Attributes:
        module: Defines the table.
        row: Label of the row.
        seed: Of the cell.
        settings: Those that the row uses.
        place: Folder and data root; the process that computes the cell chooses the device.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.cells import Cell
        >>> from latent_transfer.papers.table import Place
        >>> Cell("their.table", "M2,labels=100", 3, {}, Place(Path("work"), Path("data"))).name
        'M2,labels=100, seed 3'
    """

    module: str
    row: str
    seed: int
    settings: dict[str, Any]
    place: Place

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"{self.row}, seed {self.seed}"


@dataclass(frozen=True)
class Measured:
    """A computed cell.

    Attributes:
        row: Label of the row.
        seed: Of the cell.
        value: The number.
        seconds: Wall time.
        settings: Those that the row uses.
        environment: Versions, checksums of the code, device and precision, as :class:`Watch` has
            them.

    Example:
        >>> from latent_transfer.papers.cells import Measured
        >>> Measured("M2,labels=100", 0, 11.9, 3.2, {}, {"device": "cpu"}).value
        11.9
    """

    row: str
    seed: int
    value: float
    seconds: float
    settings: dict[str, Any]
    environment: dict[str, str]


@dataclass(frozen=True)
class Failed:
    """A cell that could not be computed.

    Attributes:
        row: Label of the row.
        seed: Of the cell.
        reason: One line.
        details: A traceback, or nothing.

    Example:
        >>> from latent_transfer.papers.cells import Failed
        >>> print(Failed("M2,labels=100", 0, "ValueError: the number is nan."))
        M2,labels=100, seed 0: ValueError: the number is nan.
    """

    row: str
    seed: int
    reason: str
    details: str = ""

    def __str__(self) -> str:
        return f"{self.row}, seed {self.seed}: {self.reason}"


def run_cell(cell: Cell) -> Measured | Failed:
    """Compute a cell on one thread; an error becomes a result, so that other cells go on.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.cells import Cell, run_cell
        >>> from latent_transfer.papers.table import Place
        >>> place = Place(Path("work"), Path("data"))
        >>> run_cell(Cell("no.such.table", "M2", 0, {}, place)).reason
        "ModuleNotFoundError: No module named 'no'"
    """
    started = time.monotonic()
    try:
        with _one_at_a_time, _one_thread(), watching(cell.module) as watch:
            value = _measure(cell)
    except Exception as error:
        return Failed(cell.row, cell.seed, in_one_line(error), traceback.format_exc())
    seconds = round(time.monotonic() - started, 3)
    return Measured(cell.row, cell.seed, value, seconds, cell.settings, watch.environment())


def in_one_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message.

    Example:
        >>> from latent_transfer.papers.cells import in_one_line
        >>> in_one_line(ValueError("the number is nan."))
        'ValueError: the number is nan.'
    """
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _measure(cell: Cell) -> float:
    table, place = load_table(cell.module), cell.place._replace(device=find_device())
    if table.prepare and not place.folder.is_dir():
        raise FileNotFoundError(
            f"{place.folder} is not here; --out must be on a disk that all workers see."
        )
    with seeded(cell.seed, place.device):
        value = float(table.measure(table.row(cell.row), cell.seed, cell.settings, place))
    if not isfinite(value):
        raise ValueError(f"the number is {value}.")
    return value


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass
class Watch:
    """What ran in a block of code.

    Attributes:
        module: Defines the table.
        devices: Those on which the layers of nets gave their outputs.
        trained_in: Types of numbers in which layers gave them while gradients were taken.
    """

    module: str
    devices: set[torch.device] = field(default_factory=set)
    trained_in: set[torch.dtype] = field(default_factory=set)

    def look(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        """Take down where a layer ran, and in which type."""
        if isinstance(output, torch.Tensor) and not isinstance(layer, nn.Sequential):
            self.devices.add(output.device)
            if torch.is_grad_enabled() and output.is_floating_point():
                self.trained_in.add(output.dtype)

    def environment(self) -> dict[str, str]:
        """Return versions, checksums, device and, if a net was trained, its precision."""
        found = {
            "latent-transfer": package_version(),
            "commit": commit(),
            "code": code_of(self.module),
            "library": library_of(self.module),
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
            "device": ", ".join(sorted(map(_described, self.devices))) or "cpu",  # scikit-learn
        }
        return found | ({"precision": self._precision()} if self.trained_in else {})

    def _precision(self) -> str:
        # Under autocast only the layers that gain by it run in the smaller type.
        smallest = min(self.trained_in, key=lambda kind: torch.finfo(kind).bits)
        return str(smallest).removeprefix("torch.")


@contextmanager
def watching(module: str) -> Iterator[Watch]:
    """Take down, inside the block, on which devices and in which precision nets run.

    The hardware that could be used says nothing of what was used; outputs of layers do.

    Args:
        module: Defines the table.

    Example:
        >>> import torch
        >>> from latent_transfer.papers.cells import watching
        >>> with watching("latent_transfer.papers.tables.nade") as watch:
        ...     _ = torch.nn.Linear(2, 1)(torch.zeros(3, 2))
        >>> watch.devices, watch.trained_in
        ({device(type='cpu')}, {torch.float32})
    """
    watch = Watch(module)
    handle = register_module_forward_hook(watch.look)
    try:
        yield watch
    finally:
        handle.remove()


def _described(device: torch.device) -> str:
    name = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    return f"{device.type}{name}"


@lru_cache
def commit() -> str:
    """Return the commit that the package was run from, or ``"unknown"`` outside a checkout.

    ``-dirty`` at its end says that files had been changed since.

    Example:
        >>> from latent_transfer.papers.cells import commit
        >>> len(commit()) > 0
        True
    """
    # A package installed into a folder of some other checkout is not a part of that.
    is_ours = ("ls-files", "--error-unmatch", "cells.py")
    describe = ("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    for question in (is_ours, describe):
        try:
            answer = subprocess.run(
                ["git", *question],
                cwd=Path(__file__).parent,
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            return "unknown"
    return answer.stdout.strip()
