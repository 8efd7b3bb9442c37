"""The bound of a VAE with several modalities, and its sum over what might be missing."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from latent_transfer.models.product_of_experts import Modalities, MultimodalVAE
from latent_transfer.objectives._checks import require_between
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
    """Return E_q[Σ_m λ_m·log p(x_m | z)] − β·KL(q ‖ p(z)), summed over the modalities present.

    Here q = q(z | what is seen) is the product of the experts of the modalities that are seen: all
    that are present, or fewer. With weights of 1 and β ≥ 1 this is at most log p(what is present)
    in either case, because any q gives a bound. The expectation is taken at one draw of z.

    Equation: eq-multimodal-bound (Wu & Goodman 2018, where all that is present is seen).

    Args:
        model: A multimodal VAE.
        modalities: B×… each, or ``None``.
        present: M×B booleans, false where a modality is missing; none is missing if left out.
        seen: M×B booleans, what q may look at; all that is present if left out.
        weights: λ, one per modality; above 1 for one of few nats, such as a label with an image.
        beta: Weight of the KL, at least 0.

    Returns:
        B, in nats; 0 for an input with nothing present and nothing seen.

    Raises:
        ValueError: If there is not one weight per modality, or a weight is negative.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_multimodal_vae
        >>> from latent_transfer.objectives import multimodal_bound
        >>> model = mlp_multimodal_vae([(1, 2, 2), 3], (4,), 2)
        >>> images, labels = torch.ones(4, 1, 2, 2), torch.tensor([0, 1, 2, 0])
        >>> multimodal_bound(model, (images, labels)).shape
        torch.Size([4])
    """
    chosen = [1.0] * len(modalities) if weights is None else list(weights)
    if len(chosen) != len(modalities):
        raise ValueError(
            f"There must be one weight per modality, not {len(chosen)} for {len(modalities)}."
        )
    for value in chosen:
        require_between("Each weight", value)
    require_between("beta", beta)
    present = model.presence(modalities, present)
    posterior = model.posterior(modalities, present if seen is None else present & seen)
    log_likelihood = model.log_likelihood(modalities, posterior.rsample(), present)  # M×B
    scale = log_likelihood.new_tensor(chosen)[:, None]  # M×1
    return elbo((scale * log_likelihood).sum(0), gaussian_kl(*posterior), beta)


def multimodal_loss(
    model: MultimodalVAE,
    modalities: Modalities,
    present: torch.Tensor | None = None,
    *,
    across: bool = True,
    weights: Sequence[float] | None = None,
    beta: float = 1.0,
) -> Terms:
    """Return minus the bounds of all modalities together and of each alone, as batch means.

    An input with a single modality has one bound. One with several has their joint bound, and one
    more for each modality, with a q that sees it alone: with ``across`` it must explain the others
    too, without it only itself (the sub-sampled objective of Wu & Goodman 2018).

    Args:
        model: A multimodal VAE.
        modalities: B×… each, or ``None``.
        present: As for :func:`multimodal_bound`.
        across: Whether a modality that is seen alone must explain all that is present.
        weights: As for :func:`multimodal_bound`.
        beta: Weight of the KL, at least 0.

    Returns:
        ``loss``, and its parts: ``together`` and ``alone``, in nats per input.

    Raises:
        ValueError: As :func:`multimodal_bound`, and for no input at all.

    Example:
        >>> import torch
        >>> from latent_transfer.models import mlp_multimodal_vae
        >>> from latent_transfer.objectives import multimodal_loss
        >>> model = mlp_multimodal_vae([(1, 2, 2), 3], (4,), 2)
        >>> images, labels = torch.ones(4, 1, 2, 2), torch.tensor([0, 1, 2, 0])
        >>> sorted(multimodal_loss(model, (images, labels)))
        ['alone', 'loss', 'together']
    """
    present = model.presence(modalities, present)
    if not present.shape[1]:
        raise ValueError("A loss needs at least one input, but the batch is empty.")
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
    """Return the bounds of some rows, summed and divided by the number of all rows."""
    chosen = [None if x is None else x[rows] for x in modalities]
    bound = multimodal_bound(
        model, chosen, present[:, rows], seen=seen[:, rows], weights=weights, beta=beta
    )
    return bound.sum() / len(rows)
