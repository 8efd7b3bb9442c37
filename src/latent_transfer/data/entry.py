"""What the package knows about each named data set, and what loading one gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple

from typing_extensions import TypeVar

from latent_transfer.data.download import Remote
from latent_transfer.data.examples import Examples
from latent_transfer.data.images import ImageSet

#: What a data set holds: images unless it is said to be a table.
Held = TypeVar("Held", bound=Examples, default=ImageSet, covariant=True)


#: Names of the classes of digits.
TEN_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Data(Generic[Held]):
    """A data set, ready to use.

    Attributes:
        name: The name it was loaded by.
        train: Training images.
        test: Test images.
        classes: Names of the classes, the same for both.
        licence: What the source says about use.
        citation: Key of the reference in the book's bibliography, or the origin in words.
        notes: Deviations from the published set, and what was converted or left out of a folder;
            empty if there is nothing to say.

    Example:
        >>> import latent_transfer as lt
        >>> lt.data.load("digits")
        Data('digits', train=ImageSet(1,437 images 1×28×28, 10 classes),
            test=ImageSet(360 images 1×28×28, 10 classes))
    """

    name: str
    train: Held
    test: Held
    classes: tuple[str, ...]
    licence: str
    citation: str
    notes: str = ""

    def __repr__(self) -> str:
        return f"Data({self.name!r}, train={self.train!r}, test={self.test!r})"


class Parts(NamedTuple):
    """What the reader of a set returns; a plain pair of training and test part will do.

    Attributes:
        train: Training part.
        test: Test part.
        notes: Deviations from the published set.
    """

    train: Examples
    test: Examples
    notes: str = ""


@dataclass(frozen=True)
class Entry:
    """A data set that has a name: what is known of it, and how it is read.

    Attributes:
        name: What :func:`latent_transfer.data.load` takes.
        title: What the set shows.
        train: Number of training images.
        test: Number of test images.
        shape: Channels, height and width.
        classes: Names of the classes.
        licence: What the source says about use.
        citation: Key of the reference in the book's bibliography, or the origin in words.
        read: Given the data root and options by name, returns training and test part.
        files: What has to be downloaded; nothing for an embedded set.
        options: Names of the options that ``read`` takes.
        copy: Given the data root, finds another form of the set that ``read`` takes as well.

    Example:
        >>> import torch
        >>> import latent_transfer as lt
        >>> def read(root):
        ...     labels = torch.arange(4) % 2
        ...     images = lt.data.ImageSet.from_pixels(torch.rand(4, 1, 8, 8), labels, ["a", "b"])
        ...     return images, images
        >>> entry = lt.data.Entry(
        ...     "noise", "noise", 4, 4, (1, 8, 8), ("a", "b"), "CC0", "none", read
        ... )
        >>> entry.embedded
        True
    """

    name: str
    title: str
    train: int
    test: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    licence: str
    citation: str
    read: Callable[..., tuple[Examples, Examples] | Parts]
    files: tuple[Remote, ...] = ()
    options: tuple[str, ...] = ()
    copy: Callable[[Path], Path | None] | None = None

    @property
    def embedded(self) -> bool:
        """Whether it needs no download."""
        return not self.files

    def present(self, root: Path) -> bool:
        """Say whether the files exist under a data root; it does not look into them."""
        if self.copy is not None and self.copy(root) is not None:
            return True
        return all(remote.places(root) for remote in self.files)

    def check_options(self, options: Iterable[str]) -> None:
        """Check that the set has these options.

        Raises:
            ValueError: If it does not; the message names the first such option.
        """
        for option in options:
            if option not in self.options:
                raise ValueError(f"{self.name} takes no option {option!r}.")
