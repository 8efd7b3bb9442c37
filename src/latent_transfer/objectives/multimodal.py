"""The bound of a VAE of several modalities, and its average over what might be missing."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from latent_transfer.models.product_of_experts import Modalities, MultimodalVAE
from latent_transfer.objectives.reconstruction import Terms
from latent_transfer.objectives.variational import elbo, gaussian_kl


def multimodal_bound(
    model: MultimodalVAE,
    modalities: Modalities,
    present: torch.Tensor | None = None,
    *,
    seen: torch.Tensor | None = None,
    weights: Sequence[float] | None = None,
    beta: float = 1.0,
) -> torch.Tensor:
    """E_q[Σ_m λ_m·log p(x_m | z)] − β·KL(q ‖ p(z)), the sum over the modalities that are there.

    Here q = q(z | what is seen) is the product of the experts of those modalities that are seen:
    all that are there, or fewer. Whichever they are, with weights of 1 and β ≥ 1 this is at most
    log p(what is there), because any q makes a bound. The expectation is taken at one draw of z.

    Equation: eq-multimodal-bound (Wu & Goodman 2018, where all that is there is seen).

    Args:
        model: A multimodal VAE.
        modalities: B×… each, or ``None``.
        present: M×B booleans, false where a modality is missing; nothing is if left out.
        seen: M×B booleans, what q may look at; all that is there if left out.
        weights: λ, one a modality; above 1 for one of few nats, such as a label beside an image.
        beta: Weight of the KL.

    Returns:
        B, in nats; 0 for an input of which nothing is there and nothing is seen.
    """
    present = model.presence(modalities, present)
    posterior = model.posterior(modalities, present if seen is None else present & seen)
    log_likelihood = model.log_likelihood(modalities, posterior.rsample(), present)  # M×B
    scale = log_likelihood.new_tensor([1.0] * len(modalities) if weights is None else list(weights))
    return elbo((scale[:, None] * log_likelihood).sum(0), gaussian_kl(*posterior), beta)


def multimodal_loss(
    model: MultimodalVAE,
    modalities: Modalities,
    present: torch.Tensor | None = None,
    *,
    across: bool = True,
    weights: Sequence[float] | None = None,
    beta: float = 1.0,
) -> Terms:
    """Minus the bounds of all that is there together and of each modality alone, a batch mean.

    An input with a single modality has one bound. One with several has their joint bound, and
    besides one for each modality that q sees alone: with ``across`` it has to explain the others
    too, without it only itself (the sub-sampled objective of Wu & Goodman 2018).

    Args:
        model: A multimodal VAE.
        modalities: B×… each, or ``None``.
        present: As for :func:`multimodal_bound`.
        across: Whether a modality that is seen alone has to explain all that is there.
        weights: As for :func:`multimodal_bound`.
        beta: Weight of the KL.

    Returns:
        ``loss``, and its parts: ``together`` and ``alone``, in nats per input.
    """
    present = model.presence(modalities, present)
    several = present.sum(0) > 1  # B
    together = -_bounds(model, modalities, present, present, several, weights, beta)
    alone = torch.zeros_like(together)
    for number, rows in enumerate(present):
        seen = torch.zeros_like(present)
        seen[number] = rows
        explained = present if across else seen
        alone = alone - _bounds(model, modalities, explained, seen, rows, weights, beta)
    return {"loss": together + alone, "together": together, "alone": alone}


def _bounds(
    model: MultimodalVAE,
    modalities: Modalities,
    present: torch.Tensor,
    seen: torch.Tensor,
    rows: torch.Tensor,
    weights: Sequence[float] | None,
    beta: float,
) -> torch.Tensor:
    """The bounds of some rows, summed and divided by the number of all rows."""
    chosen = [None if x is None else x[rows] for x in modalities]
    bound = multimodal_bound(
        model, chosen, present[:, rows], seen=seen[:, rows], weights=weights, beta=beta
    )
    return bound.sum() / len(rows)
