"""Explorers work with and without a kernel."""

from __future__ import annotations

import sys

import ipywidgets
import pytest
import torch
from bs4 import BeautifulSoup
from matplotlib.figure import Figure

from latent_transfer import figures, widgets
from latent_transfer.models import M2, mlp_m2
from latent_transfer.widgets import explore, handwritings


def draw(value: float) -> Figure:
    return figures.bars({"value": value}, size=(2, 1))


def explorer() -> object:
    return explore(draw, "height", [1, 2.5, 4], alt="a bar of height {value}")


def test_a_running_kernel_gets_a_slider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATENT_TRANSFER_STATIC", raising=False)
    widget = explorer()
    assert isinstance(widget, ipywidgets.interactive)
    slider = widget.children[0]
    assert [label for label, _ in slider.options] == ["1", "2.5", "4"]
    assert slider.value == 2.5


def test_a_static_page_gets_every_frame_behind_a_labelled_slider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LATENT_TRANSFER_STATIC", "1")
    page = BeautifulSoup(explorer()._repr_html_(), "html.parser")  # type: ignore[attr-defined]
    frames = page.find_all("img")
    assert [frame["alt"] for frame in frames] == [f"a bar of height {v}" for v in ("1", "2.5", "4")]
    assert [frame.has_attr("hidden") for frame in frames] == [True, False, True]
    assert len({frame["src"] for frame in frames}) == 3
    slider = page.find("input", type="range")
    assert slider.find_parent("label").text.startswith("height:")
    assert (slider["max"], slider["value"], slider["aria-valuetext"]) == ("2", "1", "2.5")
    assert page.find("div")["data-stops"] == "1 2.5 4"


def test_without_ipywidgets_the_frames_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATENT_TRANSFER_STATIC", raising=False)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert "<img" in explorer()._repr_html_()  # type: ignore[attr-defined]


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
    monkeypatch.setenv("LATENT_TRANSFER_STATIC", "1")
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


def test_a_single_handwriting_needs_no_other(writer: M2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_TRANSFER_STATIC", "1")
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
