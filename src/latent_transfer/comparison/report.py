"""One HTML file that shows a comparison: no script, nothing fetched, every picture inside.

The page is ``templates/report.html.j2``; this module computes what the template shows.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from matplotlib.figure import Figure

from latent_transfer._files import expanded, write_atomically
from latent_transfer._templates import render
from latent_transfer.comparison.four_ways import PRETRAINING_SEED, Outcome
from latent_transfer.comparison.results import as_json
from latent_transfer.comparison.settings import command, options
from latent_transfer.comparison.verdict import FROZEN, OWN, SCRATCH, TUNED, points, spelt
from latent_transfer.comparison.wording import listed
from latent_transfer.data import Data, ImageSet
from latent_transfer.errors import DataError
from latent_transfer.evaluation import Estimate
from latent_transfer.figures import label_efficiency
from latent_transfer.records import Grid

REPORT, NUMBERS = "report.html", "results.json"

#: Classes that the samples show at most, and images of each.
CLASSES_SHOWN, SAMPLES = 20, 8

#: White pixels between sample images.
GAP = 2

FINDINGS = {"helped": "helped", "hurt": "hurt", "undecided": "no difference shown"}


@dataclass(frozen=True)
class Picture:
    """A PNG file as base64, and what it shows in words."""

    base64: str
    alt: str


def write_report(outcome: Outcome, out: str | Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``results.json`` into a folder.

    Returns:
        Both places.

    Raises:
        DataError: If one cannot be written.

    Example:
        Such an outcome takes minutes, so that these lines do not run with the other examples.

        >>> from latent_transfer.comparison import FourWays, compare_four_ways, write_report
        >>> settings = FourWays("digits", "folder:pets")
        >>> outcome = compare_four_ways(settings, "out")  # doctest: +SKIP
        >>> report, numbers = write_report(outcome, "out")  # doctest: +SKIP
    """
    report, results = (expanded(out) / name for name in (REPORT, NUMBERS))
    for place, content in ((report, html_report(outcome)), (results, as_json(outcome))):
        try:
            write_atomically(place, content.encode())
        except OSError as error:
            raise DataError(
                f"--out: {place} cannot be written ({error.strerror or error})."
            ) from None
    return report, results


def html_report(outcome: Outcome) -> str:
    """Return the report as one HTML page.

    Example:
        Such an outcome takes minutes, so that these lines do not run with the other examples.

        >>> from latent_transfer.comparison import FourWays, compare_four_ways, html_report
        >>> settings = FourWays("digits", "folder:pets")
        >>> outcome = compare_four_ways(settings, "out")  # doctest: +SKIP
        >>> page = html_report(outcome)  # doctest: +SKIP
    """
    channels, height, width = outcome.recipe.shape
    found = outcome.differences
    return render(
        "comparison/templates/report.html.j2",
        title=f"Transfer from {outcome.source.name} to {outcome.target.name}",
        verdict=outcome.verdict,
        same_images=outcome.same_images,
        dropped=listed(outcome.dropped) if outcome.dropped else "",
        smallest=f"{min(outcome.target.train.counts().values()):,}",
        seeds=outcome.settings.seeds,
        curves=_picture(*curves(outcome)),
        means=_means(outcome),
        differences=_differences(outcome),
        comparisons=len(found),
        by_chance=f"{0.05 * len(found):.1f}",
        rarest=_rarest(outcome.target.test),
        seen=f"{'grey' if channels == 1 else 'colour'}, {width}×{height} pixels",
        source=_shown("Source", outcome.source, " (its labels were not used)"),
        target=_shown("Target", outcome.target),
        settings=_settings(outcome),
        command=_command(outcome),
        SCRATCH=SCRATCH,
        FROZEN=FROZEN,
        TUNED=TUNED,
        OWN=OWN,
    )


def curves(outcome: Outcome) -> tuple[Figure, str]:
    """Return the figure of test error against labels, and the same means in words."""
    results = outcome.results
    figure = label_efficiency(results.series(), results.budgets)
    (axis,) = figure.axes
    low, high = axis.get_ylim()
    # Intervals of two or three seeds reach far; an error lies between 0 and 100 %.
    axis.set(ylabel="balanced test error, %", ylim=(max(low, -1.0), min(high, 101.0)))
    # Above the axes, where it hides no interval.
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)
    means = "; ".join(
        f"with {budget:,}: "
        + ", ".join(f"{m} {results.scores(m, budget).mean():.1f} %" for m in results.methods)
        for budget in results.budgets
    )
    return figure, f"Mean balanced test error against labelled images of each class, {means}."


def _picture(figure: Figure, alt: str) -> Picture:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=160)
    return Picture(base64.b64encode(content.getvalue()).decode(), alt)


