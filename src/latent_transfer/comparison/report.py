"""One HTML file that shows a comparison: no script, nothing fetched, every figure inside."""

from __future__ import annotations

import base64
import io
import shlex
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import torch

from latent_transfer._files import write_atomically
from latent_transfer.comparison.four_ways import PRETRAINING_SEED, Outcome
from latent_transfer.comparison.results import as_json
from latent_transfer.comparison.style import STYLE
from latent_transfer.comparison.verdict import (
    FROZEN,
    OWN,
    SCRATCH,
    TUNED,
    points,
    spelt,
)
from latent_transfer.data import Data, ImageSet
from latent_transfer.errors import DataError
from latent_transfer.evaluation import Estimate
from latent_transfer.figures import label_efficiency
from latent_transfer.markup import Child, element, table

#: Classes that the samples show at most, and images of each.
CLASSES_SHOWN, SAMPLES = 20, 8

#: White pixels between sample images.
GAP = 2

FINDINGS = {"helped": "helped", "hurt": "hurt", "undecided": "no difference shown"}

PAIRING = (
    "All methods were given the same labelled images in each draw, so they are compared draw by "
    "draw: what a lucky draw does to both cancels. These intervals decide; whether the bars in "
    "the figure overlap does not."
)
DIFFERENCES_CAPTION = (
    "Differences of balanced test error in percentage points; below zero, the first is better"
)
DIFFERENCES_HEADER = (
    "Comparison",
    "Labels of each class",
    "Mean",
    "95 % interval",
    "Finding",
    "Holds after correction",
)


