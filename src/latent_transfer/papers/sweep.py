"""``latent-transfer reproduce``: all cells of a table, computed in any order and kept at once.

The folder of a sweep holds

- ``cells/``, one JSON file a finished cell, from which a stopped sweep goes on;
- ``NAME.json``, the table made of them, written anew whenever a cell is finished;
- ``failures/``, the tracebacks of cells that failed;
- ``work/``, what cells share and long cells keep.

``NAME.json`` is one object:

- ``name``; ``source``, the paper;
- ``rows``: for each row with finished cells ``method``, its condition as named keys, ``metric``,
  ``values`` in the order of their seeds, ``mean``, ``std`` (of the sample; null for one value) and
  ``paper`` (``mean`` and ``std``, or null);
- ``settings``: everything that the figures depend on;
- ``deviations`` from the paper;
- ``provenance``: versions, ``device``, ``threads`` of a cell, ``command``, ``wall_seconds`` summed
  over the cells.
"""

from __future__ import annotations

import json
import shlex
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from latent_transfer._files import naming_the_place, probe, write_atomically
from latent_transfer.papers.cells import (
    Failed,
    Finished,
    Job,
    cell_file,
    read_cells,
    used_settings,
    write_cell,
)
from latent_transfer.papers.table import (
    QUICK_SEEDS,
    TABLES,
    PaperTable,
    Place,
    Row,
    find_table,
)
from latent_transfer.session import find_data_root

Cells = dict[tuple[str, int], Finished]


