from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional

from latent_transfer.models import CategoricalLikelihood, MultinomialLikelihood


def test_multinomial_sums_to_one_over_all_counts():
    words, draws = 3, 4
    every = [c for c in product(range(draws + 1), repeat=words) if sum(c) == draws]
    counts = torch.tensor(every).double()[:, :, None, None]
    logits = torch.tensor([0.3, -1.0, 2.0]).double().view(3, 1, 1).expand_as(counts)
    assert MultinomialLikelihood().log_density(logits, counts).exp().sum() == pytest.approx(1)
    mean = MultinomialLikelihood().mean(logits)
    assert mean.shape == logits.shape
    assert torch.allclose(mean[0].flatten(), torch.tensor([0.3, -1.0, 2.0]).double().softmax(0))


@pytest.mark.parametrize("bad", [-1.0, 0.5])
def test_multinomial_takes_counts_only(bad):
    counts = torch.ones(2, 3, 1, 1)
    counts[1, 2] = bad
    with pytest.raises(ValueError, match="neither standardised nor turned into shares"):
        MultinomialLikelihood().log_density(torch.zeros(2, 3, 1, 1), counts)


def test_categorical_is_minus_the_cross_entropy():
    logits, labels = torch.randn(4, 5), torch.tensor([0, 4, 2, 2])
    likelihood = CategoricalLikelihood()
    wanted = -functional.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(likelihood.log_density(logits, labels), wanted, atol=1e-6)
    stacked = likelihood.log_density(logits.expand(3, 4, 5), labels)
    assert torch.allclose(stacked, wanted.expand(3, 4), atol=1e-6)
    assert torch.allclose(likelihood.mean(logits), logits.softmax(-1))
