"""The equations of anomaly detection, against models that are known and counting."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import nn

from latent_transfer import evaluation
from latent_transfer.models import VAE, GaussianLikelihood


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.3, log(0.25)]]).expand(len(images), 2)  # mean, log-variance


class _Decoder(nn.Module):
    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return (2 * latents + 1)[..., None, None]


@pytest.mark.equation("eq-reconstruction-probability")
def test_the_reconstruction_probability_of_a_linear_decoder_is_known() -> None:
    # log N(x; 2z + 1, s²) under z ~ N(m, v): a square, whose mean is known.
    model = VAE(_Encoder(), _Decoder(), 1, GaussianLikelihood(0.5, learned=False))
    image = torch.full((1, 1, 1, 1), 0.7)
    torch.manual_seed(0)
    ours = evaluation.reconstruction_probability(model, image, samples=40_000).item()
    square = (0.7 - (2 * 0.3 + 1)) ** 2 + 4 * 0.25
    truth = -0.5 * (log(2 * torch.pi) + log(0.25) + square / 0.25)
    assert ours == pytest.approx(truth, abs=0.05)


@pytest.mark.equation("eq-complexity-correction")
def test_the_correction_is_a_ratio_of_likelihoods() -> None:
    # Against a code for coin flips every image is as long: the order is that of the likelihood.
    probabilities = torch.tensor([0.02, 0.3, 0.07])
    lengths = torch.full((3,), 4 * log(2))  # of four fair bits
    corrected = evaluation.complexity_corrected(-probabilities.log(), lengths)
    torch.testing.assert_close(corrected, (0.5**4 / probabilities).log())


@pytest.mark.equation("eq-auroc")
def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    generator = torch.Generator().manual_seed(0)
    anomalous = torch.randint(6, (40,), generator=generator).float() + 1  # with ties
    normal = torch.randint(6, (70,), generator=generator).float()
    pairs = (anomalous[:, None] > normal).double() + 0.5 * (anomalous[:, None] == normal).double()
    assert evaluation.auroc(anomalous, normal) == pytest.approx(pairs.mean().item())
    turned = evaluation.auroc(-anomalous, -normal)
    assert turned == pytest.approx(1 - pairs.mean().item())


@pytest.mark.parametrize(
    ("anomalous", "normal"),
    [([], [1.0]), ([1.0], []), ([float("nan")], [0.0]), ([1.0], [float("inf")])],
)
def test_scores_that_cannot_be_ordered_are_refused(
    anomalous: list[float], normal: list[float]
) -> None:
    with pytest.raises(ValueError, match="finite scores"):
        evaluation.auroc(torch.tensor(anomalous), torch.tensor(normal))
