"""Explorers: every frame drawn beforehand, behind a slider that needs no kernel."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from latent_transfer.figures import analogies
from latent_transfer.models import M2

Draw = Callable[[float], Figure]


def explore(draw: Draw, name: str, values: Sequence[float], *, alt: str) -> Frames:
    """Draw a figure for each value, and show them behind a slider.

    The slider is plain HTML: mouse, touch, arrow keys and screen readers all work, in a running
    notebook as on a page, without a kernel and without a widget manager. Where a front end shows no
    HTML, the middle frame stands as an image.

    Args:
        draw: Makes the figure for one value.
        name: What the slider moves, as its label.
        values: The stops of the slider.
        alt: Alternative text of the figure; ``{value}`` is replaced by the stop.

    Returns:
        What a notebook shows when it is the last expression of a cell.

    Raises:
        ValueError: If there is nothing to choose from.

    Example:
        >>> from latent_transfer.figures import bars
        >>> from latent_transfer.widgets import explore
        >>> explore(lambda x: bars({"x": x}), "height", [1, 2], alt="a bar of height {value}")
        <explorer of 2 frames: open the page or the notebook to move its slider>
    """
    if not len(values):
        raise ValueError("An explorer needs at least one value to show.")
    pictures = [_png(draw(value)) for value in values]
    return Frames(pictures, name, values, alt)


@torch.no_grad()
def handwritings(
    model: M2,
    images: torch.Tensor,
    labels: torch.Tensor,
    classes: Sequence[str],
    *,
    steps: int = 4,
) -> Frames:
    """Show a slider from one handwriting to the next: every class in a style between two images.

    At 1, 2, 3, ... the style is that of the first, second, third image; in between it is blended
    in the latent space, and the image shown beside it in pixels, so that the two can be compared.

    Args:
        model: Trained M2; put into evaluation mode.
        images: B×C×H×W in [0, 1]: where the styles come from, at least one.
        labels: B, their classes.
        classes: Names of the model's K classes.
        steps: Stops from one image to the next.

    Returns:
        What a notebook shows when it is the last expression of a cell.

    Raises:
        ValueError: If there is no image, ``classes`` does not name the model's classes, or there
            are no steps.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_m2
        >>> from latent_transfer.widgets import handwritings
        >>> model = mlp_m2((1, 4, 4), classes=2, hidden=(8,), latent_size=2)
        >>> handwritings(model, torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), "ab", steps=1)
        <explorer of 2 frames: open the page or the notebook to move its slider>
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}.")
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


class Frames:
    """Pictures behind a slider; a notebook shows it as HTML, or its middle picture where it cannot.

    Args:
        pictures: PNG files, one per stop.
        name: What the slider moves, as its label.
        values: The stops, as many as pictures.
        alt: Alternative text of the pictures; ``{value}`` is replaced by the stop.

    Example:
        >>> from latent_transfer.widgets import Frames
        >>> Frames([b"one", b"two"], "height", [1, 2], "a bar")._repr_html_().count("<img")
        2
    """

    def __init__(
        self, pictures: Sequence[bytes], name: str, values: Sequence[float], alt: str
    ) -> None:
        self._pictures, self._name = pictures, name
        self._stops = [f"{value:g}" for value in values]
        self._alt = alt

    def _repr_html_(self) -> str:
        middle = len(self._stops) // 2
        images = "".join(
            f'<img src="data:image/png;base64,{base64.b64encode(picture).decode("ascii")}" '
            f'style="max-width:100%" alt="{html.escape(self._alt.format(value=stop))}"'
            f"{'' if number == middle else ' hidden'}>"
            for number, (picture, stop) in enumerate(zip(self._pictures, self._stops, strict=True))
        )
        # The slider's position is a frame's number; the output element says the value in words.
        script = (
            "const box=this.closest('.lt-explorer'),at=+this.value,"
            "stop=box.dataset.stops.split(' ')[at];"
            "box.querySelectorAll('img').forEach((image,i)=>{image.hidden=i!==at});"
            "box.querySelector('output').value=stop;this.setAttribute('aria-valuetext',stop)"
        )
        shown = self._stops[middle]
        return (
            f'<div class="lt-explorer" data-stops="{html.escape(" ".join(self._stops))}">'
            f"<label>{html.escape(self._name)}: "
            f'<input type="range" min="0" max="{len(self._stops) - 1}" value="{middle}" '
            f'aria-valuetext="{shown}" oninput="{script}"> '
            f"<output>{shown}</output></label><div>{images}</div></div>"
        )

    def _repr_png_(self) -> bytes:
        return self._pictures[len(self._pictures) // 2]

    def __repr__(self) -> str:
        count = len(self._pictures)
        return f"<explorer of {count} frames: open the page or the notebook to move its slider>"


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=96)
    plt.close(figure)  # a figure left open would be shown a second time, below the explorer
    return buffer.getvalue()
