"""What a table of a paper is: rows, settings, and the function that measures one cell.

A module that holds a table defines ``TABLE``. :data:`TABLES` names the modules of this package;
another package adds its own through an entry point of the group ``latent_transfer.tables``, such as
in its ``pyproject.toml``::

    [project.entry-points."latent_transfer.tables"]
    smith2025 = "their_package.smith2025"

or, for one process, with :func:`register`. A *cell* is one row measured with one seed. The cells of
a table know nothing of each other, so that they can run anywhere and in any order.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import torch

from latent_transfer.papers.code import code_of, library_of
from latent_transfer.records.reader import FIELDS, Value, row_label

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

#: Where other packages name their tables.
ENTRY_POINTS = "latent_transfer.tables"

#: Seeds of a row under ``--quick``, unless told otherwise.
QUICK_SEEDS = 2

Settings = Mapping[str, Any]


class Published(TypedDict):
    """A paper's number: its mean, and its spread if the paper states one.

    Example:
        >>> from latent_transfer.papers.table import Published
        >>> Published(mean=3.33, std=0.14)
        {'mean': 3.33, 'std': 0.14}
    """

    mean: float
    std: float | None


class Place(NamedTuple):
    """Where a cell runs, and where it finds and keeps things.

    Attributes:
        folder: Shared by all cells of a sweep, kept between calls of the command: what
            :attr:`PaperTable.prepare` made, and checkpoints of long cells.
        data_root: For :func:`latent_transfer.data.load`.
        device: Where models and data belong; a table moves them there.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.table import Place
        >>> Place(Path("work"), Path("data")).device
        device(type='cpu')
    """

    folder: Path
    data_root: Path
    device: torch.device = torch.device("cpu")

    def file(self, name: str, settings: Settings, module: str) -> Path:
        """Return the file for something that cells share or that a long cell keeps.

        Other settings or other code give another file, so that nothing stale is ever read.

        Args:
            name: What is kept; letters that a file's name cannot hold become underscores.
            settings: Everything that it depends on, besides the name.
            module: Name of the module that makes it, usually ``__name__``. Its code counts, and
                that of all modules it imports from this package.

        Example:
            >>> from pathlib import Path
            >>> from latent_transfer.papers.table import Place
            >>> place, module = Place(Path("work"), Path("data")), "latent_transfer.densities"
            >>> file = place.file("teacher-0", {"epochs": 5}, module)
            >>> file.name.startswith("teacher-0-"), file.suffix
            (True, '.safetensors')
            >>> file == place.file("teacher-0", {"epochs": 6}, module)
            False
        """
        made_by = [code_of(module), library_of(module)]
        text = json.dumps([name, dict(settings), made_by], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return self.folder / f"{file_name(name)}-{digest}.safetensors"


def file_name(text: str) -> str:
    """Return a text with underscores for what a file's name cannot hold.

    Example:
        >>> from latent_transfer.papers.table import file_name
        >>> file_name("VAE: minus ELBO,latents=2")
        'VAE_minus_ELBO,latents=2'
    """
    return re.sub(r"[^\w+=,.-]+", "_", text)


@dataclass(frozen=True)
class Row:
    """One method under one condition.

    Attributes:
        method: Its name, without commas and equals signs.
        condition: What else tells the row from others, such as ``{"labels": 100}``.
        seeds: How many seeds a whole reproduction has: 0, 1, 2, ...
        paper: The paper's number, if it has one.
        metric: What is measured, with its unit in the name, such as ``test_error_percent``.
        uses: The settings that the row depends on; the measuring function is given no others, and
            a change of others leaves finished cells valid. All of them if left out.

    Raises:
        ValueError: If a name cannot be used.

    Example:
        >>> from latent_transfer.papers.table import Row
        >>> Row("M2", {"labels": 100}, 5, None, "test_error_percent").label
        'M2,labels=100'
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
        if clash := [key for key in self.condition if key in FIELDS]:
            raise ValueError(f"A condition cannot be called {clash[0]!r}, as in {self.label}.")
        if self.seeds < 1:
            raise ValueError(f"{self.label} needs at least one seed, not {self.seeds}.")

    @property
    def label(self) -> str:
        """Method and condition as ``--only`` takes them, such as ``M1+M2,labels=100``."""
        return row_label(self.method, self.condition, equals="=", between=",")

    def used(self, settings: Settings) -> dict[str, Any]:
        """Return the settings that the row depends on, as they come back from JSON."""
        names = settings if self.uses is None else self.uses
        used: dict[str, Any] = json.loads(json.dumps({name: settings[name] for name in names}))
        return used


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper, or one in the manner of a paper, that the package measures itself.

    Attributes:
        name: As on the command line.
        source: The paper and the table in it, in words.
        rows: In the order in which they are shown.
        settings: Everything that the numbers depend on, as JSON takes it.
        quick: Settings that ``--quick`` replaces; with them every cell takes seconds, on data that
            is embedded in the package.
        deviations: What is done differently from the paper, one sentence each.
        measure: Row, seed, settings and place to the number of one cell. PyTorch's generators
            start from the seed. It runs in another process, on one thread, prints nothing, and
            moves its models and data to ``place.device``.
        prepare: Makes what several cells need, once before the first of them, given the rows about
            to be measured, settings and place. It keeps what it makes in :meth:`Place.file` and
            resumes from there if it was stopped.

    Raises:
        ValueError: If two rows have one label, or a row or ``quick`` names an unknown setting.

    Example:
        >>> from latent_transfer.papers.table import PaperTable, Row
        >>> row = Row("guess", {"classes": 10}, 1, None, "test_error_percent")
        >>> def measure(row, seed, settings, place):
        ...     return 100 - 100 / row.condition["classes"]
        >>> table = PaperTable("chance", "nobody", (row,), {}, {}, (), measure)
        >>> table.measure(table.row("guess,classes=10"), 0, {}, None)
        90.0
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
        """Return all settings of a sweep."""
        return {**self.settings, **(self.quick if quick else {})}

    def row(self, label: str) -> Row:
        """Return the row with that label.

        Raises:
            ValueError: If there is none.
        """
        return self.select([label])[0]

    def select(self, only: Sequence[str]) -> tuple[Row, ...]:
        """Return the rows that ``--only`` names: a method, or one with conditions; all if empty.

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


def register(name: str, module: str) -> None:
    """Add a table that is not part of the package, for as long as this process runs.

    Args:
        name: As ``latent-transfer reproduce`` takes it.
        module: Defines ``TABLE``; workers must be able to import it.

    Raises:
        ValueError: If the name belongs to a table of another module.

    Example:
        >>> from latent_transfer.papers.table import known_tables, register
        >>> register("nade", "latent_transfer.papers.tables.nade")
        >>> known_tables()["nade"]
        'latent_transfer.papers.tables.nade'
    """
    taken = known_tables().get(name, module)
    if taken != module:
        raise ValueError(f"The table {name!r} is in {taken} already; choose another name.")
    TABLES[name] = module


def known_tables() -> dict[str, str]:
    """Return the name of every table and its module: the package's first, then those of others.

    Example:
        >>> from latent_transfer.papers.table import known_tables
        >>> list(known_tables())[:2]
        ['kingma2014', 'hinton2015']
    """
    others = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}
    return {**TABLES, **{name: others[name] for name in sorted(others.keys() - TABLES.keys())}}


def find_table(name: str) -> PaperTable:
    """Load a table by its name.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> from latent_transfer.papers.table import find_table
        >>> find_table("nade").row("NADE,binarisation=fixed").paper
        {'mean': 88.33, 'std': None}
    """
    known = known_tables()
    if name not in known:
        raise ValueError(f"There is no table {name!r}; there are {', '.join(known)}.")
    return load_table(known[name])


def load_table(module: str) -> PaperTable:
    """Load the table that a module defines.

    Raises:
        ValueError: If the module defines none.

    Example:
        >>> from latent_transfer.papers.table import load_table
        >>> load_table("latent_transfer.papers.tables.nade").name
        'nade'
    """
    table = getattr(importlib.import_module(module), "TABLE", None)
    if not isinstance(table, PaperTable):
        raise ValueError(f"{module} defines no TABLE that is a PaperTable.")
    return table
