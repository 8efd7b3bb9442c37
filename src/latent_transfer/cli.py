"""The command line: data sets, comparisons, and what the package runs on.

Exit codes: 0; 1 for a failure, which is told in one sentence on the error stream; 2 for a command
that is typed wrongly; 130 after Ctrl-C.
"""

from __future__ import annotations

import codecs
import importlib.metadata
import inspect
import io
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_type_hints

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from latent_transfer import data
from latent_transfer._files import expanded, write_atomically
from latent_transfer.comparison.settings import FourWays, options
from latent_transfer.comparison.wording import file_stem
from latent_transfer.errors import CheckpointError, DataError, TrainingDiverged
from latent_transfer.records import recorded
from latent_transfer.session import find_data_root, find_device, find_profile, package_version

if TYPE_CHECKING:
    from latent_transfer.papers.table import PaperTable

#: Errors whose message is meant for the user as it stands.
FORESEEN = (ValueError, DataError, CheckpointError, TrainingDiverged)

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

#: What a terminal that does not know our signs is shown instead of them.
PLAIN = {"−": "-", "–": "-", "×": "x", "±": "+/-", "·": "|", "’": "'", "“": '"', "”": '"', "✓": "+"}


class Commands(TyperGroup):
    """Commands whose foreseen errors end in one sentence, with old and new versions of Typer."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command, and turn what it raises into a sentence and an exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where a reader that has gone is noticed in good time
            return result
        except BrokenPipeError:  # the reader of our output, head say, has gone
            raise
        except FORESEEN as error:
            _fail(str(error))
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            _fail(f"{place}{error.strerror or error}.")
        except KeyboardInterrupt:
            _fail("Interrupted.", INTERRUPTED)


app = typer.Typer(
    cls=Commands,
    help="Data sets, comparisons and settings of the course book Latent Transfer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fills paragraphs
)
data_app = typer.Typer(help="List, fetch and look at data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")


def _path(text: str) -> Path:
    try:
        return expanded(text)
    except ValueError as error:
        _fail(str(error), WRONG_USAGE)


def _place(says: str) -> Any:
    return typer.Option(help=says, metavar="PATH", parser=_path)


Name = Annotated[str, typer.Argument(help="A name from 'data list', or folder:PATH for show.")]
Root = Annotated[
    Path | None, _place("Data root; else LATENT_TRANSFER_DATA, else the user's cache folder.")
]


class Part(str, Enum):
    """The part of a data set."""

    train = "train"
    test = "test"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends with :class:`SystemExit`.

    Args:
        arguments: What was typed after the command's name; left out: ``sys.argv``.

    Example:
        >>> from latent_transfer import cli
        >>> try:
        ...     cli.main(["data", "fetch", "digits"])
        ... except SystemExit as end:
        ...     print("exit code", end.code or 0)
        digits is embedded in the package; there is nothing to fetch.
        exit code 0
    """
    codecs.register_error("plain", _in_plain_signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    app(args=None if arguments is None else list(arguments))


def _in_plain_signs(error: UnicodeError) -> tuple[str, int]:
    """Replace signs that a terminal in cp1252, cp437 or ASCII cannot show, rather than fail."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    odd = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign) or ascii(sign)[1:-1] for sign in odd), error.end


def _fail(message: str, code: int = FAILED) -> NoReturn:
    Console(stderr=True, soft_wrap=True, highlight=False).print(message, style="red", markup=False)
    raise typer.Exit(code)


@contextmanager
def _as_typed() -> Iterator[None]:
    """Answer settings that make no sense as a wrong usage."""
    try:
        yield
    except ValueError as error:
        _fail(str(error), WRONG_USAGE)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes :class:`FourWays` first an option for each of its fields."""
    known, types = options(), get_type_hints(FourWays)

    def run(**given: Any) -> None:
        with _as_typed():
            settings = FourWays(
                **{
                    name: option.read(value) if option.read and value is not None else value
                    for name, option in known.items()
                    for value in [given.pop(name)]
                }
            )
        command(settings, **given)

    _, *others = inspect.signature(command, eval_str=True).parameters.values()
    mine = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.signature(FourWays).parameters[name].default,
            annotation=Annotated[
                str | None if option.read else types[name],
                typer.Option(help=option.help, metavar=option.metavar),
            ],
        )
        for name, option in known.items()
    ]
    others = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in others]
    run.__signature__ = inspect.Signature([*mine, *others])  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


@app.command()
def info(root: Root = None) -> None:
    """Show versions, device, profile and data root."""
    import torch

    table = Table(show_header=False, box=None)
    table.add_row("latent-transfer", _version("latent-transfer"))
    table.add_row("python", f"{platform.python_version()} on {platform.platform()}")
    for library in ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib"):
        table.add_row(library, _version(library))
    device = find_device()
    name = f" ({torch.cuda.get_device_name()})" if device.type == "cuda" else ""
    table.add_row("device", f"{device}{name}")
    table.add_row("threads", str(torch.get_num_threads()))
    table.add_row("profile", find_profile())
    table.add_row("data root", str(find_data_root(root)))
    Console(soft_wrap=True).print(table)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        if distribution != "latent-transfer":
            return "not installed"
        return f"{package_version()} (from a folder, not installed)"


@app.command()
@_with_options
def compare(
    settings: FourWays,
    out: Annotated[
        Path | None, _place("Folder of the report; else compare-SOURCE-TARGET here.")
    ] = None,
    root: Root = None,
) -> None:
    """Measure whether an autoencoder pre-trained on a source helps on your images.

    Classifiers are trained on few labelled target images: from scratch; on the source's encoder,
    frozen; on the same, fine-tuned; on an encoder pre-trained on the target's own images without
    labels, fine-tuned. report.html shows the result and samples of the images, results.json holds
    the numbers.

    A folder holds CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE. Stop with Ctrl-C; run
    the same command again to resume. With the defaults and a thousand test images it takes two to
    three minutes on one CPU core.
    """
    from latent_transfer import comparison

    place = out or Path(f"compare-{settings.slug}")
    with _resumable(place):
        outcome = comparison.compare_four_ways(settings, place, root=root)
        report, results = comparison.write_report(outcome, place)
    print(f"{outcome.verdict}\nReport: {report}\nNumbers: {results}")


