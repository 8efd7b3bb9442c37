"""`fit_many` ends where R calls of `fit` end, and says what it cannot train together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from latent_transfer.data import Batch, Examples, ImageSet, Table
from latent_transfer.errors import TrainingDiverged
from latent_transfer.models import GaussianLikelihood, conv_vae, mlp_classifier, mlp_vae
from latent_transfer.objectives import (
    classification_loss,
    distillation_loss,
    gaussian_kl,
    negative_elbo,
)
from latent_transfer.training import (
    History,
    cohort,
    cosine_schedule,
    fit,
    fit_many,
    many,
    noise,
    warm_up,
)
from latent_transfer.training.many import worth_it
from latent_transfer.transfer import flips_and_crops, l2_sp

SHAPE = (1, 8, 8)
SEEDS = [5, 6, 7, 8]
Make = Callable[[], nn.Module]


@pytest.fixture
def images() -> ImageSet:
    return draw(50)


def draw(count: int, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, *SHAPE), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % 3, ("a", "b", "c"))


def make_vae() -> nn.Module:
    return mlp_vae(SHAPE, (12,), 3)


def make_classifier(**options: float) -> nn.Module:
    return mlp_classifier(SHAPE, 3, (10,), **options)  # type: ignore[arg-type]


def in_double(loss: Callable) -> Callable:
    """The loss on images of the models' precision, so that rounding hides nothing."""

    def with_doubles(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        return loss(model, batch._replace(images=batch.images.double()))

    return with_doubles


def check_equal(
    make: Make,
    datas: Examples | Sequence[Examples],
    loss: Callable,
    *,
    learning_rate: float | Sequence[float] = 1e-2,
    prepare: Callable[[int, nn.Module], None] = lambda number, model: None,
    groups: Callable[[nn.Module], list] | None = None,
    **options: object,
) -> list[History]:
    """Train four models either way in double precision and compare weights and histories."""
    torch.manual_seed(1)
    models = [make().double() for _ in SEEDS]
    for number, model in enumerate(models):
        prepare(number, model)
    replicas = deepcopy(models)
    sets = [datas] * len(SEEDS) if isinstance(datas, Examples) else datas
    rates = [learning_rate] * len(SEEDS) if isinstance(learning_rate, float) else learning_rate
    options = {"epochs": 3, "batch_size": 16, "progress": False} | options
    alone = [
        fit(
            *(model, data, in_double(loss)),
            seed=seed,
            learning_rate=rate,
            groups=groups(model) if groups else None,
            **options,  # type: ignore[arg-type]
        )
        for model, data, seed, rate in zip(models, sets, SEEDS, rates, strict=True)
    ]
    if groups:
        options["groups"] = [groups(model) for model in replicas]
    options |= {"seeds": SEEDS, "learning_rate": learning_rate, "together": True}
    together = fit_many(replicas, datas, in_double(loss), **options)  # type: ignore[arg-type]
    for model, replica in zip(models, replicas, strict=True):
        assert not any(part.training for part in replica.modules())
        for name, value in model.state_dict().items():
            torch.testing.assert_close(replica.state_dict()[name], value, rtol=1e-10, atol=1e-12)
    for one, other in zip(alone, together, strict=True):
        assert list(one.training) == list(other.training)
        for name, values in one.training.items():
            assert other.training[name] == pytest.approx(values, rel=1e-10, abs=1e-12)
    return together


def test_a_vae(images: ImageSet) -> None:
    histories = check_equal(
        make_vae, images, negative_elbo, binarize=True, schedule=cosine_schedule
    )
    assert [history.epochs for history in histories] == [3] * 4
    assert len({history.training["kl"][0] for history in histories}) == 4


def test_a_vae_with_a_learnt_variance(images: ImageSet) -> None:
    def make() -> nn.Module:
        return mlp_vae(SHAPE, (12,), 3, likelihood=GaussianLikelihood(0.5))

    check_equal(make, images, negative_elbo)


def make_normalised() -> nn.Module:
    # No biases before a norm that takes them off again: their gradients are rounding alone.
    return nn.Sequential(
        *(
            nn.Conv2d(1, 4, 3, 2, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
        ),
        *(nn.Linear(36, 8, bias=False), nn.BatchNorm1d(8), nn.Linear(8, 3)),
    )


def test_batch_norm_keeps_the_statistics_of_each_replica() -> None:
    def freeze(number: int, model: nn.Module) -> None:
        if number == 3:
            model[1].requires_grad_(False)

    sets = [draw(50), draw(37, 1), draw(50, 2), draw(50)]
    check_equal(make_normalised, sets, classification_loss, prepare=freeze)


def test_a_convolutional_vae(images: ImageSet) -> None:
    check_equal(lambda: conv_vae(SHAPE, (4, 8), 3), images, negative_elbo, binarize=True)


def test_a_classifier_with_dropout(images: ImageSet) -> None:
    make = partial(make_classifier, dropout=0.3, input_dropout=0.1)
    check_equal(make, images, classification_loss)


def test_a_classifier_with_limited_norms(images: ImageSet) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_equal(partial(make_classifier, max_norm=0.5), images, classification_loss)


def test_a_distilled_student(images: ImageSet) -> None:
    teacher = 3 * torch.randn(50, 3, dtype=torch.float64)

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        return distillation_loss(
            model,
            batch,
            teacher_logits=teacher[batch.indices],
            temperature=2.0,
            label_weight=0.3,
        )

    check_equal(make_classifier, images, loss)


def test_a_table_and_a_loss_without_names() -> None:
    values = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    table = Table.from_values(values, torch.arange(40) % 3, ("a", "b", "c"))
    check_equal(lambda: mlp_classifier((4, 1, 1), 3, (10,)), table, classification_loss)
    models = [make_vae(), make_vae()]
    histories = fit_many(
        models,
        draw(20),
        lambda model, batch: negative_elbo(model, batch.images)["loss"],
        epochs=1,
        together=True,
        progress=False,
    )
    assert [list(history.training) for history in histories] == [["loss"], ["loss"]]


@pytest.mark.parametrize("schedule", [None, cosine_schedule])
def test_draws_of_other_sizes(schedule: Callable[[float], float] | None) -> None:
    sets = [draw(50), draw(20, 1), draw(61, 2), draw(48, 3)]
    check_equal(make_vae, sets, negative_elbo, binarize=True, schedule=schedule)


def test_replicas_of_other_sizes_take_their_whole_batches_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[int] = []
    step = cohort.Cohort.step
    monkeypatch.setattr(
        cohort.Cohort, "step", lambda self, rows: (steps.append(len(rows)), step(self, rows))
    )
    fit_many(
        [make_vae(), make_vae(), make_vae()],
        [draw(40), draw(36), draw(40)],
        negative_elbo,
        epochs=2,
        batch_size=16,
        together=True,
        progress=False,
    )
    assert steps == [3, 3, 2, 1] * 2


def test_a_loss_that_asks_for_the_progress_is_told_each_its_own() -> None:
    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        return negative_elbo(model, batch.images, beta=warm_up(batch.progress, 0.6))

    check_equal(make_vae, [draw(50), draw(20), draw(61), draw(48)], loss)
    models = [make_vae() for _ in range(2)]
    together = deepcopy(models)
    for seed, (model, data) in enumerate(zip(models, (draw(20), draw(50)), strict=True)):
        fit(model, data, loss, epochs=3, batch_size=8, seed=seed, progress=False)
    fit_many(together, (draw(20), draw(50)), loss, epochs=3, batch_size=8, together=True)
    for one, other in zip(models, together, strict=True):
        for value, same in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(value, same, rtol=1e-3, atol=1e-4)


def test_a_loss_that_asks_for_the_progress_at_times_is_refused() -> None:
    steps = []

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        steps.append(1)
        beta = batch.progress if len(steps) > 1 else 0.0
        return negative_elbo(model, batch.images, beta=beta)

    with pytest.raises(ValueError, match=r"progress of its batch only at times; .* with fit"):
        run([make_vae(), make_vae()], [draw(64), draw(40)], loss)


def test_other_learning_rates(images: ImageSet) -> None:
    rates = [1e-3, 1e-2, 1e-3, 3e-2]
    check_equal(make_vae, images, negative_elbo, learning_rate=rates, schedule=cosine_schedule)


def test_groups_of_parameters(images: ImageSet) -> None:
    def groups(model: nn.Module) -> list[dict]:
        return [
            {"params": list(model.encoder.parameters()), "lr": 1e-3, "betas": (0.5, 0.9)},
            {"params": list(model.head.parameters()), "lr": 1e-2},
        ]

    check_equal(make_classifier, images, classification_loss, groups=groups)


@pytest.mark.parametrize("everybody", [False, True])
def test_other_frozen_parts(images: ImageSet, everybody: bool) -> None:
    def freeze(number: int, model: nn.Module) -> None:
        if everybody or number % 2:
            model.encoder.requires_grad_(False)

    check_equal(make_vae, images, negative_elbo, prepare=freeze)
    check_equal(lambda: conv_vae(SHAPE, (4, 8), 3), images, negative_elbo, prepare=freeze)
    dropping = partial(make_classifier, dropout=0.5)
    check_equal(dropping, images, classification_loss, prepare=freeze)


def test_augmentation_draws_for_each_replica(images: ImageSet) -> None:
    check_equal(
        make_vae, [images, draw(40), images, images], negative_elbo, transform=flips_and_crops(8)
    )


def test_noise_from_elsewhere(images: ImageSet) -> None:
    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        posterior = model.posterior(batch.images)
        latents = torch.distributions.Normal(posterior.mean, posterior.std).rsample()
        latents = latents * torch.rand(()) + 0.1 * torch.rand_like(latents) * torch.empty_like(
            latents
        ).uniform_(0, 2)
        likelihood = model.log_likelihood(batch.images, latents).mean()
        return {"loss": gaussian_kl(*posterior).mean() - likelihood}

    check_equal(make_vae, images, loss)


def test_a_penalty_on_the_way_from_the_start(images: ImageSet) -> None:
    start = {name: value.detach().double() for name, value in make_vae().named_parameters()}

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        terms = negative_elbo(model, batch.images)
        return terms | {"loss": terms["loss"] + l2_sp(model, start, strength=1.0)}

    check_equal(make_vae, images, loss)


def test_a_value_may_decide_where_all_agree(images: ImageSet) -> None:
    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        terms = negative_elbo(model, batch.images)
        if (terms["kl"] > -1) and float(terms["kl"] < -1) == 0:
            return terms | {"loss": 2 * terms["loss"]}
        return terms

    check_equal(make_vae, images, loss)


def run(
    models: Sequence[nn.Module], datas: object, loss: Callable = negative_elbo, **options: object
) -> list[History]:
    settings = {"epochs": 1, "batch_size": 16, "progress": False, "together": True} | options
    return fit_many(models, datas, loss, **settings)  # type: ignore[arg-type]


def test_the_callers_generator_is_left_alone_and_does_not_matter(images: ImageSet) -> None:
    models = [make_vae(), make_vae()]
    twins = deepcopy(models)
    state = torch.get_rng_state()
    run(models, images)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    run(twins, images)
    assert torch.equal(models[1].decoder.layers[0].weight, twins[1].decoder.layers[0].weight)


def test_one_set_for_all_is_not_copied(images: ImageSet) -> None:
    pooled, _, starts = cohort._pool([images, images])
    assert pooled.data_ptr() == images.images.data_ptr()
    assert starts.tolist() == [0, 0]
    pooled, labels, starts = cohort._pool([images, draw(20), images])
    assert len(pooled) == len(labels) == 70
    assert starts.tolist() == [0, 50, 0]


@pytest.mark.parametrize(
    ("loss", "complaint"),
    [
        (
            lambda model, batch: negative_elbo(model, batch)["loss"] * batch.images.mean().item(),
            "decides by values that differ between the replicas; .* one after another with fit",
        ),
        (
            lambda model, batch: negative_elbo(model, torch.bernoulli(batch.images))["loss"],
            r"cannot run for several replicas at once \(Vmap .*\); train such models one",
        ),
        (
            lambda model, batch: (
                negative_elbo(model, batch)["loss"] + torch.normal(0.0, 1.0, (1,))[0]
            ),
            "draws noise in a way that cannot be .* one after another with fit",
        ),
        (
            lambda model, batch: torch.rand(3, generator=torch.Generator()).mean(),
            "a generator of its own, which all replicas share; .* one after another with fit",
        ),
        (lambda model, batch: {"bound": batch.images.mean()}, "one of them called 'loss'"),
        (lambda model, batch: model.posterior(batch.images).mean, "average over the batch"),
        (lambda model, batch: batch.images.mean(), "does not depend on the model"),
    ],
)
def test_a_loss_that_cannot_be_taken_together(
    images: ImageSet, loss: Callable, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        run([make_vae(), make_vae()], images, loss)


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (lambda: mlp_vae(SHAPE, (13,), 3), "number 1 .* in encoder.layers.0: Linear.*13.* instead"),
        (lambda: mlp_vae(SHAPE, (12,), 3, activation=nn.Tanh), "encoder.layers.1: Tanh instead of"),
        (lambda: make_vae().double(), "encoder.layers.0.weight: .*float64"),
        (make_classifier, "in the model: Classifier"),
        (lambda: mlp_vae(SHAPE, (12, 12), 3), "encoder.layers.2: Linear.*12"),
    ],
)
def test_models_of_other_shapes_are_refused(images: ImageSet, other: Make, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        run([make_vae(), other()], images)
    with pytest.raises(ValueError, match="differs from number 0"):
        run([other(), make_vae()], images)


def test_settings_of_a_layer_belong_to_the_shape(images: ImageSet) -> None:
    models = [make_classifier(dropout=share) for share in (0.1, 0.2)]
    with pytest.raises(ValueError, match=r"Dropout\{'p': 0.2"):
        run(models, images, classification_loss)


def test_arguments_that_make_no_sense(images: ImageSet) -> None:
    models = [make_vae(), make_vae()]
    with pytest.raises(ValueError, match="at least one model"):
        run([], images)
    with pytest.raises(ValueError, match="2 models, but 1 sets of images"):
        run(models, [images])
    with pytest.raises(ValueError, match="2 models, but 3 seeds"):
        run(models, images, seeds=[1, 2, 3])
    with pytest.raises(ValueError, match="2 models, but 1 learning rates"):
        run(models, images, learning_rate=[0.1])
    with pytest.raises(ValueError, match="2 models, but 1 lists of parameter groups"):
        run(models, images, groups=[[{"params": models[0].parameters()}]])
    with pytest.raises(ValueError, match="learning_rate must be positive, not 0"):
        run(models, images, learning_rate=[0.1, 0])
    with pytest.raises(ValueError, match="epochs must be positive, not 0"):
        run(models, images, epochs=0)
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        run(models, images, batch_size=0)
    with pytest.raises(ValueError, match=r"in its images: ImageSet of \(1, 4, 4\) instead"):
        run(models, [images, images.resize(4)])
    with pytest.raises(ValueError, match="share a trainable parameter"):
        run([models[0], models[0]], images)
    heads = [[{"params": model.decoder.parameters()}] for model in models]
    with pytest.raises(ValueError, match=r"encoder.* is in no group of parameters"):
        run(models, images, groups=heads)
    with pytest.raises(TypeError, match=r"takes no checkpoint; .* one after another with fit"):
        run(models, images, checkpoint="file")
    table = Table.from_values(torch.randn(9, 64), torch.zeros(9, dtype=torch.int64), ("a",))
    with pytest.raises(ValueError, match="binarize is for pixels"):
        run([mlp_vae((64, 1, 1)), mlp_vae((64, 1, 1))], table, binarize=True)
    for model in models:
        model.requires_grad_(False)
    with pytest.raises(ValueError, match="frozen; unfreeze"):
        run(models, images)


def test_a_loss_that_diverges_is_named_and_changes_no_model(images: ImageSet) -> None:
    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        terms = negative_elbo(model, batch.images)
        return terms | {"loss": terms["loss"] * (1e300 if batch.progress > 0.5 else 1)}

    models = [make_vae(), make_vae()]
    before = [model.encoder.layers[0].weight.detach().clone() for model in models]
    with pytest.raises(TrainingDiverged, match="epoch 2, batch 4: 'loss' became inf"):
        run(models, images, loss, epochs=3, together=True)
    for model, weight in zip(models, before, strict=True):
        assert torch.equal(model.encoder.layers[0].weight, weight)


def test_weights_that_diverge_are_found(images: ImageSet) -> None:
    with pytest.raises(TrainingDiverged, match="epoch 1, batch 4: 'weights' became nan"):
        run(
            [make_vae(), make_vae()],
            images,
            learning_rate=[1e-3, 1e-3],
            schedule=lambda progress: 1e60 if progress >= 0.7 else 1.0,
        )


def test_one_after_another_where_it_does_not_pay(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [make_vae(), make_vae()]
    twins = deepcopy(models)
    options = {"learning_rate": [1e-3, 1e-2], "seeds": [3, 4], "binarize": True}
    together = run(models, images, **options)
    apart = run(twins, images, **options, together=False)
    for one, other in zip(models, twins, strict=True):
        for value, same in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(value, same)
    assert together[1].training["loss"] == pytest.approx(apart[1].training["loss"])
    called = []
    monkeypatch.setitem(fit_many.__globals__, "fit", lambda *_, **__: called.append(1))
    monkeypatch.setitem(fit_many.__globals__, "worth_it", lambda *_: False)
    run(twins, images, together=None, progress=True)
    assert called == [1, 1]
    assert "one after another" in capsys.readouterr().out


def test_what_is_worth_it(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = [make_vae()] * 2, [mlp_vae((1, 28, 28), (500, 500))] * 2
    assert worth_it(small, images, 25)
    assert not worth_it(small[:1], images, 25)
    assert worth_it(large, images, 25)
    assert not worth_it(large, images, 100)
    convolutional = [conv_vae((1, 28, 28), (16, 32), 8)] * 2
    assert worth_it(convolutional, images.resize(28), 25)
    assert not worth_it(convolutional, images.resize(28), 100)
    monkeypatch.setitem(worth_it.__globals__, "CAN_DECIDE", False)
    assert not worth_it(small, images, 25)


def test_without_a_way_to_see_values_a_decision_is_refused(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "_unwrap", lambda value: value)

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        return classification_loss(model, batch) if batch.images.sum() > 0 else {}

    with pytest.raises(ValueError, match="cannot run for several replicas at once"):
        run([make_classifier(), make_classifier()], images, loss)


def test_tensors_serve_with_labels_and_without() -> None:
    pixels, labels = draw(40).pixels(), draw(40).labels
    for data, make, loss in (
        ((pixels, labels), make_classifier, classification_loss),
        (pixels, make_vae, negative_elbo),
    ):
        torch.manual_seed(0)
        models = [make(), make()]
        alone = deepcopy(models)
        run(models, data, loss, binarize=True)
        for seed, model in enumerate(alone):
            fit(
                model, data, loss, epochs=1, batch_size=16, binarize=True, seed=seed, progress=False
            )
        for one, other in zip(models, alone, strict=True):
            for value, same in zip(one.parameters(), other.parameters(), strict=True):
                torch.testing.assert_close(value, same, rtol=1e-4, atol=1e-5)


def test_a_loader_is_refused(images: ImageSet) -> None:
    with pytest.raises(TypeError, match=r"Replicas need their images in memory; .* with fit"):
        run([make_vae(), make_vae()], DataLoader(images))


def test_binary_pixels_off_the_cpu_are_left_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(many, "fit", lambda model, *_, **options: calls.append(options["seed"]))
    models = [make_vae().to("meta"), make_vae().to("meta")]
    for binarize, expected in ((True, [0, 1]), (False, [])):
        calls.clear()
        monkeypatch.setattr(many, "Cohort", _NoSteps)
        fit_many(models, draw(20), negative_elbo, epochs=1, binarize=binarize, progress=False)
        assert calls == expected


class _NoSteps:
    """Stands for replicas on a device on which nothing can be computed."""

    def __init__(self, replicas: object, loss: object, **options: object) -> None: ...

    def next_rows(self) -> list[range]:
        return []

    def write_back(self) -> None: ...
