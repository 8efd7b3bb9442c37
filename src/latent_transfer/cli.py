"""The command line: data sets, comparisons, and what the package runs on.

Errors that the package foresees end as one sentence on the error stream and exit code 1.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from latent_transfer import data
from latent_transfer._files import write_atomically
from latent_transfer.errors import CheckpointError, DataError, TrainingDiverged
from latent_transfer.records import recorded
from latent_transfer.session import find_data_root, find_profile

if TYPE_CHECKING:
    from PIL.Image import Image

    from latent_transfer.papers.table import PaperTable

#: Errors whose message is meant for the user as it stands.
FORESEEN = (
    ValueError,
    FileNotFoundError,
    ConnectionError,
    DataError,
    CheckpointError,
    TrainingDiverged,
)

#: Images in one row of a contact sheet, the scale of small images, the gap between them.
COLUMNS, SMALL, GAP = 10, 56, 4

app = typer.Typer(
    help="Data sets, comparisons and settings of the course book Latent Transfer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="List, fetch and look at data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Name = Annotated[str, typer.Argument(help="A name from 'data list', or folder:PATH for show.")]
Root = Annotated[
    Path | None,
    typer.Option(help="Data root; else LATENT_TRANSFER_DATA, else the user's cache folder."),
]


class Split(str, Enum):
    """The part of a data set."""

    train = "train"
    test = "test"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line, and turns foreseen errors into one sentence and exit code 1."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except FORESEEN as error:
        _fail(str(error))
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        Console(stderr=True).print("Interrupted.")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (head, say) has gone; nothing is left to tell it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        # Usage errors; typer may bring its own copy of click, so they are known by their method.
        if not hasattr(error, "show"):
            raise
        error.show()
        sys.exit(getattr(error, "exit_code", 2))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(message, style="red", markup=False)
    sys.exit(1)


@app.command()
def info(root: Root = None) -> None:
    """Show versions, device, profile and data root."""
    import torch

    table = Table(show_header=False, box=None)
    table.add_row("latent-transfer", _version("latent-transfer"))
    table.add_row("python", f"{platform.python_version()} on {platform.platform()}")
    for name in ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib"):
        table.add_row(name, _version(name))
    cuda = torch.cuda.is_available()
    table.add_row("device", f"cuda ({torch.cuda.get_device_name()})" if cuda else "cpu")
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
        from latent_transfer import __version__

        return f"{__version__} (from a folder, not installed)"


@app.command()
def compare(
    source: Annotated[
        str, typer.Option(help="What to pre-train on: a name from 'data list', or folder:PATH.")
    ],
    target: Annotated[str, typer.Option(help="Your images: folder:PATH, or a name.")],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Labelled images of each class; else those of 5,20,100 that there are.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Draws of labelled images, at least 2.")] = 5,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; else compare-SOURCE-TARGET here.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 32,
    pretraining_steps: Annotated[
        int, typer.Option(help="Training steps of each autoencoder.")
    ] = 1_000,
    steps: Annotated[int, typer.Option(help="Training steps of each classifier.")] = 300,
    augment: Annotated[
        bool, typer.Option(help="Flip and move images in training; a flip may spoil letters.")
    ] = True,
    root: Root = None,
) -> None:
    """Measure whether an autoencoder pre-trained on a source helps on your images.

    Classifiers are trained on few labelled target images: from scratch; on the source's encoder,
    frozen; on the same, fine-tuned; on an encoder pre-trained on the target's own images without
    labels, fine-tuned. report.html shows the result and samples of the images, results.json holds
    the numbers.

    A folder holds CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE. Stop with Ctrl-C; the
    same command goes on from there. With the defaults and a thousand test images it takes two
    to three minutes on one CPU core.
    """
    from latent_transfer import comparison

    settings = comparison.FourWays(
        source, target, _numbers(labels), seeds, size, pretraining_steps, steps, augment
    )
    place = out or Path(f"compare-{settings.slug}")
    with _going_on_from(place):
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
        int | None, typer.Option(help="Processes of one thread each; else one a core.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask scheduler, whose workers are used instead."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small settings on embedded data, in seconds.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results; else reproduce-NAME here.")
    ] = None,
    root: Root = None,
) -> None:
    """Measure a table of a paper anew, over several seeds, and write it as JSON.

    Every cell, one row with one seed, is kept as soon as it is finished. Stop with Ctrl-C; the
    same command goes on from there. Whole tables take hours on a few cores; with --quick they take
    seconds, and their figures mean nothing.

    Workers of a Dask cluster need one thread each, this package, and the output folder and the
    data root under the same paths: dask worker ADDRESS --nthreads 1.
    """
    from latent_transfer.papers import sweep, table

    if list_tables or name is None:
        _list_tables([table.find_table(known) for known in table.known_tables()])
        return
    chosen = sweep.Sweep(name, seeds, tuple(only or ()), workers, scheduler, quick)
    place = out or Path(f"reproduce-{name}{'-quick' if quick else ''}")
    with _going_on_from(place):
        outcome = sweep.reproduce(chosen, place, root=root)
    if outcome.file.exists():
        print(f"{recorded(outcome.file)}\nTable: {outcome.file}")
    if outcome.failed:
        count = f"{len(outcome.failed)} cell{'' if len(outcome.failed) == 1 else 's'} failed"
        cells = "; ".join(f"{cell.row}, seed {cell.seed}" for cell in outcome.failed)
        _fail(f"{count}: {cells}; see {place / 'failures'}. The same command tries again.")


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
def _going_on_from(place: Path) -> Iterator[None]:
    """Say after Ctrl-C where the same command will go on."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"Stopped; the same command goes on from {place}.", file=sys.stderr)
        raise


