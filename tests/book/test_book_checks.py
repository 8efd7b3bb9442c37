"""Each check of the book sees the fault for which it is there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

import book_checks
from book_checks import CHECKS, FAQ, FOLKLORE, Book

Cells = list[NotebookNode]


def find(cells: Cells, text: str) -> NotebookNode:
    return next(cell for cell in cells if text in cell.source)


def replace(old: str, new: str) -> Callable[[Cells], None]:
    def change(cells: Cells) -> None:
        cell = find(cells, old)
        cell.source = cell.source.replace(old, new)

    return change


def remove(text: str) -> Callable[[Cells], None]:
    return lambda cells: cells.remove(find(cells, text))


def without_metadata(text: str) -> Callable[[Cells], None]:
    return lambda cells: find(cells, text).metadata.clear()


def drop_outputs(cells: Cells) -> None:
    find(cells, 'print("one")').outputs = []


def add_output(cells: Cells) -> None:
    output = new_output("stream", name="stdout", text="1\n")
    find(cells, "lt.claim(").outputs = [output]


def swap_last_sections(cells: Cells) -> None:
    cells[-1], cells[-2] = cells[-2], cells[-1]


def add(cell: NotebookNode) -> Callable[[Cells], None]:
    return lambda cells: cells.insert(6, cell)


LONG = "\n".join(f"x{n} = {n}" for n in range(21))

FAULTS = [
    ("checked_cells_have_output", drop_outputs, "no output"),
    ("checked_cells_have_output", add_output, "not tagged"),
    ("checked_cells_have_output", without_metadata('print("one")'), "not tagged"),
    ("checked_cells_have_output", replace('print("one")', "# NBVAL_SKIP\n1"), "use a tag"),
    ("setup_cells_agree", replace("lt.setup()", "lt.setup(1)"), "not the setup cell"),
    ("setup_cells_agree", without_metadata("lt.setup()"), "not tagged"),
    ("colab_links_lead_here", replace("mini.ipynb", "other.ipynb"), "does not link"),
    ("colab_links_lead_here", replace("# Mini\n\n", ""), "title"),
    ("notebooks_are_tidy", add(new_code_cell("x = 1", metadata={"own": 1})), "committed form"),
    ("equations_are_tested", replace("eq-next", "eq-last"), "eq-last: lacks a public function"),
    ("equations_are_tested", replace("eq-next", "eq-last"), "eq-last: lacks a test"),
    ("equations_are_tested", replace(" (eq-next)", ""), "eq-next: lacks a labelled equation"),
    ("claims_are_measured", remove("lt.claim("), "the next code cell measures no claim"),
    ("claims_are_measured", replace("**Claim.** ", ""), "no prose states"),
    ("claims_are_measured", add(new_markdown_cell("**Claim.** A.\n")), "measures no claim"),
    ("exercises_have_solutions", remove("Solution 2"), "no solution follows exercise 2"),
    ("exercises_have_solutions", without_metadata("Solution 1"), "no solution follows exercise 1"),
    ("exercises_have_solutions", remove("### Exercise 3"), "2 exercises but 3 solutions"),
    ("exercises_have_solutions", replace("Exercise 2", "Exercise 7"), "not numbered"),
    ("figures_have_alt_text", without_metadata("figures.line"), "no alt text"),
    ("cells_are_short", add(new_code_cell(LONG)), "21 lines"),
    ("chapters_have_sections", remove("## Take-aways"), "no section 'Take-aways'"),
    ("chapters_have_sections", swap_last_sections, "not in the order"),
    ("chapters_have_sections", remove("In this chapter"), "second cell"),
    ("chapters_have_sections", replace("<details>", ""), "unfolds"),
    ("boxes_read_well_everywhere", replace("> **In this chapter**", "> In"), "bold"),
    ("boxes_read_well_everywhere", add(new_markdown_cell(":::{note}\nA\n:::")), "directive"),
    ("training_loops_stay_home", add(new_code_cell("loss.backward()")), "training loop"),
    ("citations_resolve", replace("somebody2020", "nobody2020"), "cites the unknown nobody2020"),
    ("citations_resolve", replace("somebody2020", "nobody2020"), "nobody cites somebody2020"),
    ("nothing_is_unpickled", add(new_code_cell("import pickle")), "uses pickle"),
    ("nothing_is_unpickled", add(new_code_cell("torch.load(path)")), "uses torch.load"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sound_book_passes(check, miniature) -> None:
    assert check(Book(miniature.root)) == []


@pytest.mark.parametrize(("name", "change", "message"), FAULTS)
def test_fault_in_notebook_is_seen(name: str, change, message: str, miniature) -> None:
    miniature.edit(change)
    problems = getattr(book_checks, name)(Book(miniature.root))
    assert any(message in problem for problem in problems), problems


def test_every_check_has_a_fault() -> None:
    seen = {name for name, _, _ in FAULTS}
    seen |= {"contents_are_complete", "entries_are_shown", "mistakes_are_guarded"}  # see below
    assert seen == {check.__name__ for check in CHECKS}


def test_equation_of_the_package_without_a_test(miniature) -> None:
    (miniature.root / "tests" / "equations" / "test_counting.py").unlink()
    problems = book_checks.equations_are_tested(Book(miniature.root))
    assert problems == ["equation eq-next: lacks a test under tests/equations marked with it"]


def test_test_of_an_unknown_equation(miniature) -> None:
    miniature.write("tests/equations/test_more.py", '@pytest.mark.equation("eq-more")\n')
    problems = book_checks.equations_are_tested(Book(miniature.root))
    assert [problem.split(": ")[0] for problem in problems] == ["equation eq-more"] * 2


@pytest.mark.parametrize("page", [FAQ, FOLKLORE])
@pytest.mark.parametrize("link", ["", "[The chapter](../foundations/mini.ipynb)"])
def test_entry_that_is_shown_nowhere(page: str, link: str, miniature) -> None:
    guard = "`tests/equations/test_counting.py::test_following`"
    miniature.write(f"book/{page}.md", f"# Page\n\n### One\n\n{link} {guard}\n")
    problems = book_checks.entries_are_shown(Book(miniature.root))
    assert problems == [f"{page}, One: links to no section of a chapter"]


@pytest.mark.parametrize(
    ("guard", "message"),
    [
        ("", "names no test"),
        ("`tests/equations/test_counting.py::test_follow`", "there is no test"),
        ("`tests/equations/test_none.py::test_following`", "there is no test"),
    ],
)
def test_mistake_without_a_guard(guard: str, message: str, miniature) -> None:
    miniature.write(f"book/{FOLKLORE}.md", f"# Folklore\n\n### One\n\n{guard}\n")
    problems = book_checks.mistakes_are_guarded(Book(miniature.root))
    assert len(problems) == 1
    assert message in problems[0]


@pytest.mark.parametrize("name", ["appendix/unlisted.md", "foundations/mini.md"])
def test_page_that_the_contents_do_not_know(name: str, miniature) -> None:
    miniature.write(f"book/{name}", "# Page\n")
    assert len(book_checks.contents_are_complete(Book(miniature.root))) == 1


def test_page_that_does_not_exist(miniature) -> None:
    (miniature.root / "book" / "index.md").unlink()
    problems = book_checks.contents_are_complete(Book(miniature.root))
    assert problems == ["_toc.yml names index, which does not exist"]


def test_untracked_notebook(miniature) -> None:
    def git(*arguments: str) -> None:
        command = ["git", "-C", str(miniature.root), *arguments]
        subprocess.run(command, check=True, capture_output=True)

    git("init", "--quiet")
    problems = book_checks.colab_links_lead_here(Book(miniature.root))
    assert len(problems) == 1
    assert "does not track" in problems[0]
    git("add", ".")
    assert book_checks.colab_links_lead_here(Book(miniature.root)) == []


def test_labels_of_definitions_need_no_function(miniature) -> None:
    miniature.write("book/index.md", "# Index\n\n$$ a $$ (def-a)\n")
    assert book_checks.equations_are_tested(Book(miniature.root)) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from dill import load",
        "joblib.load(path)",
        "torch.load(path, map_location='cpu')",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_unpickling_in_the_package(line: str, miniature) -> None:
    miniature.write("src/latent_transfer/bad.py", line + "\n")
    problems = book_checks.nothing_is_unpickled(Book(miniature.root))
    assert len(problems) == 1
    assert problems[0].startswith("src/latent_transfer/bad.py, line 1")


def test_safe_loading_passes(miniature) -> None:
    source = "torch.load(path, weights_only=True)\nnp.load(path)\n"
    miniature.write("src/latent_transfer/good.py", source)
    assert book_checks.nothing_is_unpickled(Book(miniature.root)) == []


def test_root_is_the_working_tree() -> None:
    assert (Book().root / "pyproject.toml").exists()
    assert Book().name(Path(Book().root / "book" / "index.md")) == "index"
