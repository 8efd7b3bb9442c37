"""The report stands alone, is sound HTML, shows what was measured, and trusts no name."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from latent_transfer.comparison import Outcome, html_report, write_report
from latent_transfer.comparison.report import curves
from latent_transfer.comparison.verdict import OWN, SCRATCH, TUNED
from latent_transfer.data import ImageSet
from latent_transfer.errors import DataError
from latent_transfer.transfer import Results, Score

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Tags with their attributes, the text inside each kind of tag, and what is out of balance."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.lines: list[list[str]] = []  # table rows, cell by cell
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(source)
        self.close()
        self.unbalanced += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")
        if tag == "tr":
            self.lines.append([])
        elif tag in ("th", "td"):
            self.lines[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data
        if {"th", "td"} & set(self.open):
            self.lines[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def rows(self, first: str) -> list[list[str]]:
        """The other cells of the table rows whose first cell is ``first``."""
        return [others for head, *others in self.lines if head == first]


@pytest.fixture(scope="module")
def source(outcome: Outcome) -> str:
    return html_report(outcome)


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_it_is_sound_html(source: str, page: Page) -> None:
    assert source.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert page.unbalanced == []
    assert [len(page.all(tag)) for tag in ("html", "head", "title", "body", "main", "h1")] == [
        1
    ] * 6
    assert page.texts["title"] == page.texts["h1"] == ["Transfer from digits to folder:my <i>pets&"]
    assert {"charset": "utf-8"} in page.all("meta")
    assert any(each.get("name") == "viewport" for each in page.all("meta"))


def test_it_needs_nothing_else(source: str, page: Page) -> None:
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "base", "object"}
    for _, attributes in page.tags:
        assert not attributes.keys() & {"href", "srcset", "onload", "onerror", "style"}
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
    assert "http" not in source
    assert "url(" not in source
    assert "@import" not in source


def test_pictures_open_and_have_alternatives(page: Page, outcome: Outcome) -> None:
    pictures = page.all("img")
    assert len(pictures) == 1 + len(outcome.target.classes) + len(outcome.source.classes)
    assert all(picture["alt"].strip() for picture in pictures)
    for picture in pictures:
        content = base64.b64decode(picture["src"].partition(",")[2], validate=True)
        Image.open(io.BytesIO(content)).verify()
    mean = outcome.results.scores(SCRATCH, 5).mean().item()
    assert f"with 5: {SCRATCH} {mean:.1f} %" in pictures[0]["alt"]


def test_tables_are_read_out_well(page: Page) -> None:
    assert len(page.all("table")) == len(page.texts["caption"]) == 5
    assert all(caption.strip() for caption in page.texts["caption"])
    assert {each["scope"] for each in page.all("th")} == {"col", "row"}
    regions = [each for each in page.all("div") if each.get("role") == "region"]
    assert len(regions) == 5
    assert all(each["tabindex"] == "0" and each["aria-label"] for each in regions)


def test_names_are_escaped(source: str, page: Page, pets: Path) -> None:
    assert not {tag for tag, _ in page.tags} & {"b>", "i"}
    assert """<b>&"ü'""" in page.texts["bdi"]
    assert any("""class <b>&"ü'""" in picture["alt"] for picture in page.all("img"))
    assert any("folder:my <i>pets&" in text for text in page.texts["caption"])
    assert "my <i>" not in source
    assert '<b>&"' not in source
    assert str(pets.parent) not in source


def test_the_numbers_are_those_of_the_run(page: Page, outcome: Outcome) -> None:
    assert outcome.verdict in page.texts["p"]
    cells = page.rows(SCRATCH)[0]
    mean = outcome.results.scores(SCRATCH, 5).mean().item()
    assert re.fullmatch(rf"{mean:.1f} \(\d+\.\d to \d+\.\d\)", cells[0])
    rows = [page.rows(f"{row.method} against {row.baseline}") for row in outcome.differences]
    assert all(len(found) == 1 and len(found[0]) == 5 for found in rows)
    assert page.rows("""<b>&"ü'""")[0][:2] == ["18", "4"]
    assert page.rows("Seeds of the draws") == [["0 to 1"]]
    assert "as the owner states" in page.rows("Target")[0][0]
    assert "1,437 training" in page.rows("Source")[0][0]


