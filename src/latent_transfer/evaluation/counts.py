"""How well a model predicts words that are only counted."""

from __future__ import annotations

from math import exp

import torch

from latent_transfer.data import Table
from latent_transfer.densities import log_arrangements, multinomial_log_density
from latent_transfer.evaluation.likelihood import negative_log_likelihood
from latent_transfer.models import VAE


def perplexity(log_densities: torch.Tensor, counts: torch.Tensor) -> float:
    """exp(−(Σ log p(x) − log arrangements) / number of words): as unsure as among so many words.

    The number of orders in which the words of a document can stand is taken out, so that what is
    left is the probability of the words one after the other, whatever the document's length.

    Equation: eq-perplexity.

    Args:
        log_densities: Log p(x) of each document as counts, in nats, N.
        counts: The documents, N×V×1×1.
    """
    in_order = log_densities.double() - log_arrangements(counts.double())
    return exp(-(in_order.sum() / counts.double().sum()).item())


def vae_perplexity(model: VAE, documents: Table, *, samples: int = 100, seed: int = 0) -> float:
    """Perplexity of a VAE of counts, with log p(x) by importance sampling; an upper bound on it.

    Args:
        model: A VAE with a multinomial likelihood.
        documents: Usually the test documents.
        samples: Draws of z a document.
        seed: Decides the draws.
    """
    surprise = negative_log_likelihood(model, documents, samples=samples, seed=seed)
    counts = documents.pixels()
    return perplexity(torch.tensor([-surprise.mean] * len(counts)), counts)


def unigram_perplexity(log_shares: torch.Tensor, documents: Table) -> float:
    """Perplexity of one distribution of words for all documents.

    Args:
        log_shares: Log-probabilities of the V words, V.
        documents: Usually the test documents.
    """
    counts = documents.pixels().double()  # N×V×1×1
    logits = log_shares.double().view(-1, 1, 1).expand_as(counts)
    return perplexity(multinomial_log_density(logits, counts), counts)


def unigram(documents: Table, prior: torch.Tensor) -> torch.Tensor:
    """Log-shares of the words in some documents, V, smoothed by words seen beforehand.

    It is the mean of the posterior under a Dirichlet prior.

    Args:
        documents: At least one.
        prior: How often each word counts as seen beforehand, all above 0: V.
    """
    counts = documents.values.sum(0) + prior
    return (counts / counts.sum()).log()
