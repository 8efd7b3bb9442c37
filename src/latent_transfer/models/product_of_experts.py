"""A VAE of several modalities, any of which may be missing: the posterior is a product of experts.

It is the multimodal VAE of Wu & Goodman (2018). Modalities are given in the order of the model's
encoders; one that nobody has is ``None``, and ``present`` says of the others who has them. What is
missing is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from latent_transfer.densities import Gaussian
from latent_transfer.models.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    Likelihood,
)
from latent_transfer.nets import MLPDecoder, MLPEncoder, Shape, dtype_of, fully_connected
from latent_transfer.nets.recipes import remembers

Modalities = Sequence[torch.Tensor | None]


def product_of_experts(experts: Gaussian, present: torch.Tensor | None = None) -> Gaussian:
    """Return the normalised product of N(0, I) and the Gaussians of the experts that are asked.

    Precisions (inverse variances) add up, and the mean is the average of the means weighted by
    precision; the prior counts as an expert of mean 0 and precision 1. Without any other, the
    product is the prior.

    Equation: eq-product-of-experts (Wu & Goodman 2018).

    Args:
        experts: Means and log-variances of M experts, M×…×D.
        present: M×…, false where an expert is left out; all are asked if left out.

    Returns:
        A Gaussian of …×D.

    Example:
        >>> import torch
        >>> from latent_transfer.densities import Gaussian
        >>> from latent_transfer.models import product_of_experts
        >>> one = Gaussian(torch.ones(1, 5, 2), torch.zeros(1, 5, 2))  # N(1, I), M = 1
        >>> product_of_experts(one).mean[0]  # half-way to the prior
        tensor([0.5000, 0.5000])
    """
    precisions = torch.exp(-experts.log_variance)  # M×…×D
    opinions = precisions * experts.mean
    if present is not None:
        # where, not a product: an expert that is left out may be infinite or not a number.
        precisions = torch.where(present[..., None], precisions, 0.0)
        opinions = torch.where(present[..., None], opinions, 0.0)
    precision = 1 + precisions.sum(0)
    return Gaussian(opinions.sum(0) / precision, -precision.log())


@remembers
class MultimodalVAE(nn.Module):
    """p(z) = N(0, I) and modalities that are independent given z; one encoder and decoder each.

    Called with a list of modalities, it gives the parameters of all at the posterior mean.

    Args:
        encoders: One per modality, B×… to B×2D: mean and log-variance of its expert.
        decoders: One per modality, …×D to what its likelihood takes.
        likelihoods: p(x_m | z), one per modality.
        latent_size: D.

    Raises:
        ValueError: If the numbers of encoders, decoders and likelihoods differ.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_multimodal_vae
        >>> vae = mlp_multimodal_vae([(1, 8, 8), 10], (16,), latent_size=2)  # images and labels
        >>> images, labels = vae([None, torch.tensor([3, 7])])  # from labels alone
        >>> images.shape, labels.shape
        (torch.Size([2, 1, 8, 8]), torch.Size([2, 10]))
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        likelihoods: Sequence[Likelihood],
        latent_size: int,
    ) -> None:
        super().__init__()
        if not len(encoders) == len(decoders) == len(likelihoods):
            raise ValueError(
                "Each modality needs an encoder, a decoder and a likelihood, but there are "
                f"{len(encoders)}, {len(decoders)} and {len(likelihoods)}."
            )
        self.encoders, self.decoders = nn.ModuleList(encoders), nn.ModuleList(decoders)
        self.likelihoods = nn.ModuleList(likelihoods)
        self.latent_size = latent_size

    def posterior(self, modalities: Modalities, present: torch.Tensor | None = None) -> Gaussian:
        """Return q(z | the modalities that are there), a Gaussian of B×D; if none, the prior.

        Args:
            modalities: B×… each, or ``None``.
            present: M×B booleans; everything that is not ``None`` if left out.
        """
        present = self.presence(modalities, present)
        experts = [self._expert(number, x, present[number]) for number, x in enumerate(modalities)]
        means, log_variances = zip(*experts, strict=True)
        return product_of_experts(Gaussian(torch.stack(means), torch.stack(log_variances)), present)

    def forward(
        self, modalities: Modalities, present: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        """Return what each likelihood takes, B×… each, at the posterior mean: no noise."""
        latents = self.posterior(modalities, present).mean  # B×D
        return tuple(self.decode(latents, number) for number in range(len(self.decoders)))

    def decode(self, latents: torch.Tensor, modality: int) -> torch.Tensor:
        """Map …×D to the likelihood's parameters of one modality."""
        output: torch.Tensor = self.decoders[modality](latents)
        return output

    def log_likelihood(
        self, modalities: Modalities, latents: torch.Tensor, present: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return log p(x_m | z) in nats for each modality, …×B×D to M×…×B; 0 where it is missing.

        The sum over the first axis is the log-likelihood of all that is there.
        """
        present = self.presence(modalities, present)
        result = []
        for number, x in enumerate(modalities):
            values = latents.new_zeros(latents.shape[:-1])  # …×B
            rows = present[number]
            if x is not None and rows.any():
                output = self.decode(latents[..., rows, :], number)
                values[..., rows] = self._likelihood(number).log_density(output, x[rows])
            result.append(values)
        return torch.stack(result)

    def translate(
        self,
        modalities: Modalities,
        target: int,
        *,
        samples: int = 1,
        present: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the expectation of one modality given others, over draws of z: B×….

        Args:
            modalities: What is known; ``None`` for the rest.
            target: Number of the modality that is wanted.
            samples: Draws of z that are averaged; with one, each result is a single guess.
            present: As for :meth:`posterior`.
        """
        latents = self.posterior(modalities, present).rsample(samples)  # S×B×D
        return self._likelihood(target).mean(self.decode(latents, target)).mean(0)

    def presence(self, modalities: Modalities, present: torch.Tensor | None = None) -> torch.Tensor:
        """Return who has what, M×B booleans: ``present``, with false for each ``None``.

        Raises:
            ValueError: If they are one tensor, their number is another than the model's, all are
                ``None``, or ``present`` has another shape.
        """
        if isinstance(modalities, torch.Tensor):
            raise ValueError(
                "This model takes a list of modalities, None for a missing one, not one tensor."
            )
        given = [x for x in modalities if x is not None]
        if len(modalities) != len(self.encoders) or not given:
            raise ValueError(
                f"This model takes {len(self.encoders)} modalities, None for a missing one, "
                f"and needs at least one of them; it was given {len(modalities)}, "
                f"{len(given)} of them not None."
            )
        there = torch.tensor([x is not None for x in modalities], device=given[0].device)
        shape = (len(modalities), len(given[0]))
        if present is None:
            return there[:, None].expand(shape)
        if tuple(present.shape) != shape or present.dtype != torch.bool:
            raise ValueError(
                f"present must be booleans of shape {shape}, one for each modality and input, "
                f"not {present.dtype} of shape {tuple(present.shape)}."
            )
        return present & there[:, None]

    def _expert(self, number: int, x: torch.Tensor | None, rows: torch.Tensor) -> Gaussian:
        mean = torch.zeros(len(rows), self.latent_size, device=rows.device, dtype=dtype_of(self))
        log_variance = torch.zeros_like(mean)
        if x is not None and rows.any():
            output = self.encoders[number](x[rows]).to(mean.dtype)  # rows×2D
            mean[rows], log_variance[rows] = output.chunk(2, dim=-1)
        return Gaussian(mean, log_variance)

    def _likelihood(self, number: int) -> Likelihood:
        likelihood = self.likelihoods[number]
        assert isinstance(likelihood, Likelihood)
        return likelihood


@remembers
def mlp_multimodal_vae(
    modalities: Sequence[Shape | int],
    hidden: Sequence[int] = (500,),
    latent_size: int = 20,
    *,
    likelihoods: Sequence[Likelihood] | None = None,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> MultimodalVAE:
    """Make a fully connected multimodal VAE of images, rows of tables and labels.

    Args:
        modalities: For each modality the shape C, H, W of its images, or the number of classes of
            a label. The expert of a label is one Gaussian per class, looked up in a table.
        hidden: Hidden widths of the encoders; the decoders mirror them.
        latent_size: D.
        likelihoods: p(x_m | z); if left out, Bernoulli for images and categorical for labels.
        activation: Makes the nonlinearity of the hidden layers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_multimodal_vae
        >>> vae = mlp_multimodal_vae([(1, 8, 8), 10], (16,), latent_size=2)
        >>> vae.translate([torch.rand(5, 1, 8, 8), None], target=1).shape
        torch.Size([5, 10])
    """
    mirrored = tuple(reversed(hidden))
    encoders, decoders, usual = list[nn.Module](), list[nn.Module](), list[Likelihood]()
    for modality in modalities:
        if isinstance(modality, int):
            encoders.append(nn.Embedding(modality, 2 * latent_size))
            decoders.append(fully_connected([latent_size, *mirrored, modality], activation))
            usual.append(CategoricalLikelihood())
        else:
            encoders.append(MLPEncoder(modality, hidden, 2 * latent_size, activation))
            decoders.append(MLPDecoder(latent_size, mirrored, modality, activation))
            usual.append(BernoulliLikelihood())
    return MultimodalVAE(encoders, decoders, likelihoods or usual, latent_size)
