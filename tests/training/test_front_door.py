"""The first things that somebody types who knows PyTorch or scikit-learn: they work, or say why."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import latent_transfer as lt
from latent_transfer.data import Batch, ImageSet
from latent_transfer.errors import TrainingDiverged
from latent_transfer.objectives import classification_loss, negative_elbo

SHAPE = (1, 4, 4)
PIXELS = torch.rand(30, *SHAPE, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(30) % 3


def images() -> ImageSet:
    return ImageSet.from_pixels(PIXELS, LABELS, ("a", "b", "c"))


def vae() -> lt.models.VAE:
    torch.manual_seed(0)
    return lt.models.mlp_vae(SHAPE, (8,), 2)


def classifier() -> lt.models.Classifier:
    torch.manual_seed(0)
    return lt.models.mlp_classifier(SHAPE, 3, (8,))


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def fit(model: nn.Module, data: object, loss: object, **options: object) -> lt.training.History:
    settings = {"epochs": 2, "batch_size": 10, "progress": False} | options
    return lt.fit(model, data, loss, **settings)  # type: ignore[arg-type]


# -- data -----------------------------------------------------------------------------------------


def test_an_objective_is_a_loss_as_it_is() -> None:
    history = fit(vae(), images(), negative_elbo, epochs=5)
    assert set(history.training) == {"loss", "reconstruction", "kl"}
    assert history.training["loss"][-1] < history.training["loss"][0]


def test_tensors_a_dataset_and_a_loader_teach_what_a_set_teaches() -> None:
    pixels = images().pixels()
    sources = {
        "set": images(),
        "tensors": (pixels, LABELS),
        "dataset": TensorDataset(pixels, LABELS),
        "loader": DataLoader(TensorDataset(pixels, LABELS), batch_size=30),
    }
    moved = {}
    for name, data in sources.items():
        model = classifier()
        fit(model, data, classification_loss, batch_size=30)  # one batch: the order cannot matter
        moved[name] = weights(model)
    for name, value in moved.items():
        torch.testing.assert_close(value, moved["set"], msg=name)
    assert not torch.equal(moved["set"], weights(classifier()))


def test_a_tensor_alone_has_no_labels() -> None:
    assert fit(vae(), PIXELS, negative_elbo).epochs == 2
    with pytest.raises(ValueError, match="This loss needs labels, and the batch has none"):
        fit(classifier(), PIXELS, classification_loss)


def test_a_shuffling_loader_repeats_itself_with_the_seed() -> None:
    moved = []
    for seed in (0, 0, 1):
        model = classifier()
        dataset = TensorDataset(PIXELS, LABELS)
        loader = DataLoader(dataset, batch_size=7, shuffle=True)
        torch.manual_seed(len(moved))  # the caller's generator does not matter
        fit(model, loader, classification_loss, seed=seed)
        moved.append(weights(model))
    assert torch.equal(moved[0], moved[1])
    assert not torch.equal(moved[0], moved[2])


class Endless(IterableDataset[torch.Tensor]):
    def __iter__(self):  # type: ignore[no-untyped-def]
        yield PIXELS[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lt.data.load("digits", size=8), "give data.train"),
        (PIXELS.numpy(), "torch.from_numpy"),
        ([PIXELS, LABELS], "a list"),
        ("digits", "lt.data.load"),
        (DataLoader(Endless()), "its number of images"),
        (np.zeros((3, 4)), "torch.from_numpy"),
        (None, "Data must be an ImageSet, a Table, a tensor"),
    ],
)
def test_other_data_are_refused_in_a_sentence(data: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        fit(vae(), data, negative_elbo)


def test_the_last_batch_of_one_under_batch_norm_is_told_and_can_be_dropped() -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))

    with pytest.raises(ValueError, match="cannot normalise the one image of the last batch"):
        fit(model(), images(), classification_loss, batch_size=29)
    assert fit(model(), images(), classification_loss, batch_size=29, drop_last=True).epochs == 2


# -- models ---------------------------------------------------------------------------------------


def test_a_model_in_float64_stays_in_it() -> None:
    model = vae().double()
    fit(model, images(), negative_elbo, validation=images())
    assert all(parameter.dtype == torch.float64 for parameter in model.parameters())


def test_a_compiled_model_and_a_plain_one_share_a_checkpoint(tmp_path) -> None:  # type: ignore[no-untyped-def]
    run, options = tmp_path / "run.safetensors", {"epochs": 2, "batch_size": 10}
    compiled = torch.compile(vae(), backend="eager")
    fit(compiled, images(), negative_elbo, checkpoint=run, **options)  # type: ignore[arg-type]
    plain = vae()
    fit(plain, images(), negative_elbo, checkpoint=run, **options)
    assert torch.equal(weights(plain), weights(compiled))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lt.models.VAE, TypeError, "an instance of nn.Module, not the class VAE"),
        (print, TypeError, "an instance of nn.Module, not builtin"),
        (nn.Flatten(), ValueError, "Flatten has no parameters to train"),
    ],
)
def test_what_is_no_model_is_refused(model: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        fit(model, images(), negative_elbo)  # type: ignore[arg-type]


# -- losses ---------------------------------------------------------------------------------------


def test_a_loss_may_return_one_scalar_and_numbers_beside_it() -> None:
    def scalar(model: nn.Module, batch: Batch) -> torch.Tensor:
        return F.cross_entropy(model(batch.images), batch.labels)

    def beside(model: nn.Module, batch: Batch) -> dict[str, object]:
        return {"loss": scalar(model, batch), "size": float(len(batch.images))}

    models = [classifier(), classifier()]
    assert set(fit(models[0], images(), scalar).training) == {"loss"}
    assert fit(models[1], images(), beside).training["size"] == [10.0, 10.0]
    assert torch.equal(*map(weights, models))


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (nn.MSELoss(), TypeError, "called with the model and a batch .* MSELoss is no such"),
        (F.cross_entropy, TypeError, "cross_entropy is no such function"),
        ("elbo", TypeError, "str is no such function"),
        (lambda batch: batch, TypeError, "called with the model and a batch"),
        (lambda model, batch: 1.5, ValueError, "this one returned float"),
        (lambda model, batch: None, ValueError, "this one returned NoneType"),
        (lambda model, batch: {"kl": 1.0}, ValueError, "returned a dictionary with 'kl'"),
        (lambda model, batch: {"loss": 1.0}, ValueError, "returned a dictionary with 'loss'"),
        (
            lambda model, batch: model(batch.images).square(),
            ValueError,
            r"'loss' has shape \(10, 3\): average over the batch",
        ),
        (
            lambda model, batch: model(batch.images).detach().mean(),
            ValueError,
            "depends on no trainable parameter",
        ),
    ],
)
def test_another_form_of_loss_is_refused(loss: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        fit(classifier(), images(), loss)


def test_losses_called_by_hand_take_a_tensor_and_name_what_is_no_batch() -> None:
    torch.manual_seed(0)
    one = negative_elbo(vae(), PIXELS)["loss"]
    torch.manual_seed(0)
    assert negative_elbo(vae(), Batch(PIXELS))["loss"] == one
    with pytest.raises(TypeError, match=r"A batch is a tensor of images, or a pair .* \(dict\)"):
        negative_elbo(vae(), {"images": PIXELS})  # type: ignore[arg-type]


# -- optimisers -----------------------------------------------------------------------------------


def by_hand(make: Callable[..., torch.optim.Optimizer], clip: float | None = None) -> torch.Tensor:
    """Two passes in one batch, written out."""
    model = classifier()
    optimiser = make(model.parameters())
    for _ in range(2):
        optimiser.zero_grad()
        F.cross_entropy(model(images().pixels()), LABELS).backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
    return weights(model)


@pytest.mark.parametrize(
    ("options", "make"),
    [
        ({"learning_rate": 0.1, "optimizer": torch.optim.SGD}, partial(torch.optim.SGD, lr=0.1)),
        (
            {"optimizer": partial(torch.optim.SGD, lr=0.2, momentum=0.9)},
            partial(torch.optim.SGD, lr=0.2, momentum=0.9),
        ),
        ({"optimizer": torch.optim.AdamW}, torch.optim.AdamW),
        ({}, torch.optim.Adam),
    ],
)
def test_any_optimiser_serves(
    options: dict[str, object], make: Callable[..., torch.optim.Optimizer]
) -> None:
    model = classifier()
    fit(model, images(), classification_loss, batch_size=30, **options)
    torch.testing.assert_close(weights(model), by_hand(make))


def test_a_long_gradient_is_shortened() -> None:
    model, sgd = classifier(), partial(torch.optim.SGD, lr=0.5)
    fit(model, images(), classification_loss, batch_size=30, optimizer=sgd, clip=0.01)
    torch.testing.assert_close(weights(model), by_hand(sgd, clip=0.01))
    assert not torch.allclose(weights(model), by_hand(sgd), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": "adam"}, TypeError, "such as torch.optim.SGD .* not 'adam'"),
        (
            {"optimizer": torch.optim.SGD(vae().parameters(), lr=0.1)},
            TypeError,
            "not an instance of SGD",
        ),
        ({"optimizer": lambda groups: None}, TypeError, "make a torch.optim.Optimizer"),
        ({"optimizer": torch.optim.LBFGS}, TypeError, "LBFGS evaluates the loss several times"),
        (
            {"optimizer": partial(torch.optim.SGD, lr=0.1), "learning_rate": 0.2},
            ValueError,
            "has an lr of its own",
        ),
        ({"groups": [{"lr": 0.1}]}, ValueError, "dictionaries with 'params'"),
        ({"groups": [nn.Parameter(torch.zeros(1))]}, ValueError, "one of them is Parameter"),
    ],
)
def test_what_is_no_optimiser_is_refused(
    options: dict[str, object], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(vae(), images(), negative_elbo, **options)


def test_a_group_may_be_a_generator_and_may_lack_a_rate() -> None:
    moved = []
    for wrap in (list, lambda parameters: parameters):
        model = vae()
        groups = [
            {"params": wrap(model.encoder.parameters()), "lr": 0.01},
            {"params": wrap(model.decoder.parameters())},
        ]
        fit(model, images(), negative_elbo, groups=groups, learning_rate=0.002)
        moved.append(weights(model))
    assert torch.equal(*moved)
    assert (moved[0] - weights(vae())).abs().max() > 0.01


def test_a_parameter_in_no_group_is_named() -> None:
    model = vae()
    with pytest.raises(ValueError, match=r"decoder.* is in no group of parameters"):
        fit(model, images(), negative_elbo, groups=[{"params": model.encoder.parameters()}])


def test_a_part_that_thaws_outside_all_groups_is_named() -> None:
    model = lt.transfer.freeze(vae(), "encoder")

    def thaw(model: nn.Module, progress: float) -> None:
        model.encoder.requires_grad_(progress >= 0.5)  # type: ignore[union-attr,operator]

    groups = [{"params": model.decoder.parameters()}]
    with pytest.raises(ValueError, match=r"encoder.* is in no group of parameters"):
        fit(model, images(), negative_elbo, groups=groups, before_epoch=thaw)


# -- hooks ----------------------------------------------------------------------------------------


def test_hooks_are_called_after_each_step_and_epoch() -> None:
    steps, epochs = [], []
    fit(
        vae(),
        images(),
        negative_elbo,
        epochs=3,
        after_step=lambda model: steps.append(weights(model)),
        after_epoch=lambda model, history: epochs.append(history.epochs),
    )
    assert len(steps) == 9
    assert not torch.equal(steps[0], steps[1])
    assert epochs == [1, 2, 3]


def test_after_epoch_can_end_the_training() -> None:
    stop = lambda model, history: history.epochs == 2  # noqa: E731
    assert fit(vae(), images(), negative_elbo, epochs=5, after_epoch=stop).epochs == 2


def test_patience_keeps_the_best_weights() -> None:
    kept: dict[int, torch.Tensor] = {}
    model, few = classifier(), images().subset(slice(0, 6))
    other = ImageSet(images().images, (images().labels + 1) % 3, images().classes)
    options = {"epochs": 60, "learning_rate": 0.05, "validation": other, "patience": 3}
    history = fit(
        model,
        few,
        classification_loss,
        after_epoch=lambda model, history: kept.update({history.epochs: weights(model)}),
        **options,
    )
    losses = history.validation["loss"]
    assert history.best_epoch == 1 + losses.index(min(losses))
    assert history.epochs == history.best_epoch + 3 < 60
    assert torch.equal(weights(model), kept[history.best_epoch])
    assert not torch.equal(weights(model), kept[history.epochs])


def test_a_running_statistic_that_overflows_is_noticed() -> None:
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3))
    model[1].running_var.fill_(torch.inf)  # type: ignore[union-attr,operator]
    with pytest.raises(TrainingDiverged, match="running statistics"):
        fit(model, images(), classification_loss)


def test_two_trainings_in_two_threads_do_not_disturb_each_other() -> None:
    models, state = [vae(), vae()], torch.get_rng_state()
    threads = [
        threading.Thread(target=fit, args=(model, images(), negative_elbo), kwargs={"epochs": 8})
        for model in models
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = vae()
    fit(alone, images(), negative_elbo, epochs=8)
    for model in models:
        assert torch.equal(weights(model), weights(alone))
    assert torch.equal(torch.get_rng_state(), state)


def test_bfloat16_gives_way_where_it_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latent_transfer.training.precision._quick_in_bfloat16", lambda: False)
    models = [vae(), vae()]
    with pytest.warns(UserWarning, match="training runs in float32"):
        fit(models[0], images(), negative_elbo, precision="bfloat16")
    fit(models[1], images(), negative_elbo)
    assert torch.equal(*map(weights, models))


def test_trainers_refuse_a_validation_set_that_would_be_judged_otherwise() -> None:
    gan, m2 = lt.models.mlp_gan(SHAPE, (4,), 2), lt.models.mlp_m2(SHAPE, 3, (4,), 2)
    targets = torch.zeros(30, 3)
    loss = lambda model, batch, rows: (model(batch.images) - rows).square().mean()  # noqa: E731
    options = {"epochs": 1, "progress": False, "validation": images()}
    for train in (
        lambda: lt.training.fit_gan(gan, images(), **options),
        lambda: lt.training.fit_semi_supervised(m2, images(), images(), **options),
        lambda: lt.training.fit_to_targets(classifier(), images(), targets, loss, **options),
    ):
        with pytest.raises(ValueError, match="validation set"):
            train()


def test_a_distilled_student_is_validated_by_its_teacher() -> None:
    teacher, student = classifier(), lt.models.mlp_classifier(SHAPE, 3, (4,))
    aside = images().subset(slice(0, 10))
    history = lt.training.distil(
        student, teacher, images(), temperature=2.0, epochs=1, progress=False, validation=aside
    )
    with torch.no_grad():
        logits = [net(aside.pixels()) for net in (student, teacher)]
        expected = lt.objectives.distillation_divergence(*logits, 2.0).mean().item()
    assert history.validation["divergence"] == [pytest.approx(expected, rel=1e-5)]
