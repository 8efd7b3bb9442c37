"""Check the book's own conventions: what holds a claim, an equation or an exercise together.

A linter knows Python and Sphinx knows links; neither knows that a claim needs a cell that measures
it, or that an equation needs a function and a test. Each check here is a function that takes a
`Book` and returns one line for each problem.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode
from pybtex.database import parse_file

from tidy import TAG, is_checked, untidy
from workspace import ROOT, notebooks, pages

REPOSITORY = "latent-transfer/latent-transfer"
SETUP = f"""\
try:
    import latent_transfer as lt
except ModuleNotFoundError:
    %pip install --quiet "latent-transfer @ git+https://github.com/{REPOSITORY}"
    import latent_transfer as lt

session = lt.setup()"""
SECTIONS = ["Common mistakes", "Take-aways", "Exercises", "Check yourself", "Further reading"]
MOST_LINES = 20
EXERCISES = range(3, 7)
FOLKLORE, FAQ = "appendix/folklore", "appendix/faq"
TRAINING_LOOP = "foundations/vae"  # the one chapter that derives the training loop

_LABEL = re.compile(r"(?:\$\$\s*\(|^:label:\s*)(eq-[\w-]+)", re.MULTILINE)
_CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
_EXERCISE = re.compile(r"^### Exercise (\d+) · \S", re.MULTILINE)
_SOLUTION = re.compile(r'# @title Solution (\d+) \{display-mode: "form"\}')
_FIGURE = re.compile(r"\bfigures\.\w+\(")
_SECTION_LINK = re.compile(r"\]\(\.\./[\w/]+\.ipynb#[^)]+\)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_UNPICKLING = {
    "pickle": re.compile(r"^\s*(?:import|from)\s+(?:pickle|cPickle|dill|cloudpickle|shelve)\b"),
    "joblib.load": re.compile(r"\bjoblib\.load\("),
    "torch.load": re.compile(r"\btorch\.load\((?!.*weights_only=True)"),
    "numpy.load with pickles": re.compile(r"allow_pickle\s*=\s*True"),
}


@dataclass(frozen=True)
class Book:
    """The book's sources, read once.

    Attributes:
        root: Top of the working tree.
    """

    root: Path = ROOT

    @cached_property
    def notebooks(self) -> dict[str, NotebookNode]:
        """Notebooks by name, such as ``foundations/vae``."""
        return {self.name(p): nbformat.read(p, as_version=4) for p in notebooks(self.root)}

    @cached_property
    def prose(self) -> dict[str, str]:
        """The Markdown of every page, notebooks included, by name."""
        markdown = {
            name: "\n\n".join(cell.source for _, cell in _cells(notebook, "markdown"))
            for name, notebook in self.notebooks.items()
        }
        plain = [path for path in pages(self.root) if path.suffix == ".md"]
        return markdown | {self.name(path): path.read_text(encoding="utf-8") for path in plain}

    @property
    def chapters(self) -> dict[str, NotebookNode]:
        """The notebooks that teach: all but those of the appendix."""
        chosen = {n: nb for n, nb in self.notebooks.items() if not n.startswith("appendix/")}
        return chosen

    def name(self, path: Path) -> str:
        """Name a page as the table of contents does."""
        return path.relative_to(self.root / "book").with_suffix("").as_posix()


Check = Callable[[Book], list[str]]


def _cells(notebook: NotebookNode, kind: str) -> Iterator[tuple[int, NotebookNode]]:
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == kind:
            yield number, cell


def checked_cells_have_output(book: Book) -> list[str]:
    """Nbval passes a tagged cell that has no stored output; a stored output elsewhere is noise."""
    problems = []
    for name, notebook in book.notebooks.items():
        for number, cell in _cells(notebook, "code"):
            if is_checked(cell) and not cell.outputs:
                problems.append(f"{name}, cell {number}: is tagged {TAG} but has no output")
            if not is_checked(cell) and cell.outputs:
                problems.append(f"{name}, cell {number}: has an output but is not tagged {TAG}")
            if re.search(r"^\s*#+\s*NBVAL_", cell.source, re.MULTILINE):
                problems.append(f"{name}, cell {number}: speaks to nbval in a comment; use a tag")
    return problems


def setup_cells_agree(book: Book) -> list[str]:
    """Every notebook starts with the same setup cell, tagged ``setup``."""
    problems = []
    for name, notebook in book.notebooks.items():
        code = [cell for _, cell in _cells(notebook, "code")]
        if code and code[0].source != SETUP:
            problems.append(f"{name}: the first code cell is not the setup cell")
        elif code and "setup" not in code[0].metadata.get("tags", []):
            problems.append(f"{name}: the setup cell is not tagged 'setup'")
    return problems


def colab_links_lead_here(book: Book) -> list[str]:
    """The first cell has a title, a promise and a link that opens this very, tracked, file."""
    problems, tracked = [], _tracked_files(book.root)
    for name, notebook in book.notebooks.items():
        path = f"book/{name}.ipynb"
        link = f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/{path}"
        first = notebook.cells[0].source if notebook.cells else ""
        if not re.match(r"# \S.*\n\n\S", first):
            problems.append(f"{name}: the first cell does not start with a title and a promise")
        if re.findall(r"\(([^)]*colab[^)]*)\)", first) != [link]:
            problems.append(f"{name}: the first cell does not link to {link}")
        if tracked is not None and path not in tracked:
            problems.append(f"{name}: git does not track {path}, so that its Colab link is dead")
    return problems


def _tracked_files(root: Path) -> set[str] | None:
    """List what git tracks, or None where this is no working tree of its own."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "ls-files"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(done.stdout.splitlines()) if done.returncode == 0 else None


