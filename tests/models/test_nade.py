"""NADE: a distribution over binary images, computed exactly."""

from __future__ import annotations

import pytest
import torch

import latent_transfer as lt
from latent_transfer.models import NADE, nade
from latent_transfer.objectives import negative_log_density


@pytest.fixture
def model() -> NADE:
    torch.manual_seed(0)
    model = NADE((1, 3, 3), hidden=7).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(2, (5, 1, 3, 3), generator=generator).double()


def one_by_one(model: NADE, images: torch.Tensor) -> torch.Tensor:
    """The conditionals' logits as the paper writes them, each net by itself."""
    pixels, logits = images.flatten(1), []
    for d in range(pixels.shape[1]):
        active = model.input_bias + pixels[:, :d] @ model.input_weight[:d]
        logits.append(torch.sigmoid(active) @ model.output_weight[d] + model.output_bias[d])
    return torch.stack(logits, 1).view_as(images)


@pytest.mark.parametrize("at_once", [1, 2, 5, 9, 20])
def test_conditionals_and_gradients_agree_with_a_loop(
    model: NADE, images: torch.Tensor, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nade, "PIXELS_AT_ONCE", at_once)
    weights = torch.linspace(-1, 2, images.numel()).view_as(images)
    results = []
    for logits in (model.conditionals(images), one_by_one(model, images)):
        results.append((logits, *torch.autograd.grad((logits * weights).sum(), model.parameters())))
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow)


def test_a_conditional_depends_on_earlier_pixels_only(model: NADE, images: torch.Tensor) -> None:
    before = model.conditionals(images).flatten(1)
    for d in range(9):
        changed = images.clone().flatten(1)
        changed[:, d] = 1 - changed[:, d]
        differs = (model.conditionals(changed.view_as(images)).flatten(1) != before).any(0)
        assert differs.tolist() == [False] * (d + 1) + [True] * (8 - d)


def test_channels_come_one_after_the_other() -> None:
    torch.manual_seed(0)
    model = NADE((2, 1, 2), hidden=3)
    images = torch.tensor([[[[1.0, 0.0]], [[1.0, 1.0]]]])
    torch.testing.assert_close(model.conditionals(images), one_by_one(model, images))


def test_draws_are_as_frequent_as_they_are_probable() -> None:
    torch.manual_seed(0)
    model = NADE((1, 2, 2), hidden=5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    every = torch.cartesian_prod(*4 * [torch.tensor([0.0, 1.0])]).view(16, 1, 2, 2)
    expected = model.log_density(every).exp()
    draws = model.generate(40_000, torch.Generator().manual_seed(0))
    numbers = draws.flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0])
    frequencies = torch.bincount(numbers.long(), minlength=16) / 40_000
    assert ((frequencies - expected).abs() < 5 * (expected / 40_000).sqrt()).all()


def test_completions_keep_what_is_known_and_follow_the_conditionals() -> None:
    torch.manual_seed(0)
    model = NADE((1, 1, 4), hidden=5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=2.0)
    seen = torch.tensor([1.0, 0.0, 0.3, 0.7]).expand(40_000, 1, 1, 4)  # the rest is not read
    completed = model.complete(seen, 2, torch.Generator().manual_seed(0)).flatten(1)
    assert (completed[:, :2] == torch.tensor([1.0, 0.0])).all()
    ends = torch.tensor([[1.0, 0, a, b] for a in (0, 1) for b in (0, 1)]).view(4, 1, 1, 4)
    expected = model.log_density(ends).softmax(0)
    frequencies = torch.bincount((completed[:, 2:] @ torch.tensor([2.0, 1.0])).long()) / 40_000
    torch.testing.assert_close(frequencies, expected, rtol=0, atol=0.02)
    assert torch.equal(model.complete(ends, 4), ends)


def test_one_seed_one_set_of_images(model: NADE) -> None:
    first, second = (model.generate(3, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (3, 1, 3, 3)
    assert not torch.equal(first, model.generate(3, torch.Generator().manual_seed(5)))


def test_autocast_does_not_blur_a_likelihood(model: NADE, images: torch.Tensor) -> None:
    model, images = model.float(), images.float()
    exact = model.log_density(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.log_density(images), exact)


def test_it_learns_and_is_evaluated_exactly() -> None:
    digits = lt.data.load("digits", size=8)
    test = digits.test.binarized(torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = NADE(test.shape, hidden=30)
    before = lt.evaluation.exact_negative_log_likelihood(model, test)
    assert before.mean == pytest.approx(64 * 0.6931, abs=0.1)  # every pixel a fair coin
    lt.fit(
        model,
        digits.train,
        lambda model, batch: negative_log_density(model, batch.images),
        epochs=4,
        learning_rate=1e-2,
        binarize=True,
        progress=False,
    )
    after = lt.evaluation.exact_negative_log_likelihood(model, test, batch_size=77)
    assert after.mean < before.mean - 10
    one = model.log_density(test.pixels()).detach()
    assert after.mean == pytest.approx(-one.mean().item(), rel=1e-5)
    assert after.count == len(test)


def test_what_is_not_binary_or_not_of_the_shape_is_refused(
    model: NADE, images: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match=r"binary pixels, 0 or 1; draw them with ImageSet\.bin"):
        model.log_density(images / 2)
    with pytest.raises(ValueError, match="takes batches of 1×3×3"):
        model.log_density(images[:, :, :2])
    with pytest.raises(ValueError, match="Of 9 pixels, 0 to 9 can be known, not 10"):
        model.complete(images, 10)
    with pytest.raises(ValueError, match="binary pixels"):
        model.complete(images / 2, 3)
