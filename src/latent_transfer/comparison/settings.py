"""What ``latent-transfer compare`` can be asked, each setting written once.

The fields of :class:`FourWays` are the options of the command, the rows of the report's table of
settings and the words of the command that the report shows. A new option is one field here, and
one use of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from latent_transfer.comparison.wording import file_stem, listed
from latent_transfer.transfer import Recipe

DEFAULT_LABELS = (5, 20, 100)

#: Side of the smallest image that the four convolutions of the recipe can halve.
SMALLEST = 9


@dataclass(frozen=True)
class Option:
    """How a setting is spelt wherever a user meets it.

    Attributes:
        help: What ``--help`` says.
        row: Name of its row in the report.
        shown: Its value in that row.
        metavar: Stands for the value in ``--help``; left out: the type.
        read: Makes the value of a text on the command line; left out: the type does.
        written: Turns the value into such a text.
        least: The smallest value, if it is a number.
        because: Why no smaller one, at the end of the error message.
    """

    help: str
    row: str
    shown: Callable[[Any], str] = str
    metavar: str | None = None
    read: Callable[[str], Any] | None = None
    written: Callable[[Any], str] = str
    least: int | None = None
    because: str = ""


def _option(default: Any = MISSING, **spelling: Any) -> Any:
    return field(default=default, metadata={"option": Option(**spelling)})


def _budgets(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--labels takes numbers with commas between them, such as 5,20,100, not {text!r}."
        ) from None


def _steps(count: int) -> str:
    return f"{count:,} steps, rounded up to whole passes over the images"


@dataclass(frozen=True)
class FourWays:
    """What is compared, and how; the same settings and data give the same scores.

    Attributes:
        source: A name that :func:`latent_transfer.data.load` knows, or ``folder:PATH``.
        target: The same.
        labels: Budgets, labelled images of each class; none: those of 5, 20 and 100 that fit the
            smallest class.
        seeds: Draws of labelled images, at least 2.
        size: Side in pixels to which all images are brought.
        pretraining_steps: Gradient steps of each autoencoder, rounded up to whole passes.
        steps: Gradient steps of each classifier, rounded up to whole passes.
        augment: Whether the classifiers see flipped and moved images.
        skip_damaged: Whether the files of a folder that cannot be used are left out, and named in
            the report; else they are refused.

    Raises:
        ValueError: If a setting makes no sense; the message names it as on the command line.

    Example:
        >>> from latent_transfer.comparison import FourWays
        >>> settings = FourWays("digits", "photos", labels=(5, 20), augment=False)
        >>> settings.slug, settings.recipe(channels=3).shape
        ('digits-photos', (3, 32, 32))
    """

    source: str = _option(
        help="What to pre-train on: a name from 'data list', or folder:PATH.", row="Source"
    )
    target: str = _option(help="Your images: folder:PATH, or a name.", row="Target")
    labels: tuple[int, ...] | None = _option(
        None,
        help="Labelled images of each class; else those of 5,20,100 that there are.",
        row="Labelled images of each class",
        shown=listed,
        metavar="N,N,...",
        read=_budgets,
        written=lambda budgets: ",".join(map(str, budgets)),
    )
    seeds: int = _option(
        5,
        help="Draws of labelled images, at least 2.",
        row="Seeds of the draws",
        shown=lambda count: f"0 to {count - 1}",
        least=2,
        because=": one gives no interval",
    )
    size: int = _option(
        32,
        help="Side of the images in pixels.",
        row="Image size",
        shown=lambda side: f"{side}×{side} pixels",
        least=SMALLEST,
        because=": the net halves an image four times",
    )
    pretraining_steps: int = _option(
        1_000,
        help="Training steps of each autoencoder.",
        row="Pre-training",
        shown=_steps,
        least=1,
    )
    steps: int = _option(
        300,
        help="Training steps of each classifier.",
        row="Training of a classifier",
        shown=_steps,
        least=1,
    )
    augment: bool = _option(
        True,
        help="Flip and move images in training; a flip may spoil letters.",
        row="Augmentation",
        shown=lambda wanted: "random flips and moves by up to 4 pixels" if wanted else "none",
    )
    skip_damaged: bool = _option(
        False,
        help="Leave out the files of a folder that cannot be used, and name them in the report.",
        row="Damaged files",
        shown=lambda wanted: "left out" if wanted else "refused",
    )

    def __post_init__(self) -> None:
        if self.labels is not None and not (self.labels and min(self.labels) >= 1):
            raise ValueError("--labels needs one or more numbers, each at least 1.")
        for name, option in options().items():
            value = getattr(self, name)
            if option.least is not None and value < option.least:
                raise ValueError(
                    f"{flag(name)} must be at least {option.least}, not {value}{option.because}."
                )

    @property
    def slug(self) -> str:
        """Both names as part of a file name."""
        return f"{file_stem(self.source)}-{file_stem(self.target)}"

    def recipe(self, channels: int) -> Recipe:
        """Return net and training for images with that many channels."""
        of_recipe = {each.name for each in fields(Recipe)}
        shared = {name: getattr(self, name) for name in options() if name in of_recipe}
        return Recipe(shape=(channels, self.size, self.size), **shared)


def options() -> dict[str, Option]:
    """Return the options of the command by the names of their fields.

    Example:
        >>> from latent_transfer.comparison.settings import options
        >>> options()["seeds"].row
        'Seeds of the draws'
    """
    return {each.name: each.metadata["option"] for each in fields(FourWays)}


def flag(name: str) -> str:
    """Return the option of a field as it is typed.

    Example:
        >>> from latent_transfer.comparison.settings import flag
        >>> flag("pretraining_steps")
        '--pretraining-steps'
    """
    return f"--{name.replace('_', '-')}"


def command(settings: FourWays) -> str:
    """Return the command that compares with these settings, quoted for a shell.

    Example:
        >>> from latent_transfer.comparison import FourWays
        >>> from latent_transfer.comparison.settings import command
        >>> print(command(FourWays("digits", "folder:my pets", seeds=8)))
        latent-transfer compare --source digits --target 'folder:my pets' --seeds 8
        --size 32 --pretraining-steps 1000 --steps 300
    """
    return shlex.join(["latent-transfer", "compare", *_words(settings)])


def _words(settings: FourWays) -> Iterator[str]:
    for each in fields(settings):
        value = getattr(settings, each.name)
        if isinstance(value, bool):
            if value != each.default:
                yield flag(each.name if value else f"no_{each.name}")
        elif value is not None:
            yield flag(each.name)
            yield each.metadata["option"].written(value)
