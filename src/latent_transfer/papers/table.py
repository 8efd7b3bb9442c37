"""What a table of a paper is: rows, settings, and the function that measures one cell.

A module of this package that holds a table defines ``TABLE``, and :data:`TABLES` names the module.
A *cell* is one row measured with one seed. The cells of a table know nothing of each other, so
that they can run anywhere and in any order.
"""

from __future__ import annotations

import importlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

#: Name to the module that defines the table as ``TABLE``; loaded when it is asked for.
TABLES = {
    "kingma2014": "latent_transfer.papers.tables.kingma2014",
    "hinton2015": "latent_transfer.papers.tables.hinton2015",
    "anomaly": "latent_transfer.papers.tables.anomaly",
    "clustering": "latent_transfer.papers.tables.clustering",
    "nade": "latent_transfer.papers.tables.nade",
    "burda2015": "latent_transfer.papers.tables.burda2015",
    "generative_transfer": "latent_transfer.papers.tables.generative_transfer",
}

#: Keys of a row in the JSON file that no condition may have.
RESERVED = ("method", "metric", "values", "mean", "std", "paper")

#: Seeds of a row under ``--quick``, unless told otherwise.
QUICK_SEEDS = 2

Settings = Mapping[str, Any]
Value = str | int | float


class Published(TypedDict):
    """A paper's figure: its mean, and its spread if it states one."""

    mean: float
    std: float | None


class Place(NamedTuple):
    """Where a cell finds and keeps things.

    Attributes:
        folder: Shared by all cells of a sweep, kept between calls of the command: what
            :attr:`PaperTable.prepare` made, and checkpoints of long cells.
        data_root: For :func:`latent_transfer.data.load`.
    """

    folder: Path
    data_root: Path


@dataclass(frozen=True)
class Row:
    """One method under one condition.

    Attributes:
        method: Its name, without commas and equals signs.
        condition: What else tells the row from others, such as ``{"labels": 100}``.
        seeds: How many seeds a whole reproduction has, 0, 1, 2, ...
        paper: The paper's figure, if it has one.
        metric: What is measured, with its unit in the name, such as ``test_error_percent``.
        uses: The settings that the row depends on; the measuring function is given no others, and
            a change of others leaves finished cells valid. All of them if left out.

    Raises:
        ValueError: If a name cannot be used.
    """

    method: str
    condition: Mapping[str, Value]
    seeds: int
    paper: Published | None
    metric: str
    uses: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not self.method or set(self.method) & set(",="):
            raise ValueError(f"A method's name has no commas or equals signs, unlike {self.label}.")
        if clash := [key for key in self.condition if key in RESERVED]:
            raise ValueError(f"A condition cannot be called {clash[0]!r}, as in {self.label}.")
        if self.seeds < 1:
            raise ValueError(f"{self.label} needs at least one seed, not {self.seeds}.")

    @property
    def label(self) -> str:
        """Method and condition as ``--only`` takes them, such as ``M1+M2,labels=100``."""
        return ",".join([self.method, *(f"{key}={value}" for key, value in self.condition.items())])


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper, or one in the manner of a paper, that the package measures anew.

    Attributes:
        name: As on the command line.
        source: The paper and the table in it, in words.
        rows: In the order in which they are shown.
        settings: Everything that the figures depend on, as JSON takes it.
        quick: Settings that ``--quick`` replaces; with them every cell takes seconds, on data that
            is embedded in the package.
        deviations: What is done otherwise than in the paper, one sentence each.
        measure: Row, seed, settings and place to the figure of one cell. PyTorch's generators
            start from the seed; it runs in another process, on one thread, and prints nothing.
        prepare: What several cells need, made once before the first of them: rows about to be
            measured, settings and place. It keeps what it makes in ``place.folder`` and goes on
            from there if it was stopped.

    Raises:
        ValueError: If two rows have one label, or a row or ``quick`` names an unknown setting.
    """

    name: str
    source: str
    rows: tuple[Row, ...]
    settings: Settings
    quick: Settings
    deviations: tuple[str, ...]
    measure: Callable[[Row, int, Settings, Place], float]
    prepare: Callable[[Sequence[Row], Settings, Place], None] | None = None

    def __post_init__(self) -> None:
        labels = [row.label for row in self.rows]
        if twice := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(f"Two rows of {self.name} are called {sorted(twice)[0]!r}.")
        named = {key for row in self.rows for key in row.uses or ()} | set(self.quick)
        if unknown := sorted(named - set(self.settings)):
            raise ValueError(f"{self.name} has no setting {unknown[0]!r}.")

    def chosen(self, quick: bool) -> dict[str, Any]:
        """All settings of a sweep."""
        return {**self.settings, **(self.quick if quick else {})}

    def row(self, label: str) -> Row:
        """The row with that label.

        Raises:
            ValueError: If there is none.
        """
        return self.select([label])[0]

    def select(self, only: Sequence[str]) -> tuple[Row, ...]:
        """The rows that ``--only`` names: a method, or a method and conditions; all if empty.

        Raises:
            ValueError: If a name fits no row.
        """
        chosen = {row.label for name in only for row in self._fitting(name)}
        return tuple(row for row in self.rows if not only or row.label in chosen)

    def _fitting(self, name: str) -> list[Row]:
        method, *conditions = (part.strip() for part in name.split(","))
        fitting = [
            row
            for row in self.rows
            if row.method == method and set(conditions) <= set(row.label.split(",")[1:])
        ]
        if not fitting:
            labels = "; ".join(row.label for row in self.rows)
            raise ValueError(f"{self.name} has no row {name!r}; its rows are {labels}.")
        return fitting


def checksum(settings: Settings) -> int:
    """Tells files that cells share and keep from those of other settings."""
    return zlib.crc32(json.dumps(dict(settings), sort_keys=True).encode())


def find_table(name: str) -> PaperTable:
    """Load a table by its name.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in TABLES:
        raise ValueError(f"There is no table {name!r}; there are {', '.join(TABLES)}.")
    return load_table(TABLES[name])


def load_table(module: str) -> PaperTable:
    """The table that a module defines."""
    table: PaperTable = importlib.import_module(module).TABLE
    return table
