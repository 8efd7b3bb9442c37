"""What a decoder's output means: the distribution p(x | z) over pixels, counts or classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import log

import torch
from torch import nn

from latent_transfer.densities import (
    bernoulli_log_density,
    gaussian_log_density,
    multinomial_log_density,
)
from latent_transfer.nets.recipes import remembers


class Likelihood(nn.Module, ABC):
    """A distribution over images, given the decoder's output; subclasses say which.

    Called like a module, it gives the expected image.

    Example:
        >>> from math import log
        >>> from latent_transfer.models import Likelihood, mlp_vae
        >>> class Laplace(Likelihood):
        ...     def log_density(self, output, images):
        ...         return -(images - output).abs().flatten(-3).sum(-1) - images[0].numel() * log(2)
        ...
        ...     def mean(self, output):
        ...         return output
        >>> mlp_vae((1, 8, 8), (16,), 2, likelihood=Laplace()).generate(5).shape
        torch.Size([5, 1, 8, 8])
    """

    @abstractmethod
    def log_density(self, output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return log p(x | output) in nats per image: …×B×C×H×W and B×C×H×W to …×B."""

    @abstractmethod
    def mean(self, output: torch.Tensor) -> torch.Tensor:
        """Return the expected image, …×C×H×W."""

    def forward(self, output: torch.Tensor) -> torch.Tensor:
        """Return the expected image, …×C×H×W; see :meth:`mean`."""
        return self.mean(output)


@remembers
class BernoulliLikelihood(Likelihood):
    """Each pixel is a coin; the decoder's output is its logit.

    Example:
        >>> import torch
        >>> from latent_transfer.models import BernoulliLikelihood
        >>> logits, images = torch.zeros(5, 1, 2, 2), torch.ones(5, 1, 2, 2)
        >>> BernoulliLikelihood().log_density(logits, images)[0]  # 4·log ½
        tensor(-2.7726)
    """

    def log_density(self, output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """See :func:`latent_transfer.densities.bernoulli_log_density`."""
        return bernoulli_log_density(output, images)

    def mean(self, output: torch.Tensor) -> torch.Tensor:
        """Return pixel probabilities."""
        return torch.sigmoid(output)


@remembers
class GaussianLikelihood(Likelihood):
    """Each pixel is Gaussian around the decoder's output, with one variance for all pixels.

    Args:
        std: Standard deviation to start from, in units of the pixel range [0, 1].
        learned: Whether the variance is a parameter; a fixed one makes the loss a scaled
            squared error.

    Example:
        >>> import torch
        >>> from latent_transfer.models import GaussianLikelihood
        >>> images = torch.rand(5, 1, 2, 2)
        >>> GaussianLikelihood(std=1.0).log_density(images, images)[0]  # −4·½·log 2π
        tensor(-3.6758, ...)
    """

    log_variance: torch.Tensor

    def __init__(self, std: float = 1.0, *, learned: bool = True) -> None:
        super().__init__()
        if not std > 0:
            raise ValueError(f"A standard deviation must be positive, not {std}.")
        self.log_variance = nn.Parameter(torch.tensor(2 * log(std)), requires_grad=learned)

    def log_density(self, output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return log N(x; output, σ²) summed over pixels, in nats per image."""
        output = output.to(images.dtype)  # under bfloat16 autocast the sum still runs in float32
        return gaussian_log_density(images, output, self.log_variance).flatten(-3).sum(-1)

    def mean(self, output: torch.Tensor) -> torch.Tensor:
        """Return the decoder's output itself."""
        return output


@remembers
class PredictedGaussianLikelihood(Likelihood):
    """Each element is Gaussian; the decoder predicts all means, then all log-variances.

    The axis after the batch is split in two: the decoder's output is …×B×2C×… for inputs of B×C×….

    Example:
        >>> import torch
        >>> from latent_transfer.models import PredictedGaussianLikelihood
        >>> vectors = torch.zeros(5, 3)
        >>> PredictedGaussianLikelihood().log_density(torch.zeros(5, 6), vectors)[0]
        tensor(-2.7568)
    """

    def log_density(self, output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return log N(x; mean, variance) summed over each input, in nats."""
        axes = images.dim() - 1  # of one input
        mean, log_variance = output.to(images.dtype).chunk(2, dim=-axes)
        return gaussian_log_density(images, mean, log_variance).flatten(-axes).sum(-1)

    def mean(self, output: torch.Tensor) -> torch.Tensor:
        """Return the predicted means of vectors, …×C: the first half of the last axis."""
        return output.chunk(2, dim=-1)[0]


@remembers
class MultinomialLikelihood(Likelihood):
    """Counts, of the words of a text say; the decoder's outputs are the logits of one draw.

    How many draws there were, N, is no part of the model: it is taken from the counts.

    Example:
        >>> import torch
        >>> from latent_transfer.models import MultinomialLikelihood
        >>> counts = torch.tensor([1.0, 1.0]).view(1, 2, 1, 1)  # two words, each once
        >>> MultinomialLikelihood().log_density(torch.zeros(1, 2, 1, 1), counts).exp()
        tensor([0.5000])
    """

    def log_density(self, output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """See :func:`latent_transfer.densities.multinomial_log_density`."""
        return multinomial_log_density(output, images)

    def mean(self, output: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of one draw, …×V×1×1; expect N times that of N draws."""
        return output.flatten(-3).softmax(-1).view_as(output)


@remembers
class CategoricalLikelihood(Likelihood):
    """A label; the decoder's output holds the logits of the classes.

    Example:
        >>> import torch
        >>> from latent_transfer.models import CategoricalLikelihood
        >>> CategoricalLikelihood().log_density(torch.zeros(3, 4), torch.tensor([0, 1, 2])).exp()
        tensor([0.2500, 0.2500, 0.2500])
    """

    def log_density(self, output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return log p(label) in nats: …×B×K and labels B to …×B."""
        labels = images.expand(output.shape[:-1])[..., None]  # …×B×1
        return output.log_softmax(-1).gather(-1, labels).squeeze(-1)

    def mean(self, output: torch.Tensor) -> torch.Tensor:
        """Return probabilities of the classes, …×K."""
        return output.softmax(-1)
