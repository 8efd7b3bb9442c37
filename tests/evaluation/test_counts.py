from __future__ import annotations

import pytest
import torch

from latent_transfer.data import Table
from latent_transfer.evaluation import unigram, unigram_perplexity, vae_perplexity
from latent_transfer.models import MultinomialLikelihood, mlp_vae


def documents() -> Table:
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(0, 4, (12, 6), generator=generator)
    return Table.from_values(counts, torch.zeros(12).long(), ("one",))


def test_unigram_is_the_smoothed_share():
    shares = unigram(documents(), torch.full((6,), 0.5)).exp()
    totals = documents().values.sum(0)
    assert torch.allclose(shares, (totals + 0.5) / (totals.sum() + 3))
    assert shares.sum() == pytest.approx(1)


def test_a_decoder_that_ignores_the_latents_is_a_unigram():
    table = documents()
    log_shares = unigram(table, torch.ones(6))
    vae = mlp_vae((6, 1, 1), (), 2, likelihood=MultinomialLikelihood())
    for part in (vae.encoder, vae.decoder):
        for parameter in part.parameters():
            parameter.data.zero_()  # q = prior, and no word depends on z
    vae.decoder.layers[-1].bias.data = log_shares
    wanted = unigram_perplexity(log_shares, table)
    assert vae_perplexity(vae, table, samples=3) == pytest.approx(wanted, rel=1e-5)


def test_the_best_unigram_is_that_of_the_documents_themselves():
    table = documents()
    own = unigram_perplexity(unigram(table, torch.full((6,), 1e-6)), table)
    even = unigram_perplexity(torch.zeros(6).log_softmax(0), table)
    assert own < even
    assert even == pytest.approx(6)


def test_the_seed_decides_the_perplexity_of_a_vae():
    torch.manual_seed(0)
    vae = mlp_vae((6, 1, 1), (4,), 2, likelihood=MultinomialLikelihood())
    first, again, other = (vae_perplexity(vae, documents(), samples=2, seed=s) for s in (0, 0, 1))
    assert first == again != other