@app.command()
def reproduce(
    name: Annotated[str | None, typer.Argument(help="A name from --list.")] = None,
    list_tables: Annotated[bool, typer.Option("--list", help="List the tables.")] = False,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds of each row; else as many as the table has.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROW", help="A method, or one with conditions: M2,labels=100. May be repeated."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes of one thread each; else one per core.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask scheduler, whose workers are used instead."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small settings on embedded data, in seconds.")
    ] = False,
    out: Annotated[Path | None, _place("Folder of the results; else reproduce-NAME here.")] = None,
    root: Root = None,
) -> None:
    """Re-measure a table of a paper, over several seeds, and write it as JSON.

    Every cell, one row with one seed, is kept as soon as it is finished. Stop with Ctrl-C; run the
    same command again to resume. Whole tables take hours on a few cores; with --quick they take
    seconds, and their numbers mean nothing.

    Workers of a Dask cluster need one thread each, this package, and the output folder and the
    data root under the same paths: dask worker ADDRESS --nthreads 1.
    """
    from latent_transfer.papers import sweep, table

    if list_tables or name is None:
        _list_tables([table.find_table(known) for known in table.known_tables()])
        return
    with _as_typed():
        chosen = sweep.Sweep(
            name,
            seeds=seeds,
            only=tuple(only or ()),
            workers=workers,
            scheduler=scheduler,
            quick=quick,
        )
    place = out or Path(f"reproduce-{name}{'-quick' if quick else ''}")
    with _resumable(place):
        outcome = sweep.reproduce(chosen, place, root=root)
    if outcome.file.exists():
        print(f"{recorded(outcome.file)}\nTable: {outcome.file}")
    if outcome.failed:
        count = f"{len(outcome.failed)} cell{'' if len(outcome.failed) == 1 else 's'} failed"
        cells = "; ".join(f"{cell.row}, seed {cell.seed}" for cell in outcome.failed)
        _fail(f"{count}: {cells}; see {place / 'failures'}. Run the same command to try again.")


def _list_tables(found: Sequence[PaperTable]) -> None:
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("name", "rows", "cells"):
        shown.add_column(heading, no_wrap=True)
    shown.add_column("source", overflow="fold")
    for table in found:
        cells = sum(row.seeds for row in table.rows)
        shown.add_row(table.name, str(len(table.rows)), str(cells), table.source)
    Console().print(shown)


@contextmanager
def _resumable(place: Path) -> Iterator[None]:
    """Say after Ctrl-C how to resume."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"Stopped; run the same command again to resume from {place}.", file=sys.stderr)
        raise


@data_app.command("list")
def list_sets(root: Root = None) -> None:
    """List the data sets: images, shape, classes, licence, and where they are."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("name", "train", "test", "shape", "classes", "where"):
        table.add_column(heading, no_wrap=True)
    table.add_column("licence", overflow="fold")
    for name, entry in data.CATALOGUE.items():
        shape = "×".join(str(extent) for extent in entry.shape)
        numbers = (f"{entry.train:,}", f"{entry.test:,}", shape, str(len(entry.classes)))
        table.add_row(name, *numbers, data.where(name, root), entry.licence)
    console = Console()
    console.print(table)
    console.print(f"Data root: {find_data_root(root)}", soft_wrap=True, highlight=False)


@data_app.command("fetch")
def fetch_set(name: Name, root: Root = None) -> None:
    """Download what is missing or damaged of a data set, and check it."""
    folder = data.fetch(name, root)
    if data.CATALOGUE[name].embedded:
        print(f"{name} is embedded in the package; there is nothing to fetch.")
    else:
        print(f"{name} is complete in {folder}")


@data_app.command("show")
def show_set(
    name: Name,
    out: Annotated[Path | None, _place("PNG file; else NAME.png here.")] = None,
    split: Annotated[Part, typer.Option(help="Which part to show.")] = Part.train,
    count: Annotated[int, typer.Option(min=1, help="Images of each class at most.")] = 10,
    size: Annotated[int | None, typer.Option(help="As in load; for folder: and digits.")] = None,
    root: Root = None,
) -> None:
    """Write a contact sheet: one row per class, its first images beside its name."""
    loaded = data.load(name, root, size=size)
    images = loaded.train if split is Part.train else loaded.test
    place = out or Path(f"{file_stem(name)}.png")
    _write_sheet(images, count, place)
    sizes = f"{len(loaded.train):,} training and {len(loaded.test):,} test images"
    print(f"{name}: {sizes}, {len(loaded.classes)} classes; {split.value} sheet in {place}")
    if loaded.notes:
        print(loaded.notes)


def _write_sheet(images: data.ImageSet, count: int, place: Path) -> None:
    from latent_transfer.figures import image_rows

    # A dollar sign would begin a formula.
    names = [name.replace("$", r"\$") for name in images.classes]
    members = ((images.labels == label).nonzero().flatten() for label in range(len(names)))
    rows = (images.images[each[:count]].float() / 255 for each in members)  # N×C×H×W
    content = io.BytesIO()
    image_rows(dict(zip(names, rows, strict=True))).savefig(content, format="png")
    try:
        write_atomically(place, content.getvalue())
    except OSError as error:
        raise DataError(f"{place} cannot be written ({error.strerror or error}).") from None
