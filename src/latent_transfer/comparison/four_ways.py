"""Does an autoencoder pre-trained elsewhere help on images of your own? Four ways, compared.

A classifier is trained on few labelled target images: from scratch; on the encoder of an
autoencoder that was pre-trained on the source, frozen; on the same encoder, fine-tuned; and on the
encoder of an autoencoder that was pre-trained on the target's own training images without their
labels, fine-tuned. Net, steps and draws are the same for all, and nothing is chosen by test error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch

from latent_transfer import data
from latent_transfer._files import expanded, naming_the_place, probe, write_atomically
from latent_transfer.comparison.settings import DEFAULT_LABELS, FourWays
from latent_transfer.comparison.verdict import (
    FROZEN,
    OWN,
    SCRATCH,
    TUNED,
    Difference,
    differences,
    verdict,
)
from latent_transfer.comparison.wording import FOLDER, printable, shown_name
from latent_transfer.data import Data, ImageSet
from latent_transfer.errors import CheckpointError, DataError
from latent_transfer.models import Autoencoder
from latent_transfer.session import find_device, package_version
from latent_transfer.transfer import Recipe, Results, Task, compare
from latent_transfer.transfer.comparison import Method

#: Each autoencoder is trained once, from this seed.
PRETRAINING_SEED = 0


@dataclass(frozen=True)
class Outcome:
    """What was compared and what came out.

    Attributes:
        settings: As asked for.
        recipe: Net and training.
        source: The source as the nets saw it; its name and those of its classes can be printed.
        target: The target likewise.
        budgets: Labelled images of each class, ascending.
        dropped: Default budgets that the smallest class does not allow.
        results: The scores: balanced test error in per cent.
        environment: Device and versions.

    Example:
        >>> from latent_transfer.comparison import FourWays, Outcome
        >>> from latent_transfer.transfer import Results, Score
        >>> pixels, labels = torch.zeros(20, 1, 9, 9, dtype=torch.uint8), torch.arange(20) % 2
        >>> images = ImageSet(pixels, labels, ("cat", "dog"))
        >>> pets = Data("pets", images, images, images.classes, "own photographs", "")
        >>> ways = (SCRATCH, FROZEN, TUNED, OWN)
        >>> results = Results(tuple(Score(way, 5, seed, 30.0) for way in ways for seed in (0, 1)))
        >>> settings = FourWays("pets", "pets", size=9, seeds=2)
        >>> outcome = Outcome(settings, settings.recipe(1), pets, pets, [5], [20], results, {})
        >>> outcome.same_images, outcome.differences[0].finding
        (True, 'undecided')
    """

    settings: FourWays
    recipe: Recipe
    source: Data
    target: Data
    budgets: list[int]
    dropped: list[int]
    results: Results
    environment: dict[str, str]

    @property
    def differences(self) -> list[Difference]:
        """All comparisons of methods at all budgets."""
        return differences(self.results)

    @property
    def verdict(self) -> str:
        """What they say about fine-tuning the source, in one sentence."""
        names = self.source.name, self.target.name
        return verdict(self.differences, *names, self.settings.seeds)

    @property
    def same_images(self) -> bool:
        """Whether source and target have the same training images."""
        one, other = self.source.train, self.target.train
        return one.unlabelled().fingerprint() == other.unlabelled().fingerprint()


def compare_four_ways(
    settings: FourWays, out: str | Path, *, root: Path | None = None, progress: bool = True
) -> Outcome:
    """Run the comparison, or resume it where it was stopped.

    Everything that is needed to resume lies in ``out/checkpoints``: both autoencoders, saved after
    every pass over the images, and each score. On a CPU, a run that was killed and started again
    ends with the same numbers as one that was not.

    Args:
        settings: What to compare.
        out: Folder of this comparison, made if missing.
        root: Data root, as for :func:`latent_transfer.data.load`.
        progress: Whether to show what is being done.

    Raises:
        CheckpointError: If ``out`` holds a comparison of other data or settings.
        DataError: If images or ``out`` cannot be read or written.
        ValueError: If names, classes and budgets do not fit together.

    Example:
        It takes minutes, so that it does not run with the other examples.

        >>> from latent_transfer.comparison import FourWays, compare_four_ways, write_report
        >>> settings = FourWays("digits", "folder:pets")
        >>> outcome = compare_four_ways(settings, "pets-report")  # doctest: +SKIP
        >>> report, numbers = write_report(outcome, "pets-report")  # doctest: +SKIP
    """
    out = expanded(out)
    probe(out)
    target = _load("--target", settings.target, settings, root)
    budgets, dropped = choose_budgets(settings.labels, target.train, target.name)
    source = _load("--source", settings.source, settings, root)
    recipe = settings.recipe(target.train.shape[0])
    source, target = (_conform(loaded, recipe) for loaded in (source, target))
    environment = _environment()
    decisive = _decisive(recipe, source, target) | environment
    with naming_the_place(out):
        kept = _claim(out, decisive)
        results = compare(
            _methods(recipe, source, target, kept, progress),
            target.train,
            target.test,
            budgets=budgets,
            seeds=range(settings.seeds),
            record=kept / "scores.json",
            settings=decisive,
            progress=progress,
        )
    return Outcome(settings, recipe, source, target, budgets, dropped, results, environment)


def choose_budgets(
    labels: tuple[int, ...] | None, train: ImageSet, name: str
) -> tuple[list[int], list[int]]:
    """Return the budgets that the smallest class allows, and the default ones it does not.

    Args:
        labels: Budgets asked for; none: the default ones.
        train: Target training images.
        name: Of the target, for messages.

    Raises:
        ValueError: If there is one class only, if a class has fewer training images than a budget
            asked for, or fewer than each default one.

    Example:
        >>> from latent_transfer.comparison.four_ways import choose_budgets
        >>> images = torch.zeros(60, 1, 8, 8, dtype=torch.uint8)
        >>> pets = ImageSet(images, torch.arange(60) % 2, ("cat", "dog"))
        >>> choose_budgets(None, pets, "pets")
        ([5, 20], [100])
    """
    counts = train.counts()
    if len(counts) < 2:
        raise ValueError(
            f"--target: {name} has only the class {next(iter(counts))!r}; two are needed."
        )
    smallest = min(counts, key=lambda each: counts[each])
    has = f"class {smallest!r} of {name} has {counts[smallest]:,} training images"
    if labels is not None and max(labels) > counts[smallest]:
        raise ValueError(f"--labels {max(labels)} is too many: {has}, test images not counted.")
    wanted = sorted(set(labels or DEFAULT_LABELS))
    fitting = [budget for budget in wanted if budget <= counts[smallest]]
    if not fitting:
        raise ValueError(
            f"{has[0].upper()}{has[1:]}, test images not counted, too few for the default budgets "
            f"{', '.join(map(str, wanted))}; name smaller ones with --labels."
        )
    return fitting, [budget for budget in wanted if budget not in fitting]


def _load(option: str, name: str, settings: FourWays, root: Path | None) -> Data:
    try:
        if name.startswith(FOLDER):
            skip = settings.skip_damaged
            loaded = data.load(name, root, size=settings.size, skip_damaged=skip)
        else:
            loaded = data.load(name, root)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
    except (DataError, OSError) as error:  # a folder that may not be listed, say
        said = str(error).replace("load with skip_damaged=True", "give --skip-damaged")
        raise DataError(f"{option}: {said}") from None
    return _renamed(loaded, shown_name(name), tuple(map(printable, loaded.classes)))


def _renamed(loaded: Data, name: str, classes: tuple[str, ...]) -> Data:
    train, test = (replace(images, classes=classes) for images in (loaded.train, loaded.test))
    return replace(loaded, name=name, train=train, test=test, classes=classes)


def _conform(loaded: Data, recipe: Recipe) -> Data:
    device = find_device()
    train, test = (
        images.conform(recipe.shape).to(device) for images in (loaded.train, loaded.test)
    )
    return replace(loaded, train=train, test=test)


def _environment() -> dict[str, str]:
    device = find_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else str(device)
    libraries = {library: version(library) for library in ("torch", "torchvision", "numpy")}
    return {"device": name, "latent-transfer": package_version(), **libraries}


def _decisive(recipe: Recipe, source: Data, target: Data) -> dict[str, object]:
    """What must be the same for a stopped comparison to be resumed."""
    return {
        "source": source.name,
        "source images": source.train.fingerprint(),
        "target": target.name,
        "target images": [target.train.fingerprint(), target.test.fingerprint()],
        **recipe.described(),
    }


def _claim(out: Path, decisive: Mapping[str, object]) -> Path:
    """The folder to resume from, after a check that what lies there belongs to this comparison."""
    folder = out / "checkpoints"
    place = folder / "settings.json"
    present = json.loads(json.dumps(decisive))
    try:
        saved = dict(json.loads(place.read_text(encoding="utf-8"))) if place.exists() else present
    except (ValueError, TypeError):
        raise CheckpointError(f"{place} is damaged; delete {folder} to start again.") from None
    for name in present:
        if saved.get(name) != present[name]:
            raise CheckpointError(
                f"--out {out} holds a comparison with other settings: {name} is "
                f"{saved.get(name)} there and {present[name]} here; name another folder, "
                f"or delete {folder} to start again."
            )
    write_atomically(place, json.dumps(decisive, indent=1, ensure_ascii=False).encode())
    return folder


def _methods(
    recipe: Recipe, source: Data, target: Data, kept: Path, progress: bool
) -> dict[str, Method]:
    """The four ways by name; pre-trains the two autoencoders that they need."""

    def tell(what: str) -> None:
        if progress:
            print(what, file=sys.stderr)

    def pretrain(whose: str, loaded: Data) -> Autoencoder:
        images = loaded.train.unlabelled()
        tell(f"Pre-training on {len(images):,} images of {loaded.name} ({whose}), without labels")
        place = kept / f"{whose}.safetensors"
        return recipe.pretrain(images, seed=PRETRAINING_SEED, checkpoint=place, progress=progress)

    def way(start: Autoencoder | None, frozen: bool = False) -> Method:
        def score(task: Task) -> float:
            return recipe.error(task, start, frozen=frozen)

        return score

    there, own = pretrain("source", source), pretrain("target", target)
    tell("Training the classifiers")
    return {SCRATCH: way(None), FROZEN: way(there, True), TUNED: way(there), OWN: way(own)}
