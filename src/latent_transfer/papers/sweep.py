"""``latent-transfer reproduce``: all cells of a table, computed in any order and kept at once.

The folder of a sweep holds

- ``cells/``, one JSON file per finished cell, from which a stopped sweep resumes;
- ``NAME.json``, the table made of them, written again whenever a cell is finished;
- ``failures/``, the tracebacks of cells that failed;
- ``work/``, what cells share and what long cells keep;
- ``prepared.json``, where and with what versions the shared things were made.

``NAME.json`` is one object:

- ``name``; ``source``, the paper;
- ``rows``: for each row with finished cells ``method``, its condition as named keys, ``metric``,
  ``values`` in the order of their seeds, ``mean``, ``std`` (of the sample; null for one value) and
  ``paper`` (``mean`` and ``std``, or null);
- ``settings``: everything that the numbers depend on;
- ``deviations`` from the paper;
- ``provenance``: versions; ``commit``; the checksums ``code``, of the table's module, and
  ``library``, of all it imports from the package; the ``device`` and ``precision`` that were used;
  ``threads`` of a cell; ``command``; ``wall_seconds`` summed over the cells. A table recorded
  before there were checksums has ``code_taken_later`` instead: the checksum of its module when
  checksums came, to which it had been moved without a change of what it computes.
"""

from __future__ import annotations

import json
import shlex
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from latent_transfer._files import naming_the_place, probe, write_atomically
from latent_transfer.errors import CheckpointError
from latent_transfer.papers import workers
from latent_transfer.papers.cells import Cell, Failed, Measured, watching
from latent_transfer.papers.code import code_of, library_of
from latent_transfer.papers.table import (
    QUICK_SEEDS,
    PaperTable,
    Place,
    Row,
    file_name,
    find_table,
    known_tables,
)
from latent_transfer.session import find_data_root, find_device

Cells = dict[tuple[str, int], Measured]


@dataclass(frozen=True)
class Sweep:
    """What to compute of a table, and where.

    Attributes:
        name: Of the table.
        seeds: Number of seeds per row, from 0 on; none: as many as the row has.
        only: Methods, or methods with conditions such as ``M1+M2,labels=100``; all if empty.
        workers: Processes; none: one per core.
        scheduler: Address of a Dask scheduler, whose workers are used instead.
        quick: Whether to use the small settings, on embedded data.

    Raises:
        ValueError: If a setting makes no sense; the message names it as on the command line.

    Example:
        >>> from latent_transfer.papers.sweep import Sweep
        >>> Sweep("kingma2014", seeds=2, only=("M2,labels=100",)).command
        'latent-transfer reproduce kingma2014 --seeds 2 --only M2,labels=100'
    """

    name: str
    seeds: int | None = None
    only: tuple[str, ...] = ()
    workers: int | None = None
    scheduler: str | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        for option, value in (("--seeds", self.seeds), ("--workers", self.workers)):
            if value is not None and value < 1:
                raise ValueError(f"{option} must be at least 1, not {value}.")

    @property
    def command(self) -> str:
        """The command without the options that do not change the numbers."""
        words = ["latent-transfer", "reproduce", self.name]
        words += [] if self.seeds is None else ["--seeds", str(self.seeds)]
        words += [word for name in self.only for word in ("--only", name)]
        return shlex.join(words + (["--quick"] if self.quick else []))

    def seeds_of(self, row: Row) -> range:
        """Return the seeds of a row."""
        return range(self.seeds or (min(row.seeds, QUICK_SEEDS) if self.quick else row.seeds))


@dataclass(frozen=True)
class Reproduction:
    """What came out of a sweep.

    Attributes:
        file: The table's JSON file.
        computed: Cells computed now.
        failed: Cells that could not be computed.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.sweep import Reproduction
        >>> Reproduction(Path("nade.json"), computed=6, failed=()).computed
        6
    """

    file: Path
    computed: int
    failed: tuple[Failed, ...]


