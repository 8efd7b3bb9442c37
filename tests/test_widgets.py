"""Explorers work with and without a kernel, and without a widget manager."""

from __future__ import annotations

import sys
from base64 import b64decode

import matplotlib.pyplot as plt
import pytest
import torch
from bs4 import BeautifulSoup
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from latent_transfer import figures, widgets
from latent_transfer.models import M2, mlp_m2
from latent_transfer.widgets import Frames, explore, handwritings


def draw(value: float) -> Figure:
    return figures.bars({"value": value}, size=(2, 1))


def explorer() -> Frames:
    return explore(draw, "height", [1, 2.5, 4], alt="a bar of height {value}")


def test_a_page_gets_every_frame_behind_a_labelled_slider() -> None:
    page = BeautifulSoup(explorer()._repr_html_(), "html.parser")
    frames = page.find_all("img")
    assert [frame["alt"] for frame in frames] == [f"a bar of height {v}" for v in ("1", "2.5", "4")]
    assert [frame.has_attr("hidden") for frame in frames] == [True, False, True]
    assert len({frame["src"] for frame in frames}) == 3
    slider = page.find("input", type="range")
    assert slider.find_parent("label").text.startswith("height:")
    assert (slider["max"], slider["value"], slider["aria-valuetext"]) == ("2", "1", "2.5")
    assert page.find("div")["data-stops"] == "1 2.5 4"


def test_what_a_notebook_keeps_needs_no_widget_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # not even installed
    bundle, _ = DisplayFormatter().format(explorer())
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    page = BeautifulSoup(bundle["text/html"], "html.parser")
    middle = page.find_all("img")[1]["src"]
    assert b64decode(middle.removeprefix("data:image/png;base64,")) == bundle["image/png"]
    assert bundle["text/plain"].startswith("<explorer of 3 frames")


def test_labels_and_texts_are_escaped() -> None:
    frames = explore(draw, "a < b", [1], alt='"{value}" & more')
    page = BeautifulSoup(frames._repr_html_(), "html.parser")
    assert page.find("label").text.startswith("a < b:")
    assert page.find("img")["alt"] == '"1" & more'


def test_no_figure_stays_open() -> None:
    explore(lambda _: plt.figure(), "nothing", [1, 2], alt="")
    assert plt.get_fignums() == []


def test_tensors_may_be_the_stops() -> None:
    page = BeautifulSoup(explore(draw, "x", torch.arange(2.0), alt="")._repr_html_(), "html.parser")
    assert page.find("div")["data-stops"] == "0 1"


def test_nothing_to_show_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        explore(draw, "height", [], alt="")


@pytest.fixture
def writer() -> M2:
    torch.manual_seed(0)
    return mlp_m2((1, 4, 4), classes=3, hidden=(8,), latent_size=2)


IMAGES = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([2, 0])


def test_handwritings_walk_from_one_image_to_the_next(
    writer: M2, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[torch.Tensor, torch.Tensor]] = []
    monkeypatch.setattr(
        widgets,
        "analogies",
        lambda images, answers, classes: drawn.append((images, answers)) or draw(1.0),
    )
    page = BeautifulSoup(
        handwritings(writer, IMAGES, LABELS, "abc", steps=2)._repr_html_(), "html.parser"
    )
    assert page.find("div")["data-stops"] == "1 1.5 2"
    sources = torch.cat([images for images, _ in drawn])
    torch.testing.assert_close(sources, torch.stack([IMAGES[0], IMAGES.mean(0), IMAGES[1]]))
    expected = writer.analogies(IMAGES, LABELS)  # K×B×C×H×W
    torch.testing.assert_close(drawn[0][1], expected[:, :1])
    torch.testing.assert_close(drawn[2][1], expected[:, 1:])
    halfway = writer.posterior(IMAGES, LABELS).mean.mean(0, keepdim=True)
    torch.testing.assert_close(drawn[1][1], writer.likelihood.mean(writer.decode(halfway)))


def test_a_single_handwriting_needs_no_other(writer: M2) -> None:
    page = handwritings(writer, IMAGES[:1], LABELS[:1], "abc")._repr_html_()
    assert page.count("<img") == 1


@pytest.mark.parametrize(
    ("images", "classes", "message"),
    [(IMAGES[:0], "abc", "at least one value"), (IMAGES, "ab", "knows 3 classes, not 2")],
)
def test_handwritings_that_cannot_be_shown_are_refused(
    writer: M2, images: torch.Tensor, classes: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        handwritings(writer, images, LABELS[: len(images)], classes)


def test_handwritings_need_steps(writer: M2) -> None:
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        handwritings(writer, IMAGES, LABELS, "abc", steps=0)
