"""Recorded results: tables of papers as ``latent-transfer reproduce`` measured them, kept here.

They are data of the package, one JSON file per table; its layout is described in
:mod:`latent_transfer.papers.sweep`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from latent_transfer._files import expanded
from latent_transfer._templates import render
from latent_transfer.errors import DataError

Value = str | int | float

#: What a row of a file has besides its condition; no condition may be called so.
FIELDS = ("method", "metric", "values", "mean", "std", "paper")

#: Last words of a metric's name that are units, and how they are written.
UNITS = {"percent": "%", "nats": "nats"}

#: Words of metrics' names that are written in capitals.
ACRONYMS = ("auroc", "fid", "kid", "nll", "nmi")

MISSING = "–"


@dataclass(frozen=True)
class RecordedRow:
    """One method under one condition.

    Attributes:
        method: Its name.
        condition: What else tells the row from others, such as ``{"labels": 100}``.
        metric: What was measured, with its unit in the name.
        values: One per seed.
        mean: Of the values.
        std: Of the values, as a sample; none for a single value.
        paper: The paper's ``mean`` and ``std``, if it has them.

    Example:
        >>> import latent_transfer as lt
        >>> row = lt.recorded("kingma2014").row("M1+M2", labels=100)
        >>> row.label, row.quantity, row.theirs
        ('M1+M2, labels 100', 'test error, %', '3.33 ± 0.14')
    """

    method: str
    condition: Mapping[str, Value]
    metric: str
    values: tuple[float, ...]
    mean: float
    std: float | None
    paper: Mapping[str, Any] | None

    @property
    def label(self) -> str:
        """Method and condition in one line."""
        return row_label(self.method, self.condition)

    @property
    def quantity(self) -> str:
        """The metric in words, with its unit behind a comma."""
        *words, last = (w.upper() if w in ACRONYMS else w for w in self.metric.split("_"))
        return f"{' '.join(words)}, {UNITS[last]}" if last in UNITS else " ".join([*words, last])

    @property
    def ours(self) -> str:
        """Mean and standard deviation as text."""
        return _spread(self.mean, self.std)

    @property
    def theirs(self) -> str:
        """The paper's as text, or a dash."""
        return _spread(self.paper["mean"], self.paper["std"]) if self.paper else MISSING


@dataclass(frozen=True, repr=False)
class Grid:
    """Texts in rows and columns; printed, it is text, and in a notebook a table.

    Attributes:
        caption: What it shows.
        header: Names of the columns.
        body: The rows, each with a text for every column; the first names the row.

    Example:
        >>> from latent_transfer.records import Grid
        >>> Grid("Errors", ("method", "error"), (("VAE", "3.1"), ("PCA", "12.0")))
        Errors
        method  error
        VAE     3.1
        PCA     12.0
    """

    caption: str
    header: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table in Markdown, without the caption."""
        lines = [self.header, ("---",) * len(self.header), *self.body]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def __str__(self) -> str:
        lines = [self.header, *self.body]
        wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(f"{c:<{w}}" for c, w in zip(line, wide, strict=True)) for line in lines]
        return "\n".join([self.caption, *(line.rstrip() for line in text)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return render("records/templates/grid.html.j2", grid=self)


@dataclass(frozen=True, repr=False)
class RecordedTable:
    """A table of a paper, re-measured, beside the paper's own numbers.

    Printed, it is text; as the last line of a notebook's cell, a table.

    Attributes:
        name: As ``latent-transfer reproduce`` takes it.
        source: The paper.
        rows: Those that were measured.
        settings: Everything that the numbers depend on.
        deviations: What was done differently from the paper.
        provenance: Versions, device, command and wall time.

    Example:
        >>> import latent_transfer as lt
        >>> table = lt.recorded("kingma2014")
        >>> table.row("M1+M2", labels=100).metric
        'test_error_percent'
        >>> len(table.values) == len(table.rows)
        True
    """

    name: str
    source: str
    rows: tuple[RecordedRow, ...]
    settings: Mapping[str, Any]
    deviations: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def values(self) -> dict[str, tuple[float, ...]]:
        """Label of each row to its values, as :func:`latent_transfer.figures.bars` takes them."""
        return {row.label: row.values for row in self.rows}

    def row(self, method: str, **condition: Value) -> RecordedRow:
        """Return the one row of that method that fulfils the conditions.

        Raises:
            ValueError: If there is none, or more than one.
        """
        found = [
            row
            for row in self.rows
            if row.method == method and condition.items() <= row.condition.items()
        ]
        if len(found) != 1:
            wanted = row_label(method, condition)
            among = "; ".join(row.label for row in self.rows)
            raise ValueError(
                f"{self.name} has {len(found)} rows {wanted!r}, not 1; its rows are {among}."
            )
        return found[0]

    def across(self, condition: str) -> Grid:
        """Put one condition along the columns, with the paper's means below ours.

        A row without the condition has the same mean in each column.

        Raises:
            ValueError: If no row has that condition.

        Example:
            >>> import latent_transfer as lt
            >>> lt.recorded("kingma2014").across("labels").header
            ('test error, % at labels', '100', '600', '1000', '3000')
        """
        places = (row.condition[condition] for row in self.rows if condition in row.condition)
        columns = list(dict.fromkeys(places))
        if not columns:
            raise ValueError(f"{self.name} has no condition {condition!r}.")
        lines: dict[str, dict[Value, str]] = {}
        for row in self.rows:
            rest = {key: value for key, value in row.condition.items() if key != condition}
            name = row_label(row.method, rest)
            at = [row.condition[condition]] if condition in row.condition else columns
            lines.setdefault(name, {}).update(dict.fromkeys(at, row.ours))
            lines.setdefault(f"{name} (paper)", {}).update(dict.fromkeys(at, row.theirs))
        body = tuple(
            (name, *(cells.get(column, MISSING) for column in columns))
            for name, cells in lines.items()
            if set(cells.values()) != {MISSING}
        )
        quantity = " or ".join(dict.fromkeys(row.quantity for row in self.rows))
        header = (f"{quantity} at {condition}", *map(str, columns))
        return Grid(self._caption, header, body)

    def markdown(self) -> str:
        """Return the table in Markdown."""
        return self._grid.markdown()

    def about(self) -> str:
        """Say in Markdown how it was measured: command, deviations, versions and settings.

        Example:
            >>> import latent_transfer as lt
            >>> print(lt.recorded("kingma2014").about().splitlines()[0])
            To re-measure it: `latent-transfer reproduce kingma2014`
        """
        facts = dict(self.provenance)
        command, hours = facts.pop("command"), facts.pop("wall_seconds") / 3600
        deviations = "\n".join(f"- {each}" for each in self.deviations or ["none known"])
        versions = ", ".join(f"{name} {value}" for name, value in facts.items())
        settings = json.dumps(self.settings, indent=1, ensure_ascii=False)
        return f"""\
