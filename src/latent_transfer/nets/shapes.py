"""Image shapes, and the one sentence a reader gets when a batch does not fit a net."""

from __future__ import annotations

import torch

Shape = tuple[int, int, int]  # C, H, W


def check_images(images: torch.Tensor, shape: Shape) -> None:
    """Refuse images that a net was not built for.

    Args:
        images: B×C×H×W.
        shape: C, H, W that the net takes.

    Raises:
        ValueError: Naming both shapes and the call that mends it; or integers, which are no pixels.

    Example:
        >>> import torch
        >>> from latent_transfer.nets.shapes import check_images
        >>> check_images(torch.rand(5, 1, 28, 28), (1, 28, 28))
        >>> check_images(torch.rand(5, 1, 28, 28), (3, 28, 28))
        Traceback (most recent call last):
        ValueError: This net takes batches of 3×28×28 images (channels×height×width), not ...
    """
    if not images.is_floating_point():
        raise ValueError(
            f"This net takes floating-point pixels in [0, 1], not {images.dtype}; "
            "ImageSet.pixels and ImageSet.batches give them."
        )
    if tuple(images.shape[1:]) == tuple(shape) and images.dim() == 4:
        return
    raise ValueError(
        f"This net takes batches of {spell(shape)} images (channels×height×width), "
        f"not a tensor of shape {spell(tuple(images.shape))}; {_advice(images, shape)}."
    )


def check_codes(codes: torch.Tensor, size: int) -> None:
    """Refuse codes of another size than the decoder takes.

    Raises:
        ValueError: Naming both sizes.

    Example:
        >>> import torch
        >>> from latent_transfer.nets.shapes import check_codes
        >>> check_codes(torch.rand(5, 3), 8)
        Traceback (most recent call last):
        ValueError: This decoder takes codes of size 8 (…×8), not a tensor of shape 5×3.
    """
    if codes.dim() < 2 or codes.shape[-1] != size:
        raise ValueError(
            f"This decoder takes codes of size {size} (…×{size}), "
            f"not a tensor of shape {spell(tuple(codes.shape))}."
        )


def spell(shape: tuple[int, ...]) -> str:
    """Write ``(1, 28, 28)`` as ``1×28×28``.

    Example:
        >>> from latent_transfer.nets.shapes import spell
        >>> spell((1, 28, 28))
        '1×28×28'
    """
    return "×".join(str(size) for size in shape) or "scalar"


def _advice(images: torch.Tensor, shape: Shape) -> str:
    if images.dim() != 4:
        return "add the batch dimension with images[None] or take a batch from ImageSet.batches"
    channels, height, width = images.shape[1:]
    if channels != shape[0]:
        convert = {
            1: "convert the data set with .grey() or ",
            3: "convert the data set with .rgb() or ",
        }
        return f"{convert.get(shape[0], '')}build the net for {channels} channels"
    size = shape[1] if shape[1] == shape[2] else shape[1:]
    return f"resize the data set with .resize({size}) or build the net for {height}×{width}"
