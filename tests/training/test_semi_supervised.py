"""Training on few labels and many images: who is seen, how often, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latent_transfer import data
from latent_transfer.data import Batch, ImageSet
from latent_transfer.evaluation import active_units, classification_error
from latent_transfer.models import M2, VAE, mlp_m2, mlp_vae, stack_m2
from latent_transfer.objectives import Terms, negative_elbo
from latent_transfer.training import BalancedBatches, fit, fit_semi_supervised

NAMES = ("a", "b", "c")


def _set(labels: list[int], seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (len(labels), 1, 4, 4), generator=generator)
    return ImageSet(images.to(torch.uint8), torch.tensor(labels), NAMES)


def _model(seed: int = 0) -> M2:
    torch.manual_seed(seed)
    return mlp_m2((1, 4, 4), classes=3, hidden=(8,), latent_size=2)


# -- balanced batches -------------------------------------------------------------------------


def test_every_batch_holds_the_classes_in_equal_numbers() -> None:
    few = BalancedBatches(_set([0] * 17 + [1] * 2 + [2] * 5), batch_size=10)
    for _ in range(5):
        labels = few.draw().labels
        assert torch.bincount(labels).tolist() == [4, 4, 4]  # rounded up from ten


def test_no_image_comes_twice_before_its_class_is_through() -> None:
    labelled = _set([0] * 4 + [1] * 2 + [2] * 9)
    images, labels, *_ = BalancedBatches(labelled, batch_size=12).draw()
    for label, members in enumerate((4, 2, 4)):  # of four drawn: all four, both twice, four of nine
        drawn = images[labels == label].flatten(1)
        assert len(drawn.unique(dim=0)) == members


def test_over_many_batches_all_labelled_images_are_used() -> None:
    labelled = _set([0, 0, 0, 0, 1, 2])
    few = BalancedBatches(labelled, batch_size=3)
    torch.manual_seed(0)
    seen = torch.cat([few.draw()[0] for _ in range(60)]).flatten(1).unique(dim=0)
    assert len(seen) == 6


def test_labelled_images_are_binarised_and_transformed_as_the_others() -> None:
    labelled = _set([0, 1, 2])
    images, *_ = BalancedBatches(labelled, 3, binarize=True).draw()
    assert set(images.unique().tolist()) <= {0.0, 1.0}
    images, *_ = BalancedBatches(labelled, 3, transform=lambda batch: batch + 5).draw()
    assert images.min() >= 5


def test_a_class_without_a_label_is_named() -> None:
    with pytest.raises(ValueError, match="there is none of b"):
        BalancedBatches(_set([0, 2, 2]), batch_size=3)


# -- training ---------------------------------------------------------------------------------


def test_every_unlabelled_image_is_seen_in_every_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    original = M2.forward

    def spy(self: M2, images: torch.Tensor) -> torch.Tensor:
        seen.append(images.detach())
        return original(self, images)

    monkeypatch.setattr(M2, "forward", spy)
    unlabelled = _set([0] * 50, seed=1)
    fit_semi_supervised(
        _model(), _set([0, 1, 2]), unlabelled, epochs=1, batch_size=8, progress=False
    )
    drawn = torch.cat(seen).flatten(1).unique(dim=0)
    assert len(drawn) == 53  # the fifty, and the three with labels


def test_the_weight_of_the_kl_follows_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def spy(*arguments: object, beta: float, **settings: object) -> Terms:
        given.append(beta)
        return {"loss": model(_set([0, 1]).pixels()).square().mean()}

    monkeypatch.setattr("latent_transfer.training.semi_supervised.semi_supervised_loss", spy)
    model, few, images = _model(), _set([0, 1, 2]), _set([0] * 8)
    settings = {"epochs": 2, "batch_size": 4, "progress": False}
    fit_semi_supervised(model, few, images, beta=lambda progress: 5 - 4 * progress, **settings)
    fit_semi_supervised(model, few, images, **settings)
    assert given == [5, 4, 3, 2, 1, 1, 1, 1]


def test_labels_of_the_unlabelled_images_do_not_matter() -> None:
    weights = []
    for labels in ([0] * 20, [0, 1, 2, 1] * 5):
        model = _model()
        unlabelled = ImageSet(_set([0] * 20).images, torch.tensor(labels), NAMES)
        fit_semi_supervised(model, _set([0, 1, 2]), unlabelled, epochs=2, progress=False)
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(*weights)


def test_a_stopped_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    def train(model: M2, epochs: int, stop: int | None = None) -> torch.Tensor:
        def interrupt(_: torch.nn.Module, progress: float) -> None:
            if stop is not None and round(progress * epochs) == stop:
                raise KeyboardInterrupt

        place = tmp_path / "run.safetensors" if stop or epochs == 5 else None
        fit_semi_supervised(
            model,
            _set([0, 1, 2, 2]),
            _set([0] * 30, seed=1),
            epochs=4,
            batch_size=8,
            binarize=True,
            checkpoint=place,
            before_epoch=interrupt,
            progress=False,
        )
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    straight = train(_model(), 4)
    with pytest.raises(KeyboardInterrupt):
        train(_model(), 4, stop=2)
    resumed = train(_model(), 5)
    assert torch.equal(straight, resumed)


def test_more_labelled_than_unlabelled_images_are_accepted() -> None:
    history = fit_semi_supervised(
        _model(), _set([0, 1, 2] * 10), _set([0] * 6, seed=1), epochs=2, progress=False
    )
    terms = {name: values[-1] for name, values in history.training.items()}
    expected = (30 * terms["labelled"] + 6 * terms["unlabelled"]) / 36
    expected += 0.1 * terms["cross_entropy"]
    assert terms["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        ([0, 1, 1], {}, "there is none of c"),
        ([0, 1, 2], {"label_weight": -0.1}, "label_weight must not be negative"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    labels: list[int], settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit_semi_supervised(_model(), _set(labels), _set([0] * 9), epochs=1, **settings)


def test_a_model_of_another_number_of_classes_is_refused() -> None:
    two = ImageSet(_set([0, 1]).images, torch.tensor([0, 1]), ("a", "b"))
    with pytest.raises(ValueError, match="knows 3 classes, the labelled images have 2"):
        fit_semi_supervised(_model(), two, _set([0] * 9), epochs=1)


# -- what it is for ---------------------------------------------------------------------------


def test_m1_m2_learns_from_three_labels_a_class() -> None:
    digits = data.load("digits", size=8)
    few = digits.train.few(3, torch.Generator().manual_seed(0))
    unlabelled = digits.train.unlabelled()
    torch.manual_seed(0)
    m1 = mlp_vae((1, 8, 8), hidden=(64,), latent_size=10)
    settings = {"learning_rate": 5e-3, "batch_size": 100, "progress": False}
    fit(m1, unlabelled, _negative_elbo, epochs=30, binarize=True, **settings)
    kept = active_units(m1, unlabelled).nonzero().squeeze(1)
    model = stack_m2(m1, kept, hidden=(64,), latent_size=5, activation=torch.nn.ReLU)
    before = {name: value.clone() for name, value in m1.state_dict().items()}
    fit_semi_supervised(model, few, unlabelled, label_weight=1.0, epochs=30, **settings)
    assert all(torch.equal(before[name], value) for name, value in m1.state_dict().items())
    assert classification_error(model, digits.test).mean < 20


def _negative_elbo(model: VAE, batch: Batch) -> Terms:
    return negative_elbo(model, batch.images)


def test_both_sets_are_binarised_and_transformed_in_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[torch.Tensor] = []

    def spy(model: M2, batch: Batch, *, labelled: Batch, **options: float) -> dict:
        seen.extend([batch.images, labelled.images])
        return {"loss": sum(p.sum() for p in model.parameters())}

    monkeypatch.setattr("latent_transfer.training.semi_supervised.semi_supervised_loss", spy)
    options = {"epochs": 1, "binarize": True, "transform": lambda images: images + 5}
    fit_semi_supervised(_model(), _set([0, 1, 2]), _set([0] * 8, seed=1), progress=False, **options)
    assert len(seen) == 2
    for images in seen:
        assert set(images.unique().tolist()) == {5.0, 6.0}