To re-measure it: `{command}`

Deviations from the paper:

{deviations}

All runs together: {hours:.1f} hours, with {versions}.

<details><summary>Settings</summary>

```json
{settings}
```

</details>"""

    def __str__(self) -> str:
        return str(self._grid)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self._grid._repr_html_()

    @property
    def _caption(self) -> str:
        return f"{self.source}. Means ± standard deviations over the seeds."

    @property
    def _grid(self) -> Grid:
        """One line per row."""
        keys = list(dict.fromkeys(key for row in self.rows for key in row.condition))
        several = len({row.metric for row in self.rows}) > 1
        measured = "mean ± std" if several or not self.rows else self.rows[0].quantity
        body = tuple(
            (
                row.method,
                *(str(row.condition.get(key, MISSING)) for key in keys),
                *([row.quantity] if several else []),
                *(row.ours, row.theirs, str(len(row.values))),
            )
            for row in self.rows
        )
        header = ("method", *keys, *(["measured"] if several else []), measured, "paper", "seeds")
        return Grid(self._caption, header, body)


def recorded(name: str | Path) -> RecordedTable:
    """Read a recorded table.

    Args:
        name: One of :func:`recorded_names`; or the path of a JSON file that ``latent-transfer
            reproduce`` wrote.

    Raises:
        DataError: If the file is no table.
        ValueError: If the name is unknown.

    Example:
        >>> import latent_transfer as lt
        >>> lt.recorded("kingma2014").source
        'Kingma, Rezende, Mohamed and Welling, ... Table 1 (MNIST)'
    """
    if isinstance(name, Path) or name.endswith(".json"):
        place = expanded(name)
        text = place.read_text(encoding="utf-8")
    elif name in recorded_names():
        place, text = Path(f"{name}.json"), (_folder() / f"{name}.json").read_text(encoding="utf-8")
    else:
        known = ", ".join(recorded_names()) or "none yet"
        raise ValueError(f"There is no recorded table {name!r}; there are: {known}.")
    try:
        return _parsed(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{place} is no recorded table ({error!r}).") from None


def recorded_names() -> list[str]:
    """Return the names of the recorded tables.

    Example:
        >>> from latent_transfer.records import recorded_names
        >>> "kingma2014" in recorded_names()
        True
    """
    folder = _folder()
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def _folder() -> Any:
    return files("latent_transfer") / "records" / "tables"


def _parsed(content: dict[str, Any]) -> RecordedTable:
    return RecordedTable(
        content["name"],
        content["source"],
        tuple(_row(row) for row in content["rows"]),
        content["settings"],
        tuple(content["deviations"]),
        content["provenance"],
    )


def _row(content: dict[str, Any]) -> RecordedRow:
    condition = {key: value for key, value in content.items() if key not in FIELDS}
    fields = {name: content[name] for name in FIELDS} | {"values": tuple(content["values"])}
    return RecordedRow(condition=condition, **fields)


def row_label(
    method: str, condition: Mapping[str, Value], *, equals: str = " ", between: str = ", "
) -> str:
    """Return method and condition in one line.

    Args:
        method: Comes first.
        condition: Its names and values follow.
        equals: Stands between a name and its value.
        between: Separates the parts; the command line has ``=`` and a comma without a space.

    Example:
        >>> from latent_transfer.records.reader import row_label
        >>> row_label("M2", {"labels": 100})
        'M2, labels 100'
        >>> row_label("M2", {"labels": 100}, equals="=", between=",")
        'M2,labels=100'
    """
    return between.join([method, *(f"{key}{equals}{value}" for key, value in condition.items())])


def _spread(mean: float, std: float | None) -> str:
    return f"{mean:.2f}" if std is None else f"{mean:.2f} ± {std:.2f}"
