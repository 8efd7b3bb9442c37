"""VaDE's mixture prior, against torch.distributions and scikit-learn."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from latent_transfer import evaluation, models
from latent_transfer.data import ImageSet


@pytest.fixture
def vade() -> models.VaDE:
    torch.manual_seed(0)
    model = models.VaDE(models.mlp_vae((1, 4, 4), (6,), 3), 5)
    with torch.no_grad():
        model.weight_logits.normal_()
        model.log_variances.normal_()
    return model


def _mixture(model: models.VaDE) -> MixtureSameFamily:
    parts = Independent(Normal(model.means, torch.exp(0.5 * model.log_variances)), 1)
    return MixtureSameFamily(Categorical(logits=model.weight_logits), parts)


def test_the_prior_is_the_mixture_of_torch_distributions(vade: models.VaDE) -> None:
    latents = torch.randn(7, 4, 3)  # S×B×D
    densities = vade.log_prior(latents)
    assert densities.shape == (7, 4, 5)
    torch.testing.assert_close(densities.logsumexp(-1), _mixture(vade).log_prob(latents))


def test_the_joint_sums_the_clusters_out(vade: models.VaDE) -> None:
    images, latents = torch.rand(4, 1, 4, 4), torch.randn(2, 4, 3)
    expected = vade.log_likelihood(images, latents) + _mixture(vade).log_prob(latents)
    torch.testing.assert_close(vade.log_joint(images, latents), expected)


def test_it_answers_like_a_classifier(vade: models.VaDE) -> None:
    images = torch.rand(6, 1, 4, 4)
    answers = vade(images)
    torch.testing.assert_close(answers.exp().sum(-1), torch.ones(6))
    assert torch.equal(answers, vade.log_responsibilities(vade.posterior(images).mean))


def test_generated_images_come_from_the_named_cluster(vade: models.VaDE) -> None:
    with torch.no_grad():
        vade.log_variances.fill_(-40.0)  # a draw is then the mean
        named = torch.tensor([3, 0, 3])
        drawn = vade.generate(named, torch.Generator().manual_seed(0))
        means = vade.likelihood.mean(vade.decode(vade.means[named]))
    torch.testing.assert_close(drawn, means)


def test_generated_images_are_repeatable_and_spread(vade: models.VaDE) -> None:
    named = torch.zeros(50, dtype=torch.int64)
    first, again = (vade.generate(named, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.std(0).max() > 0


def test_the_mixture_starts_from_codes() -> None:
    torch.manual_seed(0)
    model = models.VaDE(models.mlp_vae((1, 4, 4), (6,), 2), 2)
    narrow = torch.tensor([-4.0, 0.0]) + 0.1 * torch.randn(300, 2)
    wide = torch.tensor([4.0, 1.0]) + torch.tensor([0.5, 2.0]) * torch.randn(900, 2)
    model.start_mixture(torch.cat([narrow, wide]), seed=0)
    order = model.means[:, 0].argsort()
    weights = model.log_weights.exp()[order]
    torch.testing.assert_close(weights, torch.tensor([0.25, 0.75]), atol=1e-3, rtol=0)
    expected = torch.tensor([[-4.0, 0.0], [4.0, 1.0]])
    torch.testing.assert_close(model.means[order].data, expected, atol=0.3, rtol=0)
    spread = torch.exp(0.5 * model.log_variances[order])
    expected = torch.tensor([[0.1, 0.1], [0.5, 2.0]])
    torch.testing.assert_close(spread, expected, atol=0, rtol=0.2)
    assert model.means.requires_grad


def test_what_makes_no_sense_is_refused(vade: models.VaDE) -> None:
    with pytest.raises(ValueError, match="at least one cluster"):
        models.VaDE(vade.vae, 0)
    with pytest.raises(ValueError, match="5 clusters"):
        vade.start_mixture(torch.zeros(4, 3))


def test_its_likelihood_can_be_estimated_like_a_vaes(vade: models.VaDE) -> None:
    # With one cluster at the origin VaDE is a VAE, so that both have the same evidence.
    single = models.VaDE(vade.vae, 1)
    with torch.no_grad():
        single.means.zero_()
    images = ImageSet.from_pixels(torch.rand(5, 1, 4, 4), torch.zeros(5).long(), ("any",))
    values = [
        evaluation.negative_log_likelihood(model, images, samples=50).mean
        for model in (single, vade.vae)
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-4)


def test_seed_and_starts_reach_the_mixture(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.mixture

    asked = list[dict[str, object]]()
    original = sklearn.mixture.GaussianMixture

    def recording(clusters: int, **given: object) -> object:
        asked.append(given)
        return original(clusters, **given)

    monkeypatch.setattr(sklearn.mixture, "GaussianMixture", recording)
    vade, codes = models.VaDE(models.mlp_vae((1, 2, 2), (4,), 2), 2), torch.randn(20, 2)
    vade.start_mixture(codes, seed=7, starts=3)
    vade.start_mixture(codes, seed=8, starts=3, means=codes[:2])
    assert [given["random_state"] for given in asked] == [7, 8]
    assert [given["n_init"] for given in asked] == [3, 1]  # one start is given: there is one fit
