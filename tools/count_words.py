"""Count the words of the book's own chapters: the small corpus of the chapter beyond images.

The counts are package data, because the chapter runs where the book's folder is not, in Colab say.
They are those of one day, written in the file, and need not follow every edit of the prose; a test
says when the book has become another one. To count again: ``python tools/count_words.py``.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import nbformat

from workspace import ROOT, notebooks

FILE = ROOT / "src" / "latent_transfer" / "data" / "sets" / "book_words.json"

#: The parts that are counted, in the order of the book; later parts come after the corpus.
PARTS = ("foundations", "transfer", "semi_supervised", "distillation")

#: Letters of the shortest word, counted words of the shortest paragraph, and the number of
#: paragraphs in which a word occurs at least.
LETTERS, WORDS, PARAGRAPHS = 3, 15, 5

_NO_PROSE = re.compile(
    r"\$\$.*?\$\$|\$[^$]*\$"  # mathematics
    r"|`[^`]*`|\{cite\}"  # code and citations
    r"|\]\([^)]*\)|https?\S+|<[^>]*>",  # where links lead, and tags
    re.DOTALL,
)


def paragraphs(markdown: str) -> list[list[str]]:
    """Split a Markdown cell into paragraphs and those into words, in lower case, long ones only."""
    plain = _NO_PROSE.sub(" ", markdown)
    found = [
        [word for word in re.findall(r"[a-z]+", text.lower()) if len(word) >= LETTERS]
        for text in re.split(r"\n\s*\n", plain)
    ]
    return [words for words in found if len(words) >= WORDS]


def count(root: Path = ROOT) -> dict[str, object]:
    """Count the words of every paragraph.

    Args:
        root: Top of the working tree.

    Returns:
        What the file holds: the date, the licence, the words, and for each part a list of
        paragraphs, each the numbers of its words in the order of the vocabulary.
    """
    texts: dict[str, list[list[str]]] = {part: [] for part in PARTS}
    for path in notebooks(root):
        if path.parent.name in texts:
            cells = nbformat.read(path, as_version=4).cells
            for cell in (cell for cell in cells if cell.cell_type == "markdown"):
                texts[path.parent.name] += paragraphs(cell.source)
    every = [words for part in PARTS for words in texts[part]]
    occurs = Counter(word for words in every for word in set(words))
    vocabulary = sorted(word for word, number in occurs.items() if number >= PARAGRAPHS)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    return {
        "counted": date.today().isoformat(),
        "licence": "CC BY 4.0",
        "words": vocabulary,
        "paragraphs": {
            part: [sorted(numbers[word] for word in words if word in numbers) for words in found]
            for part, found in texts.items()
        },
    }


def main() -> int:
    """Write the file and say what is in it."""
    counted = count()
    FILE.write_text(json.dumps(counted, separators=(",", ":")) + "\n", encoding="utf-8")
    size = FILE.stat().st_size / 1000
    print(f"{FILE.relative_to(ROOT)}: {len(counted['words'])} words, {size:.0f} kB")  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main())