def test_the_page_says_how_far_to_trust_it(page: Page) -> None:
    items = " ".join(page.texts["li"])
    assert "there are 7, and one of the 1 in class “dog” weighs 33 points" in items  # 100 / 3
    assert "over 2 seeds" in items
    assert "pre-trained on 1,437 unlabelled images of digits" in items
    assert "pre-trained on the 30 training images of folder:my <i>pets& without" in items


def test_everything_that_the_numbers_depend_on_is_listed(page: Page, outcome: Outcome) -> None:
    assert page.rows("Seed of both pre-trainings") == [["0"]]
    assert page.rows("Images per step") == [["50"]]
    (rate,) = page.rows("Learning rate")[0]
    assert rate.startswith("0.001 (Adam), 10 times that for the head")
    assert page.rows("Torch") == [[outcome.environment["torch"]]]
    assert "As the nets saw them: colour, 9×9 pixels." in page.texts["p"]
    grey = replace(outcome, recipe=replace(outcome.recipe, shape=(1, 9, 8)))
    assert "As the nets saw them: grey, 8×9 pixels." in Page(html_report(grey)).texts["p"]


def made_up(outcome: Outcome) -> Outcome:
    """Fine-tuning helps surely, the target's own images barely: beyond one interval, not twelve."""
    gains = {SCRATCH: [0.0] * 3, TUNED: [-5.0, -5.1, -4.9], OWN: [-1.0, -1.5, -0.7]}
    rows = [
        Score(method, budget, seed, 40.0 + seed + gains.get(method, [0.0] * 3)[seed])
        for method in outcome.results.methods
        for budget in (5, 20, 100)
        for seed in range(3)
    ]
    settings = replace(outcome.settings, seeds=3)
    return replace(
        outcome, results=Results(tuple(rows)), settings=settings, budgets=[5, 20, 100], dropped=[]
    )


def test_findings_and_their_correction_are_told(outcome: Outcome) -> None:
    page = Page(html_report(made_up(outcome)))
    tuned = page.rows(f"{TUNED} against {SCRATCH}")
    assert tuned[0] == ["5", "−5.0", "−5.2 to −4.8", "helped", "yes"]
    assert [cells[0] for cells in tuned] == ["5", "20", "100"]
    assert page.rows(f"{OWN} against {SCRATCH}")[0][3:] == ["helped", "no"]
    frozen = page.rows(f"{outcome.results.methods[1]} against {SCRATCH}")[0]
    assert frozen == ["5", "0.0", "none", "no difference shown", "–"]
    assert any("These are 12 comparisons" in text for text in page.texts["p"])
    assert any("here 0.6 of 12" in text for text in page.texts["p"])


def test_wide_intervals_do_not_stretch_the_axis(outcome: Outcome) -> None:
    values = {5: [2.0, 98.0, 50.0], 20: [40.0, 41.0, 42.0]}  # a mean of 50 ± 119
    rows = [
        Score(method, budget, seed, value)
        for method in outcome.results.methods
        for budget, scores in values.items()
        for seed, value in enumerate(scores)
    ]
    wide, _ = curves(replace(outcome, results=Results(tuple(rows))))
    assert wide.axes[0].get_ylim() == (-1, 101)
    narrow, _ = curves(made_up(outcome))
    low, high = narrow.axes[0].get_ylim()
    assert 20 < low < high < 60


def test_what_was_dropped_and_equal_sets_are_noted(outcome: Outcome, page: Page) -> None:
    notes = [text for text in page.texts["p"] if text.startswith("Note:")]
    assert notes == [
        "Note: 20 and 100 labelled images of each class were not tried: the smallest class has "
        "5 training images."
    ]
    twin = Page(html_report(replace(outcome, source=outcome.target, dropped=[])))
    notes = [text for text in twin.texts["p"] if text.startswith("Note:")]
    assert len(notes) == 1
    assert "the same training images" in notes[0]