def _numbers(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--labels takes numbers with commas between them, such as 5,20,100, not {text!r}."
        ) from None


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
    out: Annotated[Path | None, typer.Option(help="PNG file; default NAME.png here.")] = None,
    split: Annotated[Split, typer.Option(help="Which part to show.")] = Split.train,
    count: Annotated[int, typer.Option(min=1, help="Images of each class at most.")] = COLUMNS,
    size: Annotated[int | None, typer.Option(help="As in load; for folder: and digits.")] = None,
    root: Root = None,
) -> None:
    """Write a contact sheet: one row a class, its first images beside its name."""
    loaded = data.load(name, root, size=size)
    images = loaded.train if split is Split.train else loaded.test
    place = out or Path(f"{name.removeprefix('folder:').rstrip('/').rsplit('/', 1)[-1]}.png")
    _write(contact_sheet(images, count), place)
    sizes = f"{len(loaded.train):,} training and {len(loaded.test):,} test images"
    print(f"{name}: {sizes}, {len(loaded.classes)} classes; {split.value} sheet in {place}")
    if loaded.notes:
        print(loaded.notes)


def contact_sheet(images: data.ImageSet, count: int = COLUMNS) -> Image:
    """Draws the first images of each class in rows, with the class's name before each row.

    Args:
        images: the set.
        count: images in a row at most.

    Returns:
        An RGB image; small images are enlarged without smoothing.
    """
    import torch
    from PIL import Image, ImageDraw, ImageFont

    colour = images.rgb()
    cell = max(1, SMALL // max(images.shape[1:]))
    high, wide = (extent * cell + GAP for extent in images.shape[1:])
    font = ImageFont.truetype(_font(), 16)
    margin = 2 * GAP + round(max(font.getlength(name) for name in images.classes))
    row_high = max(high, 24)
    size = (margin + count * wide + GAP, len(images.classes) * row_high + GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for label, name in enumerate(images.classes):
        top = GAP + label * row_high
        draw.text((GAP, top + row_high // 2 - 12), name, fill="black", font=font)
        chosen = torch.nonzero(colour.labels == label).flatten()[:count]
        for column, index in enumerate(chosen.tolist()):
            pixels = colour.images[index].permute(1, 2, 0).numpy()  # H×W×3
            tile = Image.fromarray(pixels)
            tile = tile.resize((wide - GAP, high - GAP), Image.Resampling.NEAREST)
            sheet.paste(tile, (margin + column * wide, top))
    return sheet


def _font() -> str:
    from matplotlib import get_data_path

    return str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def _write(sheet: Image, place: Path) -> None:
    content = io.BytesIO()
    sheet.save(content, format="PNG")
    try:
        write_atomically(place, content.getvalue())
    except OSError as error:
        raise DataError(f"{place} cannot be written ({error.strerror or error}).") from None


if __name__ == "__main__":
    main()