def _means(outcome: Outcome) -> Grid:
    results = outcome.results
    header = (
        f"{budget:,} label{'' if budget == 1 else 's'} of each class" for budget in results.budgets
    )
    return Grid(
        f"Balanced test error in %, mean of {outcome.settings.seeds} draws (95 % interval)",
        ("Start of the encoder", *header),
        tuple(
            (name, *(_mean_and_interval(results.scores(name, each)) for each in results.budgets))
            for name in results.methods
        ),
    )


def _mean_and_interval(scores: torch.Tensor) -> str:
    estimate = Estimate.of(scores)
    low, high = estimate.interval()
    return f"{estimate.mean:.1f} ({max(low, 0):.1f} to {min(high, 100):.1f})"


def _differences(outcome: Outcome) -> Grid:
    body = (
        (
            f"{row.method} against {row.baseline}",
            f"{row.budget:,}",
            points(row.mean),
            spelt(row.interval),
            FINDINGS[row.finding],
            "–" if row.finding == "undecided" else "yes" if row.corrected else "no",
        )
        for row in outcome.differences
    )
    return Grid(
        "Differences of balanced test error in percentage points; below zero, the first is better",
        (
            "Comparison",
            "Labels of each class",
            "Mean",
            "95 % interval",
            "Finding",
            "Holds after correction",
        ),
        tuple(body),
    )


def _rarest(test: ImageSet) -> dict[str, str]:
    """The class with the fewest test images, and what one of them weighs in points of error."""
    counts = test.counts()
    name = min(counts, key=lambda each: counts[each])
    weight = 100 / (len(counts) * counts[name])
    return {"name": name, "count": f"{counts[name]:,}", "weight": f"{weight:.2g}"}


def _shown(role: str, loaded: Data, remark: str = "") -> dict[str, object]:
    """A set of images as the report tells it: its name, its sizes, samples of its classes."""
    training, test = loaded.train.counts(), loaded.test.counts()
    names = loaded.classes[:CLASSES_SHOWN]
    if len(names) < len(loaded.classes):
        remark += f"; the first {len(names)} of {len(loaded.classes)} classes"
    classes = [
        {
            "name": name,
            "training": f"{training[name]:,}",
            "test": f"{test[name]:,}",
            "strip": _strip(loaded.train, label),
        }
        for label, name in enumerate(names)
    ]
    sizes = {"training": f"{len(loaded.train):,}", "test": f"{len(loaded.test):,}"}
    caption = f"{role}: {loaded.name}{remark}"
    return {"name": loaded.name, **sizes, "caption": caption, "classes": classes}


def _strip(images: ImageSet, label: int) -> Picture:
    """A few training images of a class side by side, drawn at random."""
    from PIL import Image

    members = (images.labels.cpu() == label).nonzero().squeeze(1)
    order = torch.randperm(len(members), generator=torch.Generator().manual_seed(0))
    chosen = members[order[:SAMPLES]].sort().values
    tiles = images.images.cpu()[chosen].expand(-1, 3, -1, -1)  # N×3×H×W
    tiles = torch.nn.functional.pad(tiles, (0, GAP), value=255)
    strip = torch.cat(list(tiles), dim=2)[:, :, :-GAP].permute(1, 2, 0)  # H×W×3
    content = io.BytesIO()
    Image.fromarray(strip.contiguous().numpy()).save(content, format="PNG")
    count = f"{len(chosen)} training image{'' if len(chosen) == 1 else 's'}"
    alt = f"{count} of class {images.classes[label]}"
    return Picture(base64.b64encode(content.getvalue()).decode(), alt)


def _settings(outcome: Outcome) -> Sequence[tuple[str, str]]:
    """The options of the command, then what it leaves as it is, then versions."""
    recipe, asked = outcome.recipe, replace(outcome.settings, labels=tuple(outcome.budgets))
    chosen = {each.row: each.shown(getattr(asked, name)) for name, each in options().items()}
    sets = {"Source": _origin(outcome.source), "Target": _origin(outcome.target)}
    rate = f"{recipe.learning_rate:g} (Adam), {recipe.head_speed:g} times that for the head"
    fixed = {
        "Seed of both pre-trainings": str(PRETRAINING_SEED),
        "Encoder": f"convolutions with {listed(recipe.channels)} channels, "
        f"then a code of {recipe.code_size} numbers",
        "Head": "one linear layer",
        "Images per step": str(recipe.batch_size),
        "Learning rate": f"{rate} of a classifier; falling to 0 along half a cosine",
    }
    versions = {name.capitalize(): value for name, value in outcome.environment.items()}
    return list((chosen | sets | fixed | versions).items())


def _origin(loaded: Data) -> str:
    sums = (f"{part.fingerprint():08x}" for part in (loaded.train, loaded.test))
    return (
        f"{loaded.name}: {len(loaded.train):,} training and {len(loaded.test):,} test images "
        f"(checksums {', '.join(sums)}). Licence: {loaded.licence}. {loaded.notes}"
    ).strip()


def _command(outcome: Outcome) -> str:
    asked = replace(outcome.settings, labels=tuple(outcome.budgets))
    return command(replace(asked, source=outcome.source.name, target=outcome.target.name))
