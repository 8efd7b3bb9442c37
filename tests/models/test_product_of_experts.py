from __future__ import annotations

import pytest
import torch

from latent_transfer.densities import Gaussian
from latent_transfer.models import MultimodalVAE, mlp_multimodal_vae, product_of_experts

SHAPE, CLASSES = (1, 4, 4), 3


def model() -> MultimodalVAE:
    torch.manual_seed(0)
    return mlp_multimodal_vae([SHAPE, CLASSES], (8,), 2)


def pairs(count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, *SHAPE, generator=generator).round()
    return images, torch.arange(count) % CLASSES


def test_what_is_missing_is_never_looked_at():
    images, labels = pairs()
    present = torch.tensor([[True, True, False, False, True], [True, False, True, False, False]])
    spoilt = images.clone()
    spoilt[~present[0]] = torch.nan
    elsewhere = torch.where(present[1], labels, 99)  # no class: an encoder would fail
    vae = model()
    clean = vae.posterior((images, labels), present)
    found = vae.posterior((spoilt, elsewhere), present)
    assert torch.equal(found.mean, clean.mean)
    assert torch.equal(found.log_variance, clean.log_variance)
    values = vae.log_likelihood((spoilt, elsewhere), found.mean, present)
    assert torch.equal(values != 0, present)
    values.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in vae.parameters())


def test_nothing_there_leaves_the_prior():
    images, labels = pairs()
    nothing = torch.zeros(2, 5, dtype=torch.bool)
    posterior = model().posterior((images, labels), nothing)
    assert torch.equal(posterior.mean, torch.zeros(5, 2))
    assert torch.equal(posterior.log_variance, torch.zeros(5, 2))


def test_none_and_a_mask_say_the_same():
    images, labels = pairs()
    vae = model()
    mask = torch.stack([torch.ones(5, dtype=torch.bool), torch.zeros(5, dtype=torch.bool)])
    by_mask, by_none = vae.posterior((images, labels), mask), vae.posterior((images, None))
    assert torch.equal(by_mask.mean, by_none.mean)
    both = vae.posterior((images, labels))
    assert not torch.allclose(both.mean, by_none.mean)
    assert (both.log_variance < by_none.log_variance).all()  # each expert adds precision


def test_an_infinite_expert_that_is_left_out_does_no_harm():
    experts = Gaussian(torch.tensor([[1.0], [torch.nan]]), torch.tensor([[0.0], [-torch.inf]]))
    product = product_of_experts(experts, torch.tensor([True, False]))
    assert product.mean.item() == pytest.approx(0.5)


def test_translate_gives_the_other_modality_in_its_own_range():
    images, labels = pairs()
    vae = model()
    drawn = vae.translate((None, labels), 0, samples=3)
    assert drawn.shape == images.shape
    assert 0 <= drawn.min() <= drawn.max() <= 1
    beliefs = vae.translate((images, None), 1, samples=3)
    assert torch.allclose(beliefs.sum(1), torch.ones(5))


def test_samples_have_their_own_axis():
    images, labels = pairs()
    vae = model()
    latents = vae.posterior((images, labels)).rsample(7)
    assert vae.log_likelihood((images, labels), latents).shape == (2, 7, 5)


def test_wrong_calls_are_named():
    images, labels = pairs()
    vae = model()
    with pytest.raises(ValueError, match="takes 2 modalities, None for a missing one"):
        vae.posterior((images,))
    with pytest.raises(ValueError, match="0 of them not None"):
        vae.posterior((None, None))
    with pytest.raises(ValueError, match=r"present must be booleans of shape \(2, 5\)"):
        vae.posterior((images, labels), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="an encoder, a decoder and a likelihood"):
        MultimodalVAE(list(vae.encoders), list(vae.decoders)[:1], list(vae.likelihoods), 2)
