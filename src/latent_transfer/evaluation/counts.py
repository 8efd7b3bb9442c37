"""How well a model predicts words that are only counted."""

from __future__ import annotations

from math import exp

import torch

from latent_transfer.data import Table
from latent_transfer.densities import log_arrangements, multinomial_log_density
from latent_transfer.evaluation._checks import check_finite
from latent_transfer.evaluation.likelihood import log_likelihoods
from latent_transfer.models import HasPosterior


def perplexity(log_densities: torch.Tensor, counts: torch.Tensor) -> float:
    """Return exp(−(Σ log p(x) − log arrangements) / number of words): as unsure as among so many.

    The number of orders in which the words of a document can stand is taken out, so that what is
    left is the probability of the words one after the other, whatever the document's length.

    Equation: eq-perplexity.

    Args:
        log_densities: Log p(x) of each document as counts, in nats, N.
        counts: The documents, N×V×1×1.

    Raises:
        ValueError: If there is not one finite log-density for each document, or no word.

    Example:
        >>> import torch
        >>> from latent_transfer.evaluation import perplexity
        >>> counts = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 4, 1, 1)  # one word of four
        >>> round(perplexity(torch.tensor([0.25]).log(), counts), 3)
        4.0
    """
    if log_densities.shape != counts.shape[:1] or not counts.sum() > 0:
        raise ValueError(
            "Each document needs one log-density, and there must be at least one word, "
            f"not {tuple(log_densities.shape)} log-densities for counts of {tuple(counts.shape)}."
        )
    check_finite("Log-densities", log_densities)
    in_order = log_densities.double() - log_arrangements(counts.double())
    return exp(-(in_order.sum() / counts.double().sum()).item())


def vae_perplexity(
    model: HasPosterior, documents: Table, *, samples: int = 100, seed: int = 0
) -> float:
    """Return the perplexity of a VAE of counts, log p(x) by importance sampling: an upper bound.

    Args:
        model: A VAE with a multinomial likelihood.
        documents: Usually the test documents.
        samples: Draws of z a document.
        seed: Decides the draws.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Table
        >>> from latent_transfer.evaluation import vae_perplexity
        >>> from latent_transfer.models import MultinomialLikelihood, mlp_vae
        >>> texts = Table.from_values(
        ...     torch.tensor([[3, 1], [0, 2]]), torch.tensor([0, 0]), ("any",)
        ... )
        >>> vae = mlp_vae((2, 1, 1), (8,), 2, likelihood=MultinomialLikelihood())
        >>> vae_perplexity(vae, texts) > 1
        True
    """
    log_densities = log_likelihoods(model, documents, samples=samples, seed=seed)
    return perplexity(log_densities, documents.pixels())


def unigram_perplexity(log_shares: torch.Tensor, documents: Table) -> float:
    """Return the perplexity of one distribution of words for all documents.

    Args:
        log_shares: Log-probabilities of the V words, V.
        documents: Usually the test documents.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Table
        >>> from latent_transfer.evaluation import unigram_perplexity
        >>> texts = Table.from_values(
        ...     torch.tensor([[3, 1], [0, 2]]), torch.tensor([0, 0]), ("any",)
        ... )
        >>> round(unigram_perplexity(torch.tensor([0.5, 0.5]).log(), texts), 3)
        2.0
    """
    counts = documents.pixels().double()  # N×V×1×1
    logits = log_shares.double().view(-1, 1, 1).expand_as(counts)
    return perplexity(multinomial_log_density(logits, counts), counts)


def unigram(documents: Table, prior: torch.Tensor) -> torch.Tensor:
    """Return log-shares of the words in some documents, V, smoothed by words seen beforehand.

    It is the mean of the posterior under a Dirichlet prior.

    Args:
        documents: At least one.
        prior: How often each word counts as seen beforehand, all above 0: V.

    Raises:
        ValueError: If the prior does not fit the words, or is not above 0.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Table
        >>> from latent_transfer.evaluation import unigram
        >>> texts = Table.from_values(
        ...     torch.tensor([[3, 1], [0, 2]]), torch.tensor([0, 0]), ("any",)
        ... )
        >>> unigram(texts, torch.ones(2)).exp()
        tensor([0.5000, 0.5000])
    """
    if prior.shape != documents.values.shape[1:] or not (prior > 0).all():
        raise ValueError(
            f"The prior counts each of {documents.values.shape[1]} words, all above 0; "
            f"it has the shape {tuple(prior.shape)}."
        )
    counts = documents.values.sum(0) + prior
    return (counts / counts.sum()).log()