def notebooks_are_tidy(book: Book) -> list[str]:
    """Every notebook is in the committed form."""
    found = untidy(notebooks(book.root))
    return [f"{book.name(path)}: is not in the committed form; run `make tidy`" for path in found]


def equations_are_tested(book: Book) -> list[str]:
    """A label that starts with ``eq-``, a docstring and a marked test belong together."""
    labels = {label for text in book.prose.values() for label in _LABEL.findall(text)}
    functions = set(_documented_equations(book.root / "src"))
    tested: set[str] = set()
    for path in sorted((book.root / "tests" / "equations").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        tested.update(re.findall(r"mark\.equation\(\s*\"([^\"]+)\"", source))
    sides = {
        "a labelled equation in the book": labels,
        "a public function whose docstring names it": functions,
        "a test under tests/equations marked with it": tested,
    }
    return [
        f"equation {label}: lacks {side}"
        for label in sorted(labels | functions | tested)
        for side, members in sides.items()
        if label not in members
    ]


def _documented_equations(folder: Path) -> Iterator[str]:
    """Find ``Equation: eq-name`` in the docstrings of public functions and classes."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                for line in re.findall(r"Equations?:(.*)", ast.get_docstring(node) or ""):
                    yield from re.findall(r"eq-[\w-]*\w", line)


def claims_are_measured(book: Book) -> list[str]:
    """Each **Claim.** is followed by a cell that measures it, and each such cell has its claim."""
    problems = []
    for name, notebook in book.notebooks.items():
        pending = 0
        for number, cell in enumerate(notebook.cells, 1):
            if cell.cell_type == "markdown":
                stated = len(re.findall(r"^\s*>?\s*\*\*Claim\.\*\*", cell.source, re.MULTILINE))
                if pending and stated:
                    problems.append(f"{name}, cell {pending}: no cell measures this claim")
                pending = number if stated else pending
            elif "lt.claim(" in cell.source:
                if not pending:
                    problems.append(f"{name}, cell {number}: measures a claim that no prose states")
                pending = 0
            elif pending:
                problems.append(f"{name}, cell {pending}: the next code cell measures no claim")
                pending = 0
        if pending:
            problems.append(f"{name}, cell {pending}: no cell measures this claim")
    return problems


def contents_are_complete(book: Book) -> list[str]:
    """The table of contents names exactly the pages that exist."""
    contents = yaml.safe_load((book.root / "_toc.yml").read_text(encoding="utf-8"))
    listed = [contents["root"], *_files(contents)]
    existing = [book.name(path) for path in pages(book.root)]
    problems = [f"_toc.yml names {n}, which does not exist" for n in listed if n not in existing]
    problems += [f"_toc.yml does not name {n}" for n in existing if n not in listed]
    repeated = {n for n in listed if listed.count(n) > 1} | {
        n for n in existing if existing.count(n) > 1
    }
    return problems + [f"{n} exists or is listed twice" for n in sorted(repeated)]


def _files(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "file" in node:
            yield node["file"]
        node = [value for key, value in node.items() if key != "file"]
    if isinstance(node, list):
        for part in node:
            yield from _files(part)


def exercises_have_solutions(book: Book) -> list[str]:
    """Every exercise is followed by its solution, hidden and executed."""
    problems = []
    for name, notebook in book.notebooks.items():
        exercises = []
        for number, cell in _cells(notebook, "markdown"):
            found = _EXERCISE.findall(cell.source)
            exercises += found
            if found and not _solves(notebook.cells[number : number + 1], found):
                problems.append(f"{name}, cell {number}: no solution follows exercise {found[0]}")
        if exercises != [str(n + 1) for n in range(len(exercises))]:
            problems.append(f"{name}: the exercises are not numbered 1, 2, 3, ...")
        solutions = sum(bool(_SOLUTION.match(c.source)) for _, c in _cells(notebook, "code"))
        if solutions != len(exercises):
            problems.append(f"{name}: {len(exercises)} exercises but {solutions} solutions")
        if name in book.chapters and len(exercises) not in EXERCISES:
            problems.append(f"{name}: has {len(exercises)} exercises, not 3 to 6")
    return problems


def _solves(following: list[NotebookNode], exercises: list[str]) -> bool:
    if len(exercises) != 1 or not following or following[0].cell_type != "code":
        return False
    title = _SOLUTION.match(following[0].source)
    hidden = "hide-cell" in following[0].metadata.get("tags", [])
    return title is not None and title.group(1) == exercises[0] and hidden


def figures_have_alt_text(book: Book) -> list[str]:
    """A cell that draws says in its metadata what the picture shows."""
    problems = []
    for name, notebook in book.notebooks.items():
        for number, cell in _cells(notebook, "code"):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            if _FIGURE.search(cell.source) and not alt.strip():
                problems.append(f"{name}, cell {number}: draws a figure and has no alt text")
    return problems


def cells_are_short(book: Book) -> list[str]:
    """One idea a cell."""
    problems = []
    for name, notebook in book.notebooks.items():
        for number, cell in _cells(notebook, "code"):
            lines = sum(bool(line.strip()) for line in cell.source.splitlines())
            if lines > MOST_LINES:
                problems.append(f"{name}, cell {number}: {lines} lines; at most {MOST_LINES}")
    return problems


def chapters_have_sections(book: Book) -> list[str]:
    """Every chapter has the same frame, in the same order."""
    problems = []
    for name, notebook in book.chapters.items():
        text = book.prose[name]
        second = notebook.cells[1].source if len(notebook.cells) > 1 else ""
        if not second.startswith("> **In this chapter**"):
            problems.append(f"{name}: the second cell is not the box 'In this chapter'")
        headings = re.findall(r"^## (.+?)\s*$", text, re.MULTILINE)
        problems += [f"{name}: has no section '{s}'" for s in SECTIONS if s not in headings]
        if (order := [h for h in headings if h in SECTIONS]) != SECTIONS and len(order) == 5:
            problems.append(f"{name}: the last sections are not in the order {SECTIONS}")
        if "<details>" not in text.partition("## Check yourself")[2]:
            problems.append(f"{name}: 'Check yourself' has no question that unfolds")
    return problems


def boxes_read_well_everywhere(book: Book) -> list[str]:
    """A box is a blockquote whose first line is bold, because Colab shows no directives."""
    problems = []
    for name, notebook in book.notebooks.items():
        for number, cell in _cells(notebook, "markdown"):
            for box in re.findall(r"(?:^|\n\n)(>.*)", cell.source):
                if not box.startswith("> **"):
                    problems.append(f"{name}, cell {number}: a box starts without a bold line")
            directive = re.search(r"^(?::::|```\{)", cell.source, re.MULTILINE)
            if directive and name in book.chapters:
                problems.append(f"{name}, cell {number}: has a directive, unreadable in Colab")
    return problems


def training_loops_stay_home(book: Book) -> list[str]:
    """Only the chapter that derives the training loop has one; the others call ``fit``."""
    return [
        f"{name}, cell {number}: has a training loop; use lt.fit"
        for name, notebook in book.notebooks.items()
        if name != TRAINING_LOOP
        for number, cell in _cells(notebook, "code")
        if ".backward()" in cell.source
    ]


def citations_resolve(book: Book) -> list[str]:
    """Every key is in ``references.bib``, and every entry there is cited."""
    entries = set(parse_file(str(book.root / "book" / "references.bib")).entries)
    problems, cited = [], set()
    for name, text in book.prose.items():
        keys = {k.strip() for group in _CITATION.findall(text) for k in group.split(",")}
        problems += [f"{name}: cites the unknown {key}" for key in sorted(keys - entries)]
        cited |= keys
    return problems + [f"references.bib: nobody cites {key}" for key in sorted(entries - cited)]


def entries_are_shown(book: Book) -> list[str]:
    """Every mistake and every question links to the section of a chapter whose cell shows it."""
    return [
        f"{page}, {title}: links to no section of a chapter"
        for page in (FOLKLORE, FAQ)
        for title, text in _entries(book, page)
        if not _SECTION_LINK.search(text)
    ]


def mistakes_are_guarded(book: Book) -> list[str]:
    """Every mistake names a test, and the test exists."""
    problems = []
    for title, text in _entries(book, FOLKLORE):
        tests = _TEST.findall(text)
        if not tests:
            problems.append(f"{FOLKLORE}, {title}: names no test")
        for path, test in tests:
            place = book.root / path
            if not place.exists() or f"def {test}(" not in place.read_text(encoding="utf-8"):
                problems.append(f"{FOLKLORE}, {title}: there is no test {path}::{test}")
    return problems


def _entries(book: Book, page: str) -> Iterator[tuple[str, str]]:
    for entry in re.split(r"^### ", book.prose.get(page, ""), flags=re.MULTILINE)[1:]:
        yield entry.partition("\n")[0], entry


def nothing_is_unpickled(book: Book) -> list[str]:
    """Loading a pickle runs whatever code is in it, so that nothing here may."""
    problems = []
    for name, text in _code(book):
        for number, line in enumerate(text.splitlines(), 1):
            for what, pattern in _UNPICKLING.items():
                if pattern.search(line):
                    problems.append(f"{name}, line {number}: uses {what}")
    return problems


def _code(book: Book) -> Iterator[tuple[str, str]]:
    """Yield every Python file, and the code of every notebook, but for the checks' own."""
    for folder in ("src", "tests", "tools", "benchmarks"):
        for path in sorted((book.root / folder).rglob("*.py")):
            name = path.relative_to(book.root).as_posix()
            if name != "tools/book_checks.py" and not name.startswith("tests/book/"):
                yield name, path.read_text(encoding="utf-8")
    for name, notebook in book.notebooks.items():
        yield name, "\n".join(cell.source for _, cell in _cells(notebook, "code"))


CHECKS: tuple[Check, ...] = (
    checked_cells_have_output,
    setup_cells_agree,
    colab_links_lead_here,
    notebooks_are_tidy,
    equations_are_tested,
    claims_are_measured,
    contents_are_complete,
    exercises_have_solutions,
    figures_have_alt_text,
    cells_are_short,
    chapters_have_sections,
    boxes_read_well_everywhere,
    training_loops_stay_home,
    citations_resolve,
    entries_are_shown,
    mistakes_are_guarded,
    nothing_is_unpickled,
)


def main() -> int:
    """Print the problems of the book, check by check."""
    problems = [problem for check in CHECKS for problem in check(Book())]
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(CHECKS)} checks, {len(problems)} problems.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