def reproduce(
    sweep: Sweep, out: Path, *, root: Path | None = None, progress: bool = True
) -> Reproduction:
    """Compute the cells of a table, or resume a sweep that was stopped.

    With several workers it starts processes that import the running script, so that a script must
    call it under ``if __name__ == "__main__":``.

    Args:
        sweep: Which cells, and where to compute them.
        out: Folder of the sweep, made if missing.
        root: The data root, as for :func:`latent_transfer.data.load`.
        progress: Whether to show a bar with the time that is left.

    Raises:
        CheckpointError: If ``out`` holds cells of other settings or other code.
        ConnectionError: If the cluster does not answer, or stops answering.
        DataError: If ``out`` cannot be written.
        ValueError: If a name is unknown, or the cluster cannot be used.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.sweep import Sweep, reproduce
        >>> reproduce(Sweep("smith2025"), Path("out"))
        Traceback (most recent call last):
        ValueError: There is no table 'smith2025'; there are kingma2014, hinton2015, ...
    """
    table = find_table(sweep.name)
    settings = json.loads(json.dumps(table.chosen(sweep.quick)))
    cells = cells_of(sweep, table, settings, out, find_data_root(root))
    probe(out)
    folder = _Folder(out, table, settings, sweep)
    todo = [cell for cell in cells if (cell.row, cell.seed) not in folder.cells]
    folder.write_table()
    if progress and len(todo) < len(cells):
        print(f"{len(cells) - len(todo)} of {len(cells)} cells are there already", file=sys.stderr)
    if not todo:
        return Reproduction(folder.file, 0, ())
    # The cluster first: hours of preparation are lost if it does not answer.
    with (
        workers.cluster(sweep.scheduler) if sweep.scheduler else workers.local(sweep.workers)
    ) as run:
        folder.prepare(todo, progress)
        failed = _keep_all(folder, run(todo), len(todo), progress)
    return Reproduction(folder.file, len(todo) - len(failed), tuple(failed))


def _keep_all(
    folder: _Folder, results: workers.Results, count: int, progress: bool
) -> list[Failed]:
    failed = []
    # Cells take seconds or hours; their mean tells more of the time left than the last ones.
    bar = tqdm(total=count, unit="cell", smoothing=0, disable=not progress, dynamic_ncols=True)
    with bar, closing(results):
        for result in results:
            folder.keep(result)
            if isinstance(result, Failed):
                failed.append(result)
                bar.write(f"Failed: {result}", file=sys.stderr)
            bar.update()
    return failed


def cells_of(
    sweep: Sweep, table: PaperTable, settings: Mapping[str, Any], out: Path, root: Path
) -> list[Cell]:
    """Return the cells of a sweep, every first seed before any second one.

    A sweep that is stopped early then shows a bit of each row.

    Args:
        sweep: Says which.
        table: Has the rows.
        settings: All settings of the sweep.
        out: Folder of the sweep.
        root: The data root.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.sweep import Sweep, cells_of
        >>> from latent_transfer.papers.table import find_table
        >>> nade = find_table("nade")
        >>> cells = cells_of(Sweep("nade", seeds=2), nade, nade.settings, Path("out"), Path("data"))
        >>> [(cell.row.split("=")[1], cell.seed) for cell in cells]
        [('fixed', 0), ('dynamic', 0), ('fixed', 1), ('dynamic', 1)]
    """
    rows = table.select(sweep.only)
    place = Place((out / "work").resolve(), root.resolve())
    module = known_tables()[sweep.name]
    return [
        Cell(module, row.label, seed, row.used(settings), place)
        for seed in range(max(len(sweep.seeds_of(row)) for row in rows))
        for row in rows
        if seed in sweep.seeds_of(row)
    ]


class _Folder:
    """The folder of a sweep: every cell that is finished, and the table made of them."""

    def __init__(
        self, out: Path, table: PaperTable, settings: dict[str, Any], sweep: Sweep
    ) -> None:
        self.file = out / f"{table.name}.json"
        self._out, self._cells, self._failures = out, out / "cells", out / "failures"
        self._table, self._settings, self._sweep = table, settings, sweep
        self._module = known_tables()[sweep.name]
        self.cells = self._read()

    def prepare(self, todo: Sequence[Cell], progress: bool) -> None:
        """Make what several cells need."""
        if not self._table.prepare:
            return
        if progress:
            print("Preparing what the cells share", file=sys.stderr)
        place, labels = todo[0].place._replace(device=find_device()), {cell.row for cell in todo}
        rows = [row for row in self._table.rows if row.label in labels]
        with naming_the_place(place.folder), watching(self._module) as watch:
            place.folder.mkdir(parents=True, exist_ok=True)
            self._table.prepare(rows, self._settings, place)
            if watch.trained_in:  # what was there already has been noted before
                _write_json(self._out / "prepared.json", watch.environment())

    def keep(self, result: Measured | Failed) -> None:
        """Write a cell and the table, or why the cell failed."""
        name = file_name(result.row) + f",seed={result.seed}"
        failure = self._failures / f"{name}.txt"
        with naming_the_place(self._cells):
            if isinstance(result, Failed):
                write_atomically(failure, (result.details or f"{result}\n").encode())
                return
            failure.unlink(missing_ok=True)
            _write_json(self._cells / f"{name}.json", asdict(result))
        # Another command may be filling the same folder.
        self.cells = self._read()
        self.write_table()

    def write_table(self) -> None:
        """Make the table of the cells, if there are any."""
        if not self.cells:
            return
        prepared = self._out / "prepared.json"
        made_in = [json.loads(prepared.read_text(encoding="utf-8"))] if prepared.exists() else []
        content = table_json(self._table, self._settings, self.cells, self._sweep.command, made_in)
        with naming_the_place(self.file):
            _write_json(self.file, content)

    def _read(self) -> Cells:
        made_by = {"code": code_of(self._module), "library": library_of(self._module)}
        return read_cells(self._cells, self._table, self._settings, made_by)


