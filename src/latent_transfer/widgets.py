"""Explorers: sliders where a kernel runs, pre-drawn frames behind a slider where none does."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure

from latent_transfer.figures import analogies
from latent_transfer.models import M2

Draw = Callable[[float], Figure]


def explore(draw: Draw, name: str, values: Sequence[float], *, alt: str) -> Any:
    """A slider over ``values`` that redraws a figure.

    In a running notebook the slider is an ipywidget. While the book is built
    (``LATENT_TRANSFER_STATIC=1``), or without ipywidgets, every frame is drawn beforehand and a
    plain HTML slider switches between them: mouse, touch, arrow keys and screen readers all work,
    and no kernel is needed.

    Args:
        draw: Makes the figure for one value.
        name: What the slider moves, as its label.
        values: The slider's stops.
        alt: Alternative text of the figure; ``{value}`` is replaced by the stop.

    Returns:
        Something that a notebook shows when it is the last expression of a cell.

    Raises:
        ValueError: If there is nothing to choose from.
    """
    if not values:
        raise ValueError("An explorer needs at least one value to show.")
    if os.environ.get("LATENT_TRANSFER_STATIC") != "1":
        live = _live(draw, name, values)
        if live is not None:
            return live
    return _Frames(_frames_html(draw, name, values, alt))


@torch.no_grad()
def handwritings(
    model: M2,
    images: torch.Tensor,
    labels: torch.Tensor,
    classes: Sequence[str],
    *,
    steps: int = 4,
) -> Any:
    """A slider from one handwriting to the next: every class in a style between two images.

    At 1, 2, 3, ... the style is that of the first, second, third image; in between it is blended
    in the latent space, and the image shown beside it in pixels, so that the two can be compared.

    Args:
        model: Trained M2.
        images: B×C×H×W in [0, 1]: where the styles come from, at least one.
        labels: B, their classes.
        classes: Names of the model's K classes.
        steps: Stops from one image to the next.

    Raises:
        ValueError: If there is no image, or ``classes`` does not name the model's classes.
    """
    if len(classes) != model.classes:
        raise ValueError(f"The model knows {model.classes} classes, not {len(classes)}.")
    model.eval()
    styles = model.posterior(images, labels).mean  # B×D

    @torch.no_grad()
    def draw(value: float) -> Figure:
        left = min(int(value) - 1, max(len(images) - 2, 0))
        share = value - 1 - left
        style, image = (
            torch.lerp(both[left], both[min(left + 1, len(both) - 1)], share)[None]
            for both in (styles, images)
        )
        return analogies(image, model.likelihood.mean(model.decode(style)), classes)

    stops = [1 + stop / steps for stop in range((len(images) - 1) * steps + 1)]
    alt = "The style of handwriting {value} beside all classes written in it."
    return explore(draw, "handwriting", stops, alt=alt)


def _live(draw: Draw, name: str, values: Sequence[float]) -> Any | None:
    try:
        import ipywidgets
    except ImportError:
        return None
    stops = [(f"{value:g}", value) for value in values]
    slider = ipywidgets.SelectionSlider(
        options=stops, value=values[len(values) // 2], description=name
    )

    def show(value: float) -> None:
        from IPython.display import display

        display(draw(value))

    return ipywidgets.interactive(show, value=slider)


class _Frames:
    """HTML that shows itself in a notebook and says what it is elsewhere."""

    def __init__(self, page: str) -> None:
        self._page = page

    def _repr_html_(self) -> str:
        return self._page

    def __repr__(self) -> str:
        return "<explorer: open the page or the notebook to move its slider>"


def _frames_html(draw: Draw, name: str, values: Sequence[float], alt: str) -> str:
    middle = len(values) // 2
    images = "".join(
        f'<img src="data:image/png;base64,{_png(draw(value))}" style="max-width:100%" '
        f'alt="{html.escape(alt.format(value=f"{value:g}"))}"{"" if i == middle else " hidden"}>'
        for i, value in enumerate(values)
    )
    stops = html.escape(" ".join(f"{value:g}" for value in values))
    # The slider's position is a frame's number; the output element says the value in words.
    script = (
        "const box=this.closest('.lt-explorer'),at=+this.value,"
        "stop=box.dataset.stops.split(' ')[at];"
        "box.querySelectorAll('img').forEach((image,i)=>{image.hidden=i!==at});"
        "box.querySelector('output').value=stop;this.setAttribute('aria-valuetext',stop)"
    )
    return (
        f'<div class="lt-explorer" data-stops="{stops}"><label>{html.escape(name)}: '
        f'<input type="range" min="0" max="{len(values) - 1}" value="{middle}" '
        f'aria-valuetext="{values[middle]:g}" oninput="{script}"> '
        f"<output>{values[middle]:g}</output></label><div>{images}</div></div>"
    )


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=96)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
