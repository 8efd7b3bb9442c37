from __future__ import annotations

import pytest
import torch

from latent_transfer.models import mlp_multimodal_vae
from latent_transfer.objectives import multimodal, multimodal_bound, multimodal_loss

IMAGES, LABELS = torch.ones(4, 1, 2, 2), torch.tensor([0, 1, 2, 0])
PRESENT = torch.tensor([[True, True, False, False], [True, False, True, False]])


def model():
    torch.manual_seed(0)
    return mlp_multimodal_vae([(1, 2, 2), 3], (4,), 2)


@pytest.mark.parametrize("across", [True, False])
def test_loss_sums_the_views_that_each_input_has(monkeypatch, across):
    calls = []

    def recorded(_, modalities, present, *, seen, weights, beta):
        calls.append((present.tolist(), seen.tolist(), len(modalities[0]), weights, beta))
        return torch.full((present.shape[1],), float(len(calls)))

    monkeypatch.setattr(multimodal, "multimodal_bound", recorded)
    options = {"across": across, "weights": (1.0, 5.0), "beta": 0.5}
    terms = multimodal_loss(model(), (IMAGES, LABELS), PRESENT, **options)
    t, f = True, False
    pair = [t, t] if across else [t, f]
    of_label = [[t, f], [t, t]] if across else [[f, f], [t, t]]
    assert calls == [
        ([[t], [t]], [[t], [t]], 1, (1.0, 5.0), 0.5),  # the one pair, seen together
        ([[t, t], [pair[1], f]], [[t, t], [f, f]], 2, (1.0, 5.0), 0.5),  # images seen alone
        (of_label, [[f, f], [t, t]], 2, (1.0, 5.0), 0.5),  # labels seen alone
    ]
    assert terms["together"].item() == pytest.approx(-1 / 4)
    assert terms["alone"].item() == pytest.approx(-(2 * 2 + 2 * 3) / 4)
    assert terms["loss"].item() == pytest.approx(-11 / 4)


def test_an_input_of_which_nothing_is_there_costs_nothing():
    bound = multimodal_bound(model(), (IMAGES, LABELS), PRESENT)
    assert bound[3].item() == 0
    assert (bound[:3] < 0).all()


@pytest.mark.parametrize("across", [True, False])
def test_only_across_asks_the_images_expert_for_the_label(across):
    vae = model()
    several = torch.ones(2, 4, dtype=torch.bool)
    seen = torch.stack([several[0], ~several[0]])
    explained = several if across else seen
    bound = multimodal_bound(vae, (IMAGES, LABELS), explained, seen=seen)
    bound.sum().backward()
    reached = [p.grad is not None and bool(p.grad.any()) for p in vae.decoders[1].parameters()]
    assert any(reached) == across


def test_weights_scale_the_terms_of_their_modality():
    vae = model()
    results = []
    for weights in (None, (1.0, 1.0), (1.0, 3.0)):
        torch.manual_seed(2)
        results.append(multimodal_bound(vae, (IMAGES, LABELS), weights=weights))
    torch.manual_seed(2)
    latents = vae.posterior((IMAGES, LABELS)).rsample()
    of_label = vae.log_likelihood((IMAGES, LABELS), latents)[1]
    assert torch.allclose(results[0], results[1])
    assert torch.allclose(results[2] - results[1], 2 * of_label, atol=1e-6)


def test_beta_and_the_weights_scale_the_terms_of_the_bound():
    vae, inputs = model(), (IMAGES, LABELS)

    def bound(**options):
        torch.manual_seed(1)  # the same draw of z
        return multimodal_bound(vae, inputs, PRESENT, **options)

    posterior = vae.posterior(inputs, PRESENT)
    belief = torch.distributions.Normal(posterior.mean, posterior.std)
    kl = torch.distributions.kl_divergence(belief, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(bound(beta=1.0) - bound(beta=3.0), 2 * kl)
    of_images = bound(weights=(2.0, 1.0)) - bound()
    of_labels = bound(weights=(1.0, 2.0)) - bound()
    torch.testing.assert_close(of_images + of_labels, bound(beta=0.0))
    assert not of_images[2:].any()  # without an image
    assert not of_labels[[1, 3]].any()  # without a label
    assert of_images[:2].all()
    assert of_labels[[0, 2]].all()
