"""NADE: the exact probability of a binary image, one pixel after the other."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import nn

from latent_transfer.densities import bernoulli_log_density
from latent_transfer.nets.recipes import remembers
from latent_transfer.nets.shapes import Shape, check_images

# Pixels whose hidden units are computed together: few enough for a batch of 100 and 500 units to
# stay in a core's cache, enough to be worth a call.
PIXELS_AT_ONCE = 8


@remembers
class NADE(nn.Module):
    """The neural autoregressive distribution estimator of Larochelle & Murray (2011).

    p(x) = Π_d p(x_d | x_<d): each pixel, in raster order and channel after channel, is a coin
    whose logit b_d + V_d·σ(c + Σ_{i<d} x_i·W_i) is a one-layer net of the pixels before it. All
    these nets share W and c. Called with images, the model gives these logits.

    Args:
        shape: C, H, W of the images; P = C·H·W.
        hidden: H, hidden units.

    Example:
        >>> import torch
        >>> from latent_transfer.models import NADE
        >>> nade = NADE((1, 2, 2), hidden=5)
        >>> every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4).view(16, 1, 2, 2)
        >>> round(nade.log_density(every).exp().sum().item(), 4)  # all images there are
        1.0
    """

    def __init__(self, shape: Shape = (1, 28, 28), hidden: int = 500) -> None:
        super().__init__()
        self.shape, self.hidden = shape, hidden
        pixels = prod(shape)
        self.input_weight = nn.Parameter(0.01 * torch.randn(pixels, hidden))  # W
        self.input_bias = nn.Parameter(torch.zeros(hidden))  # c
        self.output_weight = nn.Parameter(0.01 * torch.randn(pixels, hidden))  # V
        self.output_bias = nn.Parameter(torch.zeros(pixels))  # b

    def conditionals(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of p(x_d = 1 | x_<d) for every pixel of every image: B×C×H×W to B×C×H×W.

        The memory is that of B·P·H numbers while gradients are wanted. The arithmetic is that of
        the images' precision, under autocast too.

        Raises:
            ValueError: If the images have another shape or pixels other than 0 and 1.
        """
        check_images(images, self.shape)
        _check_binary(images)
        with torch.autocast(images.device.type, enabled=False):
            logits: torch.Tensor = _Conditionals.apply(  # type: ignore[no-untyped-call]
                images.flatten(1), self.input_weight, self.input_bias, self.output_weight
            )
        return (logits + self.output_bias).unflatten(1, self.shape)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of every pixel given those before it, B×C×H×W; see :meth:`conditionals`."""
        return self.conditionals(images)

    def log_density(self, images: torch.Tensor) -> torch.Tensor:
        """Return log p(x) = Σ_d log p(x_d | x_<d), exactly, in nats per image: B×C×H×W to B.

        Equation: eq-nade (Larochelle & Murray 2011).

        Raises:
            ValueError: If the images have another shape or pixels other than 0 and 1.
        """
        return bernoulli_log_density(self(images), images)

    def generate(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return ``count`` draws from p(x), pixel after pixel: binary images, count×C×H×W."""
        nothing = self.output_bias.new_zeros(count, *self.shape)
        return self.complete(nothing, 0, generator)

    @torch.no_grad()
    def complete(
        self, images: torch.Tensor, known: int, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Keep the first ``known`` pixels of each image and draw the others given them.

        Args:
            images: B×C×H×W, binary; what comes after the known pixels does not matter.
            known: From 0, which makes it :meth:`generate`, to P.
            generator: On the CPU, so that one seed gives the same images on every device.

        Returns:
            Binary images, B×C×H×W, drawn from p(x_≥known | x_<known).

        Raises:
            ValueError: If the images have another shape or known pixels other than 0 and 1, or
                there are not that many pixels.
        """
        check_images(images, self.shape)
        pixels = images.flatten(1).clone()  # B×P
        count, size = pixels.shape
        if not 0 <= known <= size:
            raise ValueError(f"Of {size} pixels, 0 to {size} can be known, not {known}.")
        _check_binary(pixels[:, :known])
        chances = torch.rand(size - known, count, generator=generator).to(pixels)
        active = self.input_bias + pixels[:, :known] @ self.input_weight[:known]  # B×H
        for pixel in range(known, size):
            logits = torch.sigmoid(active) @ self.output_weight[pixel] + self.output_bias[pixel]
            pixels[:, pixel] = (chances[pixel - known] < torch.sigmoid(logits)).to(pixels)  # B
            active.addr_(pixels[:, pixel], self.input_weight[pixel])
        return pixels.unflatten(1, self.shape)


class _Conditionals(torch.autograd.Function):
    """V_d·σ(c + Σ_{i<d} x_i·W_i) for all d: B×P, P×H, H, P×H to B×P.

    A few pixels at once: what earlier chunks add is carried along, what the chunk's own pixels add
    to those after them is a small matrix product. Written out with its gradient, this takes half
    of the time that recorded operations would.
    """

    @staticmethod
    def forward(ctx: Any, pixels: Any, weight: Any, bias: Any, output_weight: Any) -> Any:
        active = bias.repeat(len(pixels), 1)  # B×H, before the nonlinearity
        logits = pixels.new_empty(pixels.shape[1], len(pixels))  # P×B
        kept = []
        for start, inputs in _chunks(pixels):
            chunk = slice(start, start + len(inputs))
            hidden = active + inputs @ weight[chunk]  # T×B×H
            hidden.sigmoid_()
            logits[chunk] = torch.bmm(hidden, output_weight[chunk, :, None])[..., 0]
            active.addmm_(pixels[:, chunk], weight[chunk])
            kept.append(hidden)
        ctx.save_for_backward(pixels, weight, output_weight, *kept)
        return logits.T

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        pixels, weight, output_weight, *kept = ctx.saved_tensors
        of_weight, of_output = torch.empty_like(weight), torch.empty_like(weight)
        later = pixels.new_zeros(len(pixels), weight.shape[1])  # B×H: from the pixels after these
        gradient = gradient.T.contiguous()  # P×B
        for start, inputs in reversed(_chunks(pixels)):
            chunk, hidden = slice(start, start + len(inputs)), kept.pop()
            of_output[chunk] = torch.bmm(gradient[chunk, None], hidden)[:, 0]
            slope = torch.addcmul(hidden, hidden, hidden, value=-1)  # T×B×H: h − h²
            slope *= gradient[chunk, :, None]
            slope *= output_weight[chunk, None]
            within = inputs.flatten(0, 1).T @ slope.flatten(0, 1)  # T×H
            of_weight[chunk] = torch.addmm(within, pixels[:, chunk].T, later)
            later += slope.sum(0)
        return None, of_weight, later.sum(0), of_output


def _chunks(pixels: torch.Tensor) -> list[tuple[int, torch.Tensor]]:
    """For each chunk its first pixel, and T×B×T what each of its T pixels sees of the chunk."""
    earlier = torch.ones(PIXELS_AT_ONCE, PIXELS_AT_ONCE).to(pixels).tril(-1)[:, None]  # T×1×T
    return [
        (number * PIXELS_AT_ONCE, chunk * earlier[: chunk.shape[1], :, : chunk.shape[1]])
        for number, chunk in enumerate(pixels.split(PIXELS_AT_ONCE, dim=1))
    ]


def _check_binary(pixels: torch.Tensor) -> None:
    if not ((pixels == 0) | (pixels == 1)).all():
        raise ValueError(
            "NADE is a distribution of binary pixels, 0 or 1; draw them with "
            "ImageSet.binarized(generator), or with fit(..., binarize=True)."
        )
