"""Explorers work with and without a kernel."""

from __future__ import annotations

import sys

import ipywidgets
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure

from latent_transfer import figures
from latent_transfer.widgets import explore


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
