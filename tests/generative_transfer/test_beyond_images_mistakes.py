"""The chapter's common mistakes, guarded: each would make one of these tests fail."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from latent_transfer.data import Table, load_table
from latent_transfer.evaluation import balanced_error, classification_error
from latent_transfer.models import MultinomialLikelihood, mlp_multimodal_vae
from latent_transfer.objectives import multimodal_loss


def test_standardising_with_the_test_data_hides_what_is_unusual():
    measured, tumours = (load_table("breast_cancer", standardise=s) for s in (False, True))
    classifier = LogisticRegression(max_iter=5000)
    classifier.fit(tumours.train.values.numpy(), tumours.train.labels.numpy())
    practice = measured.test.only(["malignant"])
    right, own = (
        (classifier.predict(practice.standardised(by).values.numpy()) != 0).mean()
        for by in (measured.train, practice)
    )
    assert right < 0.12
    assert own > 0.3
    # the loader takes the training part's scale for both parts
    assert torch.allclose(tumours.test.values, measured.test.standardised(measured.train).values)


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.0, 1.0]))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(rows), 2)


def test_accuracy_rewards_finding_nobody_where_one_class_is_rare():
    labels = (torch.arange(100) >= 5).long()
    screened = Table.from_values(torch.randn(100, 3), labels, ("malignant", "benign"))
    assert classification_error(Constant(), screened).mean == pytest.approx(5)
    assert balanced_error(Constant(), screened) == pytest.approx(50)


def test_zeros_for_a_missing_modality_are_not_the_same_as_leaving_it_out():
    torch.manual_seed(0)
    model = mlp_multimodal_vae([(1, 2, 2), 3], (4,), 2)
    labels = torch.tensor([1, 2])
    left_out = model.posterior((None, labels))
    zeros = model.posterior((torch.zeros(2, 1, 2, 2), labels))
    assert (zeros.log_variance < left_out.log_variance).all()  # zeros have an opinion
    # and the loss neither sees nor explains what the mask hides, whatever stands there
    present = torch.tensor([[False, False], [True, True]])
    losses = []
    for pixels in (torch.zeros(2, 1, 2, 2), torch.full((2, 1, 2, 2), torch.nan)):
        torch.manual_seed(1)
        losses.append(multimodal_loss(model, (pixels, labels), present)["loss"])
    assert torch.equal(*losses)


def test_standardised_counts_are_refused():
    with pytest.raises(ValueError, match="no counts once standardised"):
        load_table("book_words", standardise=True)
    words = load_table("book_words").train
    seen = (words.values > 0).any(0)
    table = Table.from_values(words.values[:, seen], words.labels, words.classes)
    scaled = table.standardised(table).pixels()
    with pytest.raises(ValueError, match="counts must be whole numbers"):
        MultinomialLikelihood().log_density(torch.zeros_like(scaled), scaled)
