"""What the package knows about each named data set: size, classes, licence, source."""

from __future__ import annotations

from dataclasses import dataclass

from latent_transfer.data.image_set import ImageSet

_DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class Data:
    """A data set, ready to use.

    Attributes:
        name: the name it was loaded by.
        train: training images.
        test: test images.
        classes: names of the classes, the same for both.
        licence: what the source says about use.
        citation: key of the reference in the book's bibliography, or the origin in words.
        notes: deviations from the published set; empty if there are none.
    """

    name: str
    train: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    licence: str
    citation: str
    notes: str = ""

    def __repr__(self) -> str:
        return f"Data({self.name!r}, train={self.train!r}, test={self.test!r})"


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue.

    Attributes:
        name: what :func:`latent_transfer.data.load` takes.
        title: what the set shows.
        train: number of training images.
        test: number of test images.
        shape: channels, height and width.
        classes: names of the classes.
        licence: what the source says about use.
        citation: key of the reference in the book's bibliography, or the origin in words.
        embedded: whether it needs no download.
    """

    name: str
    title: str
    train: int
    test: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    licence: str
    citation: str
    embedded: bool = False


_ENTRIES = (
    Entry(
        "digits",
        "handwritten digits of scikit-learn",
        1437,
        360,
        (1, 28, 28),
        _DIGITS,
        "BSD 3-Clause (part of scikit-learn)",
        "alpaydin1998digits",
        embedded=True,
    ),
    Entry(
        "glyphs",
        "printed digits in the fonts of matplotlib",
        6000,
        1000,
        (1, 28, 28),
        _DIGITS,
        "none needed (drawn from free fonts)",
        "fonts shipped with matplotlib",
        embedded=True,
    ),
    Entry(
        "photos",
        "patches of two photographs of scikit-learn",
        5500,
        1000,
        (3, 32, 32),
        ("china", "flower"),
        "CC BY 2.0 (danielbuechele, vultilion)",
        "pedregosa2011scikit",
        embedded=True,
    ),
    Entry(
        "mnist",
        "handwritten digits",
        60000,
        10000,
        (1, 28, 28),
        _DIGITS,
        "CC BY-SA 3.0",
        "lecun1998gradient",
    ),
    Entry(
        "fashion_mnist",
        "pieces of clothing",
        60000,
        10000,
        (1, 28, 28),
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        "MIT",
        "xiao2017fashion",
    ),
    Entry(
        "kmnist",
        "cursive Japanese characters",
        60000,
        10000,
        (1, 28, 28),
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        "CC BY-SA 4.0",
        "clanuwat2018kmnist",
    ),
    Entry(
        "usps",
        "handwritten digits from envelopes",
        7291,
        2007,
        (1, 16, 16),
        _DIGITS,
        "none stated",
        "hull1994usps",
    ),
    Entry(
        "svhn",
        "house numbers, one digit each",
        73257,
        26032,
        (3, 32, 32),
        _DIGITS,
        "non-commercial use only",
        "netzer2011svhn",
    ),
    Entry(
        "cifar10",
        "photographs of ten kinds of objects",
        50000,
        10000,
        (3, 32, 32),
        (
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        "none stated (citation asked for)",
        "krizhevsky2009cifar",
    ),
)

#: The named sets, embedded ones first.
CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}

#: The named tables, which :func:`latent_transfer.data.load_table` loads.
TABLES: dict[str, Entry] = {
    "breast_cancer": Entry(
        "breast_cancer",
        "measures of cell nuclei in breast tumours",
        380,
        189,
        (30, 1, 1),
        ("malignant", "benign"),
        "CC BY 4.0 (UCI Machine Learning Repository)",
        "wolberg1995breast",
        embedded=True,
    ),
    "book_words": Entry(
        "book_words",
        "counted words of the paragraphs of this book",
        544,
        270,
        (839, 1, 1),
        ("foundations", "transfer", "semi_supervised", "distillation"),
        "CC BY 4.0",
        "the text of this book",
        embedded=True,
    ),
}