def test_the_command_repeats_the_run(outcome: Outcome) -> None:
    plain = replace(outcome, settings=replace(outcome.settings, augment=False))
    (command,) = Page(html_report(plain)).texts["code"]
    assert shlex.split(command) == [
        *("latent-transfer", "compare", "--source", "digits", "--target", "folder:my <i>pets&"),
        *("--labels", "5", "--seeds", "2", "--size", "9"),
        *("--pretraining-steps", "2", "--steps", "2", "--no-augment"),
    ]


def test_many_classes_show_the_first(outcome: Outcome) -> None:
    names = tuple(f"class {number}" for number in range(30))
    images = torch.zeros(60, 1, 9, 9, dtype=torch.uint8)
    crowd = ImageSet(images, torch.arange(60) % 30, names)
    source = replace(outcome.source, train=crowd, test=crowd, classes=names)
    page = Page(html_report(replace(outcome, source=source)))
    assert any("the first 20 of 30 classes" in text for text in page.texts["caption"])
    assert "class 19" in page.texts["bdi"]
    assert "class 20" not in page.texts["bdi"]


def test_samples_are_the_images_of_their_class(outcome: Outcome, page: Page) -> None:
    strips = [each for each in page.all("img") if each.get("class") == "strip"]
    for strip, name, rgb in zip(strips, outcome.target.classes, "rgb", strict=False):
        content = base64.b64decode(strip["src"].partition(",")[2])
        red, green, blue = Image.open(io.BytesIO(content)).resize((1, 1)).getpixel((0, 0))
        # The class <b> is reddish, cats greenish, dogs bluish.
        assert {"r": red, "g": green, "b": blue}[rgb] == max(red, green, blue)
        assert name in strip["alt"]


def test_samples_are_drawn_from_all_images_of_a_class(outcome: Outcome) -> None:
    pixels = torch.arange(200, dtype=torch.uint8).view(200, 1, 1, 1).expand(200, 1, 9, 9)
    grey = ImageSet(pixels, torch.arange(200) % 2, ("even", "odd"))
    source = replace(outcome.source, train=grey, test=grey, classes=grey.classes)
    page = Page(html_report(replace(outcome, source=source)))
    for strip in [each for each in page.all("img") if each["class"] == "strip"][-2:]:
        picture = Image.open(io.BytesIO(base64.b64decode(strip["src"].partition(",")[2])))
        shown = [picture.getpixel((number * 11, 0))[0] for number in range(8)]
        assert shown == sorted(set(shown))
        assert {value % 2 for value in shown} == {int("class odd" in strip["alt"])}
        assert max(shown) > 100  # not the first eight


def test_the_numbers_file_says_the_same(outcome: Outcome, tmp_path: Path) -> None:
    report, results = write_report(outcome, tmp_path / "new")
    assert report.read_text(encoding="utf-8") == html_report(outcome)
    text = results.read_text(encoding="utf-8")
    assert "private" not in text
    content = json.loads(text)
    assert content["format"] == 1
    assert content["verdict"] == outcome.verdict
    assert content["settings"]["labels"] == [5]
    assert content["settings"]["dropped"] == [20, 100]
    assert content["settings"]["steps"] == 2
    assert content["settings"]["seeds"] == [0, 1]
    assert content["settings"]["pretraining_seed"] == 0
    for name, loaded in (("source", outcome.source), ("target", outcome.target)):
        assert content[name]["licence"] == loaded.licence
        assert content[name]["notes"] == loaded.notes
        assert content[name]["shape"] == [3, 9, 9]
        assert content[name]["checksums"] == {
            "training": loaded.train.fingerprint(),
            "test": loaded.test.fingerprint(),
        }
    assert content["target"]["classes"][0] == {"name": """<b>&"ü'""", "training": 18, "test": 4}
    assert content["environment"]["torch"] == outcome.environment["torch"]
    assert Results(tuple(Score(**row) for row in content["scores"])) == outcome.results
    assert [row["finding"] for row in content["differences"]] == [
        row.finding for row in outcome.differences
    ]


@pytest.mark.parametrize("name", ["report.html", "results.json"])
def test_a_file_that_cannot_be_written_is_named(
    outcome: Outcome, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=rf"^--out: .*{re.escape(name)} cannot be written \("):
        write_report(outcome, tmp_path)