def write_report(outcome: Outcome, out: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``results.json`` into a folder; returns both places.

    Raises:
        DataError: If one cannot be written.
    """
    report, results = out / "report.html", out / "results.json"
    for place, content in ((report, html_report(outcome)), (results, as_json(outcome))):
        try:
            write_atomically(place, content.encode())
        except OSError as error:
            raise DataError(
                f"--out: {place} cannot be written ({error.strerror or error})."
            ) from None
    return report, results


def html_report(outcome: Outcome) -> str:
    """The report as one HTML page."""
    title = f"Transfer from {outcome.source.name} to {outcome.target.name}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", STYLE),
    )
    main = element(
        "main",
        element("h1", title),
        *_verdict_section(outcome),
        *_curves_section(outcome),
        *_differences_section(outcome),
        *_trust_section(outcome),
        *_images_section(outcome),
        *_settings_section(outcome),
    )
    page = element("html", head, element("body", main), lang="en")
    return "<!DOCTYPE html>\n" + ElementTree.tostring(page, encoding="unicode", method="html")


# -- sections ---------------------------------------------------------------------------------


def _verdict_section(outcome: Outcome) -> list[Element]:
    section = [
        element("h2", "Verdict"),
        element("p", outcome.verdict, class_="verdict"),
    ]
    if outcome.same_images:
        text = (
            "Note: source and target are the same training images, so both autoencoders are the "
            "same, and nothing was carried over from elsewhere."
        )
        section.append(element("p", text, class_="note"))
    if outcome.dropped:
        text = (
            f"Note: {_listed(outcome.dropped)} labelled images of each class were not tried: the "
            f"smallest class has {min(outcome.target.train.counts().values()):,} training images."
        )
        section.append(element("p", text, class_="note"))
    return section


def _curves_section(outcome: Outcome) -> list[Element]:
    results, seeds = outcome.results, outcome.settings.seeds
    rows = [
        [method, *(_mean_and_interval(outcome, method, budget) for budget in results.budgets)]
        for method in results.methods
    ]
    return [
        element("h2", "Test error against labels"),
        element(
            "figure",
            _curves(outcome),
            element("figcaption", f"Means over {seeds} draws of labels, with 95 % intervals."),
        ),
        table(
            f"Balanced test error in %, mean of {seeds} draws (95 % interval)",
            ["Start of the encoder", *(_labels(budget) for budget in results.budgets)],
            rows,
        ),
        element("ul", *(element("li", element("b", n), f": {t}") for n, t in _ways(outcome))),
    ]


def _differences_section(outcome: Outcome) -> list[Element]:
    found = outcome.differences
    rows = [
        [
            f"{row.method} against {row.baseline}",
            f"{row.budget:,}",
            points(row.mean),
            spelt(row.interval),
            FINDINGS[row.finding],
            "–" if row.finding == "undecided" else "yes" if row.corrected else "no",
        ]
        for row in found
    ]
    correction = (
        f"These are {len(found)} comparisons, all of them fixed before the first score. If nothing "
        "differed at all, about one 95 % interval in twenty would still exclude zero, here "
        f"{0.05 * len(found):.1f} of {len(found)}. The last column says which findings stay when "
        "the intervals are widened so that all hold together with 95 % (Bonferroni)."
    )
    return [
        element("h2", "Differences"),
        element("p", PAIRING),
        table(DIFFERENCES_CAPTION, DIFFERENCES_HEADER, rows),
        element("p", correction),
    ]


def _trust_section(outcome: Outcome) -> list[Element]:
    counts = outcome.target.test.counts()
    least = min(counts, key=lambda name: counts[name])
    weight = 100 / (len(counts) * counts[least])
    sentences = [
        "The score is the balanced error: the share of wrong answers in each class, averaged over "
        "the classes, so that a frequent class counts no more than a rare one.",
        f"The intervals cover the draw of labelled images and the randomness of training, over "
        f"{outcome.settings.seeds} seeds. They do not cover the choice of test images: there are "
        f"{len(outcome.target.test):,}, and one of the {counts[least]:,} in class “{least}” weighs "
        f"{weight:.2g} points. Nor do they cover pre-training: each autoencoder was trained once.",
        "Student’s interval assumes that differences spread about evenly on both sides; with few "
        "seeds this cannot be checked.",
        "All four ways use one net, one schedule and the same learning rates, none tuned, and "
        "nothing was chosen by test error. Another net or a longer training may decide otherwise.",
    ]
    return [
        element("h2", "How far to trust this"),
        element("ul", *(element("li", sentence) for sentence in sentences)),
    ]


def _images_section(outcome: Outcome) -> list[Element]:
    channels, height, width = outcome.recipe.shape
    kind = "grey" if channels == 1 else "colour"
    return [
        element("h2", "Images"),
        element("p", f"As the nets saw them: {kind}, {width}×{height} pixels."),
        _samples(f"Target: {outcome.target.name}", outcome.target),
        _samples(f"Source: {outcome.source.name} (its labels were not used)", outcome.source),
    ]


def _settings_section(outcome: Outcome) -> list[Element]:
    rows = [[name, value] for name, value in _settings(outcome).items()]
    return [
        element("h2", "Settings"),
        table("Everything that the numbers depend on", ["Setting", "Value"], rows),
        element("p", "To run it again, with the paths of your own folders:"),
        element("pre", element("code", _command(outcome)), tabindex="0"),
    ]


# -- contents ---------------------------------------------------------------------------------


def _curves(outcome: Outcome) -> Element:
    results = outcome.results
    figure = label_efficiency(results.series(), results.budgets)
    (axis,) = figure.axes
    low, high = axis.get_ylim()
    # Intervals of two or three seeds reach far; an error lies between 0 and 100 %.
    axis.set(ylabel="balanced test error, %", ylim=(max(low, -1.0), min(high, 101.0)))
    # Above the axes, where it hides no interval.
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=160)
    means = "; ".join(
        f"with {budget:,}: "
        + ", ".join(f"{m} {results.scores(m, budget).mean():.1f} %" for m in results.methods)
        for budget in results.budgets
    )
    alt = f"Mean balanced test error against labelled images of each class, {means}."
    return _image(content.getvalue(), alt)


def _ways(outcome: Outcome) -> list[tuple[str, str]]:
    source, target = outcome.source, outcome.target
    return [
        (SCRATCH, "encoder and head start at random; all is trained on the labelled images."),
        (
            FROZEN,
            f"the encoder of an autoencoder pre-trained on {len(source.train):,} unlabelled images "
            f"of {source.name} stays as it is; the head alone is trained.",
        ),
        (TUNED, "the same encoder as a start; all is trained."),
        (
            OWN,
            f"the encoder of an autoencoder pre-trained on the {len(target.train):,} training "
            f"images of {target.name} without their labels as a start; all is trained.",
        ),
    ]


def _settings(outcome: Outcome) -> dict[str, str]:
    recipe = outcome.recipe
    passes = "rounded up to whole passes over the images"
    return {
        "Source": _origin(outcome.source),
        "Target": _origin(outcome.target),
        "Labelled images of each class": _listed(outcome.budgets),
        "Seeds of the draws": f"0 to {outcome.settings.seeds - 1}",
        "Seed of both pre-trainings": str(PRETRAINING_SEED),
        "Encoder": f"convolutions with {_listed(recipe.channels)} channels, "
        f"then a code of {recipe.code_size} numbers",
        "Head": "one linear layer",
        "Pre-training": f"{recipe.pretraining_steps:,} steps, {passes}",
        "Training of a classifier": f"{recipe.steps:,} steps, {passes}",
        "Images a step": str(recipe.batch_size),
        "Learning rate": f"{recipe.learning_rate:g} (Adam), of a classifier's head "
        f"{recipe.head_speed:g} times that; falling to 0 along half a cosine",
        "Augmentation": "random flips and moves by up to 4 pixels" if recipe.augment else "none",
        **{name.capitalize(): value for name, value in outcome.environment.items()},
    }


def _origin(loaded: Data) -> str:
    sums = (f"{part.fingerprint():08x}" for part in (loaded.train, loaded.test))
    return (
        f"{loaded.name}: {len(loaded.train):,} training and {len(loaded.test):,} test images "
        f"(checksums {', '.join(sums)}). Licence: {loaded.licence}. {loaded.notes}"
    ).strip()


def _command(outcome: Outcome) -> str:
    settings = outcome.settings
    words = ["latent-transfer", "compare", "--source", outcome.source.name]
    words += ["--target", outcome.target.name, "--labels", ",".join(map(str, outcome.budgets))]
    words += ["--seeds", str(settings.seeds), "--size", str(settings.size)]
    words += ["--pretraining-steps", str(settings.pretraining_steps)]
    words += ["--steps", str(settings.steps), *([] if settings.augment else ["--no-augment"])]
    return shlex.join(words)


def _mean_and_interval(outcome: Outcome, method: str, budget: int) -> str:
    estimate = Estimate.of(outcome.results.scores(method, budget))
    low, high = estimate.interval()
    return f"{estimate.mean:.1f} ({max(low, 0):.1f} to {min(high, 100):.1f})"


def _labels(budget: int) -> str:
    return f"{budget:,} label{'' if budget == 1 else 's'} of each class"


def _listed(values: Iterable[int]) -> str:
    *rest, last = [f"{value:,}" for value in values]
    return f"{', '.join(rest)} and {last}" if rest else last


def _samples(caption: str, loaded: Data) -> Element:
    training, test = loaded.train.counts(), loaded.test.counts()
    shown = loaded.classes[:CLASSES_SHOWN]
    if len(shown) < len(loaded.classes):
        caption += f"; the first {len(shown)} of {len(loaded.classes)} classes"
    rows: list[list[Child]] = [
        [
            element("bdi", name),
            f"{training[name]:,}",
            f"{test[name]:,}",
            _image(*_strip(loaded.train, label), class_="strip"),
        ]
        for label, name in enumerate(shown)
    ]
    return table(caption, ["Class", "Training", "Test", "Samples"], rows)


def _strip(images: ImageSet, label: int) -> tuple[bytes, str]:
    """A few training images of a class side by side as PNG, drawn at random, and the alt text."""
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
    return content.getvalue(), f"{count} of class {images.classes[label]}"


def _image(content: bytes, alt: str, **attributes: str) -> Element:
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return element("img", src=source, alt=alt, **attributes)
