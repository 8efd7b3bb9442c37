"""Grids and rows of images, and images beside what is said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.nn.functional import pad

from latent_transfer.figures.style import COLOURS, look, new_figure
from latent_transfer.nets import Shape


def image_grid(
    images: torch.Tensor,
    *,
    columns: int = 10,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    size: float = 0.7,
) -> Figure:
    """Draw images side by side, row after row.

    Args:
        images: N×C×H×W in [0, 1], one or three channels.
        columns: Images per row.
        labels: N captions; none if left out.
        title: Above the grid.
        size: Inches per image.

    Raises:
        ValueError: If there is no image, or not one caption per image.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import image_grid
        >>> figure = image_grid(torch.rand(6, 1, 8, 8), columns=3, labels="abcdef")
        >>> len(figure.axes), figure.axes[0].get_title()
        (6, 'a')
    """
    if not len(images) or (labels and len(labels) != len(images)):
        raise ValueError(
            f"image_grid needs at least one image and one caption per image, "
            f"not {len(images)} images and {len(labels or ())} captions."
        )
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = size * (1.3 if labels else 1)
    figure, axes = new_figure(rows, columns, size=(size * columns, height * rows + 0.3))
    for axis in axes:
        axis.set_axis_off()
    for number, (axis, image) in enumerate(zip(axes, images, strict=False)):
        show_image(axis, image)
        if labels:
            axis.set_title(labels[number], fontsize=8, pad=2)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def image_rows(
    rows: Mapping[str, torch.Tensor], *, title: str | None = None, size: float = 0.7
) -> Figure:
    """Draw named rows of images, to compare originals with what models make of them.

    Args:
        rows: Name to N×C×H×W in [0, 1]; a row with fewer images than the longest ends in white.
        title: Above the rows.
        size: Inches per image.

    Raises:
        ValueError: If there is no image at all.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import image_rows
        >>> images = torch.rand(4, 1, 8, 8)
        >>> len(image_rows({"original": images, "copy": images[:2]}).axes)
        2
    """
    columns = max((len(images) for images in rows.values()), default=0)
    if not columns:
        raise ValueError("image_rows needs at least one row with at least one image.")
    figure, axes = new_figure(len(rows), size=(size * columns + 1.4, size * len(rows) + 0.3))
    for axis, (name, images) in zip(axes, rows.items(), strict=True):
        axis.set_axis_off()
        show_image(axis, _side_by_side(images, columns))
        axis.text(-0.01, 0.5, name, transform=axis.transAxes, ha="right", va="center", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def signed_images(columns: torch.Tensor, shape: Shape) -> torch.Tensor:
    """Turn weights into images: zero becomes mid-grey, and each image uses its own full range.

    Args:
        columns: P×D with P = C·H·W, positive and negative.
        shape: C, H, W.

    Returns:
        D×C×H×W in [0, 1].

    Example:
        >>> import torch
        >>> from latent_transfer.figures import signed_images
        >>> signed_images(torch.tensor([[-2.0], [0.0], [1.0], [2.0]]), (1, 2, 2)).flatten()
        tensor([0.0000, 0.5000, 0.7500, 1.0000])
    """
    images = columns.detach().cpu().T.reshape(-1, *shape)  # D×C×H×W
    extremes = images.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    return 0.5 + 0.5 * images / extremes


def analogies(
    images: torch.Tensor, answers: torch.Tensor, classes: Sequence[str], *, size: float = 0.6
) -> Figure:
    """Draw one row per image: the image itself, a gap, and its style in every class.

    Args:
        images: B×C×H×W in [0, 1]: where the styles come from.
        answers: K×B×C×H×W, as a model's method ``analogies`` gives them.
        classes: K names, above the columns.
        size: Inches per image.

    Raises:
        ValueError: If there is not one name per class.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import analogies
        >>> figure = analogies(torch.rand(2, 1, 4, 4), torch.rand(3, 2, 1, 4, 4), "abc")
        >>> [axis.get_title() for axis in figure.axes[:4]]
        ['style of', 'a', 'b', 'c']
    """
    if len(classes) != len(answers):
        raise ValueError(f"There are {len(classes)} names for the {len(answers)} classes drawn.")
    rows, columns = len(images), len(answers) + 1
    figure, axes = new_figure(
        rows,
        columns,
        size=(size * (columns + 0.6), size * rows + 0.4),
        width_ratios=[1.6, *[1] * (columns - 1)],
    )
    for row, image in enumerate(images):
        line = axes[row * columns : (row + 1) * columns]
        for axis, shown in zip(line, [image, *answers[:, row]], strict=True):
            axis.set_axis_off()
            show_image(axis, shown)
    for axis, name in zip(axes[:columns], ["style of", *classes], strict=True):
        axis.set_title(name, fontsize=9, pad=3)
    return figure


def asked_and_seen(
    images: torch.Tensor,
    asked: torch.Tensor,
    seen: torch.Tensor,
    classes: Sequence[str],
    *,
    size: float = 0.55,
) -> Figure:
    """Draw one row per class that was asked for; name what an image looks like if it is another.

    Args:
        images: N×C×H×W in [0, 1], equally many of each class.
        asked: N, the classes that were asked for.
        seen: N, the classes that a judge sees.
        classes: Names of the classes.
        size: Inches per image.

    Raises:
        ValueError: If one class has more images than another.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import asked_and_seen
        >>> asked, seen = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1])
        >>> figure = asked_and_seen(torch.rand(4, 1, 4, 4), asked, seen, ["a", "b"])
        >>> [axis.get_title() for axis in figure.axes]
        ['', '→ b', '', '']
    """
    counts = asked.unique(return_counts=True)[1].tolist()
    if len(set(counts)) != 1:
        raise ValueError(f"Each class needs as many images as the others, not {counts}.")
    columns, rows = counts[0], len(counts)
    order = asked.argsort(stable=True)
    figure, axes = new_figure(
        rows, columns, size=(size * columns + 0.6, size * 1.25 * rows), gridspec_kw={"hspace": 0.1}
    )
    for axis, position in zip(axes, order.tolist(), strict=True):
        show_image(axis, images[position])
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        for spine in axis.spines.values():
            spine.set_visible(False)
        if seen[position] != asked[position]:
            axis.set_title(f"→ {classes[int(seen[position])]}", fontsize=8, pad=2, color=COLOURS[1])
    for row in range(rows):
        name = classes[int(asked[order[row * columns]])]
        axes[row * columns].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    return figure


def beliefs(
    images: torch.Tensor,
    believed: Mapping[str, torch.Tensor],
    classes: Sequence[str],
    *,
    size: float = 1.6,
) -> Figure:
    """Draw one column per image: the image above, below it what is believed about it, as bars.

    Args:
        images: B×C×H×W in [0, 1].
        believed: Name, such as a temperature, to B×K probabilities; one row of panels per name.
        classes: K names, under the bars.
        size: Inches per column.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import beliefs
        >>> figure = beliefs(torch.rand(2, 1, 4, 4), {"T = 1": torch.rand(2, 3)}, "abc")
        >>> len(figure.axes)
        4
    """
    columns, rows = len(images), 1 + len(believed)
    figure, axes = new_figure(
        rows, columns, size=(size * columns + 0.6, 1.25 * rows), sharey="row", sharex="row"
    )
    for axis, image in zip(axes[:columns], images, strict=True):
        axis.set_axis_off()
        show_image(axis, image)
    for row, (name, table) in enumerate(believed.items(), start=1):
        panels = axes[row * columns : (row + 1) * columns]
        for axis, belief in zip(panels, table, strict=True):
            axis.bar(range(len(classes)), belief.tolist(), color=look(row - 1)[0])
            axis.set_xticks(range(len(classes)), classes, fontsize=7)
            axis.tick_params(axis="y", labelsize=7)
        panels[0].set_ylabel(name, fontsize=9)
    return figure


def show_image(axis: Axes, image: torch.Tensor) -> None:
    """Draw one image on axes.

    Args:
        axis: Where to draw.
        image: C×H×W in [0, 1], one or three channels; values outside are clipped.

    Raises:
        ValueError: If the pixels are integers, or there are other than one or three channels.

    Example:
        >>> import torch
        >>> from latent_transfer.figures import new_figure
        >>> from latent_transfer.figures.images import show_image
        >>> figure, (axis,) = new_figure()
        >>> show_image(axis, torch.rand(3, 4, 4))
        >>> axis.images[0].get_array().shape
        (4, 4, 3)
    """
    if not image.is_floating_point() or image.dim() != 3 or image.shape[0] not in (1, 3):
        raise ValueError(
            "A picture needs floating-point pixels in [0, 1] with one or three channels, C×H×W, "
            f"not {image.dtype} of shape {tuple(image.shape)}."
        )
    pixels = image.detach().float().cpu().clamp(0, 1)
    if pixels.shape[0] == 1:
        axis.imshow(pixels[0].numpy(), cmap="gray", vmin=0, vmax=1)
    else:
        axis.imshow(pixels.permute(1, 2, 0).numpy())


def _side_by_side(images: torch.Tensor, columns: int) -> torch.Tensor:
    """N×C×H×W to one C×H×W' with white between the images and in the place of missing ones."""
    # Separate axes for every image would take seconds to lay out and draw.
    gap = max(1, images.shape[-1] // 14)
    missing = images.new_ones(columns - len(images), *images.shape[1:])
    spaced = pad(torch.cat([images, missing]), (0, gap), value=1)
    return spaced.permute(1, 2, 0, 3).flatten(2)[..., :-gap]