@dataclass(frozen=True)
class Sweep:
    """What to compute of a table, and where.

    Attributes:
        name: Of the table.
        seeds: Seeds of each row, 0 to one less; none: as many as the row has.
        only: Methods, or methods with conditions such as ``M1+M2,labels=100``; all if empty.
        workers: Processes; none: one a core.
        scheduler: Address of a Dask scheduler, whose workers are used instead.
        quick: Whether to use the small settings, on embedded data.

    Raises:
        ValueError: If a setting makes no sense; the message names it as on the command line.
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
        """The command without what is of no consequence for the figures."""
        words = ["latent-transfer", "reproduce", self.name]
        words += [] if self.seeds is None else ["--seeds", str(self.seeds)]
        words += [word for name in self.only for word in ("--only", name)]
        return shlex.join(words + (["--quick"] if self.quick else []))

    def seeds_of(self, row: Row) -> range:
        """The seeds of a row."""
        return range(self.seeds or (min(row.seeds, QUICK_SEEDS) if self.quick else row.seeds))


@dataclass(frozen=True)
class Reproduction:
    """What came out of a sweep.

    Attributes:
        file: The table's JSON file.
        computed: Cells computed now.
        failed: Cells that could not be computed.
    """

    file: Path
    computed: int
    failed: tuple[Failed, ...]


def reproduce(
    sweep: Sweep, out: Path, *, root: Path | None = None, progress: bool = True
) -> Reproduction:
    """Compute the cells of a table, or go on with them.

    Args:
        sweep: Which cells, and where to compute them.
        out: Folder of the sweep, made if missing.
        root: The data root, as for :func:`latent_transfer.data.load`.
        progress: Whether to show a bar with the time that is left.

    Raises:
        CheckpointError: If ``out`` holds cells of other settings.
        ConnectionError: If the cluster does not answer, or stops answering.
        DataError: If ``out`` cannot be written.
        ValueError: If a name is unknown, or the cluster cannot be used.
    """
    table = find_table(sweep.name)
    settings = json.loads(json.dumps(table.chosen(sweep.quick)))
    jobs = _jobs(sweep, table, settings, out, root)
    probe(out)
    kept = _Kept(sweep, table, settings, out)
    todo = [job for job in jobs if (job.label, job.seed) not in kept.cells]
    kept.write_table()
    if progress and len(todo) < len(jobs):
        print(f"{len(jobs) - len(todo)} of {len(jobs)} cells are there already", file=sys.stderr)
    failed = _compute(sweep, todo, kept, progress) if todo else []
    return Reproduction(kept.file, len(todo) - len(failed), tuple(failed))


def _compute(sweep: Sweep, todo: Sequence[Job], kept: _Kept, progress: bool) -> list[Failed]:
    from latent_transfer.papers import workers

    place = workers.cluster(sweep.scheduler) if sweep.scheduler else workers.local(sweep.workers)
    failed = []
    with place as run:  # before hours of preparation, in case that the cluster does not answer
        kept.prepare(todo, progress)
        bar = tqdm(
            total=len(todo),
            unit="cell",
            smoothing=0,  # cells take seconds or hours; their mean tells more than the last ones
            disable=not progress,
            dynamic_ncols=True,
        )
        with bar, closing(run(todo)) as results:
            for result in results:
                kept.keep(result)
                if isinstance(result, Failed):
                    failed.append(result)
                    bar.write(f"Failed: {result}", file=sys.stderr)
                bar.update()
    return failed


def _jobs(
    sweep: Sweep, table: PaperTable, settings: Mapping[str, Any], out: Path, root: Path | None
) -> list[Job]:
    """Every first seed before any second one, so that a stopped sweep shows a bit of each row."""
    rows = table.select(sweep.only)
    place = Place((out / "work").resolve(), find_data_root(root).resolve())
    return [
        Job(TABLES[sweep.name], row.label, seed, used_settings(row, settings), place)
        for seed in range(max(len(sweep.seeds_of(row)) for row in rows))
        for row in rows
        if seed in sweep.seeds_of(row)
    ]


class _Kept:
    """The folder of a sweep: every cell that is finished, and the table made of them."""

    def __init__(
        self, sweep: Sweep, table: PaperTable, settings: dict[str, Any], out: Path
    ) -> None:
        self.file = out / f"{table.name}.json"
        self._folder, self._failures = out / "cells", out / "failures"
        self._sweep, self._table, self._settings = sweep, table, settings
        self.cells = read_cells(self._folder, table, settings)

    def prepare(self, todo: Sequence[Job], progress: bool) -> None:
        """Make what several cells need."""
        if not self._table.prepare:
            return
        if progress:
            print("Preparing what the cells share", file=sys.stderr)
        place, labels = todo[0].place, {job.label for job in todo}
        rows = [row for row in self._table.rows if row.label in labels]
        with naming_the_place(place.folder):
            place.folder.mkdir(parents=True, exist_ok=True)
            self._table.prepare(rows, self._settings, place)

    def keep(self, result: Finished | Failed) -> None:
        """Write a cell and the table, or why the cell failed."""
        failure = cell_file(self._failures, result.row, result.seed, ".txt")
        with naming_the_place(self._folder):
            if isinstance(result, Failed):
                write_atomically(failure, (result.details or f"{result}\n").encode())
                return
            failure.unlink(missing_ok=True)
            write_cell(self._folder, result)
        # Another command may be filling the same folder.
        self.cells = read_cells(self._folder, self._table, self._settings)
        self.write_table()

    def write_table(self) -> None:
        """Make the table of the cells, if there are any."""
        if self.cells:
            content = table_json(self._table, self._settings, self.cells, self._sweep.command)
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            with naming_the_place(self.file):
                write_atomically(self.file, text.encode())


def table_json(
    table: PaperTable, settings: Mapping[str, Any], cells: Cells, command: str
) -> dict[str, Any]:
    """The table as it is kept.

    Args:
        table: Which one.
        settings: All settings of the sweep.
        cells: The finished cells by row and seed.
        command: What computed them.
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
            **_environment(cells.values()),
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


def _environment(cells: Iterable[Finished]) -> dict[str, str]:
    """Versions and device; cells of several machines name all of them."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        for name, value in cell.environment.items():
            found.setdefault(name, set()).add(value)
    return {name: ", ".join(sorted(values)) for name, values in found.items()}