def read_cells(
    folder: Path, table: PaperTable, settings: Mapping[str, Any], made_by: Mapping[str, str]
) -> Cells:
    """Return all cells kept in a folder, by row and seed.

    Args:
        folder: Of the cells; may be missing.
        table: The table that they must belong to.
        settings: All settings of the sweep.
        made_by: Checksums of the code that they must have been computed with.

    Raises:
        CheckpointError: If one is damaged, or of another row, or was computed with other settings
            or other code.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.sweep import read_cells
        >>> from latent_transfer.papers.table import find_table
        >>> nade = find_table("nade")
        >>> read_cells(Path("no-such-folder"), nade, nade.settings, {})
        {}
    """
    rows = {row.label: row.used(settings) for row in table.rows}
    cells = {}
    for path in sorted(folder.glob("*.json")):
        try:
            cell = Measured(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); delete it.") from None
        if cell.row not in rows:
            raise CheckpointError(
                f"{path} is of the row {cell.row}, which {table.name} does not have; delete it, "
                "or name another folder with --out."
            )
        _check_same(path, "settings", cell.settings, rows[cell.row])
        checksums = {name: cell.environment.get(name) for name in made_by}
        _check_same(path, "code", checksums, made_by)
        cells[cell.row, cell.seed] = cell
    return cells


def _check_same(
    path: Path, what: str, saved: Mapping[str, Any], present: Mapping[str, Any]
) -> None:
    for name in saved.keys() | present.keys():
        there, here = saved.get(name), present.get(name)
        if there != here:
            raise CheckpointError(
                f"{path} was computed with other {what}: {name} is {there} there and {here} "
                "here; delete it and those like it, or name another folder with --out."
            )


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def table_json(
    table: PaperTable,
    settings: Mapping[str, Any],
    cells: Cells,
    command: str,
    prepared_in: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return the table as it is kept.

    Args:
        table: Which one.
        settings: All settings of the sweep.
        cells: The finished cells by row and seed.
        command: What computed them.
        prepared_in: Environments in which shared things were made.

    Example:
        >>> from latent_transfer.papers.cells import Measured
        >>> from latent_transfer.papers.sweep import table_json
        >>> from latent_transfer.papers.table import find_table
        >>> row, nade = "NADE,binarisation=fixed", find_table("nade")
        >>> cells = {(row, s): Measured(row, s, 88.0 + s, 1.5, {}, {}) for s in (0, 1, 2)}
        >>> made = table_json(nade, nade.settings, cells, "")["rows"][0]
        >>> made["mean"], made["std"]
        (89.0, 1.0)
    """
    return {
        "name": table.name,
        "source": table.source,
        "rows": [
            _row_json(row, values)
            for row in table.rows
            if (values := [cells[key].value for key in sorted(cells) if key[0] == row.label])
        ],
        "settings": settings,
        "deviations": list(table.deviations),
        "provenance": {
            **_joined([*(cell.environment for cell in cells.values()), *prepared_in]),
            "threads": 1,
            "command": command,
            "wall_seconds": round(sum(cell.seconds for cell in cells.values()), 1),
        },
    }


def _row_json(row: Row, values: Sequence[float]) -> dict[str, Any]:
    return {
        "method": row.method,
        **row.condition,
        "metric": row.metric,
        "values": list(values),
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "paper": row.paper,
    }


def _joined(environments: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Versions, device and the like; if they differ from cell to cell, all of them."""
    found: dict[str, set[str]] = {}
    for environment in environments:
        for name, value in environment.items():
            found.setdefault(name, set()).add(value)
    return {name: ", ".join(sorted(values)) for name, values in found.items()}
