"""`fit` learns, records, depends on its seed alone, and says what went wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from latent_transfer.data import Batch, ImageSet
from latent_transfer.errors import CheckpointError, TrainingDiverged
from latent_transfer.models import mlp_vae
from latent_transfer.objectives import classification_loss, negative_elbo
from latent_transfer.training import cosine_schedule, fit, warm_up


@pytest.fixture
def images() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (50, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(50) % 2, ("even", "odd"))


def make_model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return mlp_vae((1, 4, 4), (8,), 2)


def elbo_loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    return negative_elbo(model, batch.images)  # type: ignore[arg-type]


def train(model: nn.Module, images: ImageSet, **options: object):
    settings = {"epochs": 3, "batch_size": 20, "progress": False, "binarize": True} | options
    loss = settings.pop("loss", elbo_loss)
    return fit(model, images, loss, **settings)  # type: ignore[arg-type]


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_the_loss_falls_and_every_term_is_recorded(images: ImageSet) -> None:
    history = train(make_model(), images, epochs=30, learning_rate=0.01)
    assert history.epochs == 30
    assert set(history.training) == {"loss", "reconstruction", "kl"}
    assert history.training["loss"][-1] < history.training["loss"][0]
    assert history.validation == {}


def test_the_terms_of_the_loss_add_up(images: ImageSet) -> None:
    terms = train(make_model(), images).training
    parts = zip(terms["reconstruction"], terms["kl"], strict=True)
    assert terms["loss"] == pytest.approx([reconstruction + kl for reconstruction, kl in parts])


def test_the_recorded_mean_weighs_batches_by_their_size(images: ImageSet) -> None:
    def size_of_batch(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        zero = sum(parameter.sum() for parameter in model.parameters()) * 0
        return {"loss": zero + float(len(batch.images))}

    history = train(make_model(), images, loss=size_of_batch, epochs=1)
    assert history.training["loss"] == [(20 * 20 + 20 * 20 + 10 * 10) / 50]


def test_the_seed_alone_decides(images: ImageSet) -> None:
    runs = []
    for seed, disturbance in [(0, 0), (0, 1), (1, 0)]:
        model = make_model()
        torch.manual_seed(disturbance)
        train(model, images, seed=seed)
        runs.append(weights(model))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_callers_generator_is_left_alone(images: ImageSet) -> None:
    model = make_model()
    state = torch.get_rng_state()
    train(model, images, validation=images)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("before", [False, True])
def test_numbers_too_small_to_be_quick_are_zero_in_training_alone(
    images: ImageSet, before: bool
) -> None:
    if not torch.set_flush_denormal(before):
        pytest.skip("This processor cannot flush denormal numbers.")
    kept = []

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        kept.append(_denormals_count())
        return elbo_loss(model, batch)

    train(make_model(), images, loss=loss)
    after = _denormals_count()
    torch.set_flush_denormal(False)
    assert set(kept) == {False}
    assert after is not before


def _denormals_count() -> bool:
    return (torch.tensor(1e-39) * 1).item() > 0


def test_validation_is_recorded_and_changes_nothing(images: ImageSet) -> None:
    with_it, without = make_model(), make_model()
    history = train(with_it, images, validation=images)
    train(without, images)
    assert torch.equal(weights(with_it), weights(without))
    assert len(history.validation["loss"]) == 3


def test_validation_judges_the_finished_objective_in_evaluation_mode(images: ImageSet) -> None:
    seen: list[tuple[bool, float]] = []

    def spy(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        seen.append((model.training, batch.progress))
        return elbo_loss(model, batch)

    train(make_model(), images, loss=spy, epochs=1, batch_size=50, validation=images)
    assert seen == [(True, 0.0), (False, 1.0)]


def test_validation_repeats_its_noise(images: ImageSet) -> None:
    history = train(make_model(), images, validation=images, learning_rate=1e-30)
    assert len(set(history.validation["loss"])) == 1


def test_the_model_is_left_in_evaluation_mode(images: ImageSet) -> None:
    model = make_model()
    train(model, images)
    assert not model.training


def test_progress_runs_from_zero_to_just_below_one(images: ImageSet) -> None:
    seen = []

    def spy(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        seen.append(batch.progress)
        return elbo_loss(model, batch)

    train(make_model(), images, loss=spy, epochs=2)
    assert seen == [step / 6 for step in range(6)]


def test_the_schedule_scales_the_learning_rate(images: ImageSet) -> None:
    still, moving = make_model(), make_model()
    train(still, images, schedule=lambda progress: 0.0)
    train(moving, images, schedule=lambda progress: 1.0)
    unscheduled = make_model()
    train(unscheduled, images)
    assert torch.equal(weights(still), weights(make_model()))
    assert torch.equal(weights(moving), weights(unscheduled))


def test_schedules() -> None:
    assert [cosine_schedule(p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert [warm_up(p, until=0.5) for p in (0, 0.25, 0.5, 0.9)] == [0, 0.5, 1, 1]
    assert warm_up(0, until=0) == 1


def test_transform_sees_whole_batches(images: ImageSet) -> None:
    shapes = []

    def spy(batch: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(batch.shape))
        return batch.flip(-1)

    train(make_model(), images, transform=spy, epochs=1)
    assert shapes == [(20, 1, 4, 4), (20, 1, 4, 4), (10, 1, 4, 4)]


def test_the_progress_bar_shows_the_terms(
    images: ImageSet, capsys: pytest.CaptureFixture[str]
) -> None:
    train(make_model(), images, progress=True)
    shown = capsys.readouterr().err
    for part in ("epoch=3/3", "loss=", "kl=", "reconstruction="):
        assert part in shown


def _breaks_at(step: int, term: str) -> object:
    steps = iter(range(1, 1000))

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        terms = elbo_loss(model, batch)
        if next(steps) == step:
            terms[term] = terms[term] * math.nan
        return terms

    return loss


@pytest.mark.parametrize("term", ["loss", "kl"])
def test_divergence_names_epoch_batch_and_term(images: ImageSet, term: str) -> None:
    with pytest.raises(TrainingDiverged, match=rf"epoch 2, batch 1: '{term}' became nan") as caught:
        train(make_model(), images, loss=_breaks_at(4, term))
    assert (caught.value.epoch, caught.value.batch, caught.value.term) == (2, 1, term)


def test_a_validation_loss_that_is_not_finite_is_told(images: ImageSet) -> None:
    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        terms = elbo_loss(model, batch)
        return terms if model.training else terms | {"kl": terms["kl"] / 0}

    with pytest.raises(TrainingDiverged, match="epoch 1, batch 1: 'validation kl' became inf"):
        train(make_model(), images, loss=loss, validation=images)


def test_divergence_leaves_the_last_good_checkpoint(images: ImageSet, tmp_path: Path) -> None:
    path, model = tmp_path / "run.safetensors", make_model()
    broken = [True]

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        terms = elbo_loss(model, batch)
        return {"loss": terms["loss"] * (math.nan if broken[0] and batch.progress > 0.5 else 1)}

    with pytest.raises(TrainingDiverged):
        train(model, images, loss=loss, checkpoint=path)
    broken[0] = False
    with pytest.raises(CheckpointError, match=r"a run with another loss \(its broken differs\)"):
        train(make_model(), images, loss=loss, checkpoint=path)
    broken[0] = True
    with pytest.raises(TrainingDiverged, match="epoch 2, batch 3"):
        train(make_model(), images, loss=loss, checkpoint=path)


def test_weights_spoilt_by_the_last_step_are_not_saved(images: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"

    def gradient_blows_up(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        # sqrt(0) is finite, its gradient is not.
        return {"loss": sum((p - p.detach()).abs().sum() for p in model.parameters()).sqrt()}

    with pytest.raises(TrainingDiverged, match="'weights'"):
        train(make_model(), images, loss=gradient_blows_up, batch_size=50, checkpoint=path)
    saved = json.loads(safe_open(path, "pt").metadata()["latent_transfer"])
    assert saved["history"]["training"] == {}  # the start, and nothing that was spoilt


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"epochs": 0}, "epochs must be positive, not 0"),
        ({"batch_size": -1}, "batch_size must be positive, not -1"),
        ({"learning_rate": math.nan}, "learning_rate must be positive, not nan"),
        ({"precision": "float8"}, "precision must be float32, bfloat16 or float16, not 'float8'"),
        ({"precision": "float16"}, "float16 needs CUDA; on cpu use float32 or bfloat16"),
        ({"clip": 0.0}, "clip must be positive, not 0"),
        ({"epochs": 1.5}, "epochs must be a whole number, not 1.5"),
        ({"drop_last": True, "batch_size": 51}, "drop_last leaves no batch"),
        ({"patience": 2}, "patience needs a validation set"),
    ],
)
def test_settings_that_make_no_sense_are_named(
    images: ImageSet, option: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(make_model(), images, **option)


@pytest.mark.parametrize(
    "terms", [{"kl": torch.tensor(1.0)}, {"loss": torch.ones(3, requires_grad=True)}]
)
def test_a_loss_of_the_wrong_form_is_named(
    images: ImageSet, terms: dict[str, torch.Tensor]
) -> None:
    with pytest.raises(ValueError, match="must return scalars by name, one of them called 'loss'"):
        train(make_model(), images, loss=lambda model, batch: terms)


def test_bfloat16_trains_to_nearly_the_same_loss(images: ImageSet) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        model = make_model()
        history = train(model, images, epochs=20, learning_rate=0.01, precision=precision)
        losses[precision] = history.training["loss"][-1]
        assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.1)
    assert losses["bfloat16"] != losses["float32"]


def make_normalised() -> nn.Sequential:
    """An encoder with batch norm and dropout, and a head."""
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Flatten(),
        nn.Linear(16, 8),
        nn.BatchNorm1d(8),
        nn.Dropout(0.5),
        nn.BatchNorm1d(8, affine=False),
    )
    return nn.Sequential(encoder, nn.Linear(8, 2))


def class_loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    return classification_loss(model, batch)


def test_frozen_parts_keep_weights_and_statistics(images: ImageSet) -> None:
    model = make_normalised()
    model[0].requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes: list[bool] = []

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        modes.extend(part.training for part in model[0].modules())  # type: ignore[index]
        return class_loss(model, batch)

    train(model, images, loss=loss)
    after = model.state_dict()
    assert not any(modes)
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("0."))
    assert not torch.equal(after["1.weight"], before["1.weight"])


def test_parts_that_learn_keep_their_dropout_and_take_up_statistics(images: ImageSet) -> None:
    model = make_normalised()
    model[0][1].requires_grad_(False)  # a layer of the encoder: the others still learn
    before = model[0][2].running_mean.clone()  # type: ignore[union-attr,operator]
    seen: list[bool] = []

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        seen.append(model[0][3].training)  # type: ignore[index]
        return class_loss(model, batch)

    train(model, images, loss=loss)
    assert all(seen)
    assert not torch.equal(model[0][2].running_mean, before)  # type: ignore[arg-type]


def test_a_frozen_model_is_refused(images: ImageSet) -> None:
    with pytest.raises(ValueError, match="All parameters of the model are frozen"):
        train(make_model().requires_grad_(False), images)


def test_groups_learn_at_their_own_rates_under_one_schedule(images: ImageSet) -> None:
    moved = {}
    for name, rates in {"plain": None, "even": (0.01, 0.01), "apart": (0.01, 1e-8)}.items():
        model = make_model()
        start = weights(model.decoder)  # type: ignore[arg-type]
        parts = (model.encoder, model.decoder)
        groups = rates and [
            {"params": list(part.parameters()), "lr": rate}  # type: ignore[union-attr]
            for part, rate in zip(parts, rates, strict=True)
        ]
        train(model, images, groups=groups, learning_rate=0.01, schedule=cosine_schedule)
        moved[name] = (weights(model), (weights(model.decoder) - start).abs().max().item())  # type: ignore[arg-type]
    assert torch.equal(moved["plain"][0], moved["even"][0])
    assert moved["apart"][1] < 1e-6 < 1e-3 < moved["even"][1]


def test_rates_of_groups_are_checked(images: ImageSet) -> None:
    model = make_model()
    with pytest.raises(ValueError, match="learning_rate must be positive, not 0"):
        train(model, images, groups=[{"params": list(model.parameters()), "lr": 0.0}])


def test_before_epoch_is_told_the_progress(images: ImageSet) -> None:
    told: list[float] = []
    train(make_model(), images, epochs=4, before_epoch=lambda _, progress: told.append(progress))
    assert told == [0, 0.25, 0.5, 0.75]


def test_a_run_that_unfreezes_resumes_to_the_same_bits(images: ImageSet, tmp_path: Path) -> None:
    def unfreeze(model: nn.Module, progress: float) -> None:
        model[0].requires_grad_(progress >= 0.5)  # type: ignore[index]

    def stop(model: nn.Module, progress: float) -> None:
        unfreeze(model, progress)
        if progress == 0.75:
            raise KeyboardInterrupt

    options = {"loss": class_loss, "epochs": 4, "schedule": cosine_schedule}
    whole, halted = make_normalised(), make_normalised()
    train(whole, images, before_epoch=unfreeze, **options)
    with pytest.raises(KeyboardInterrupt):
        train(halted, images, before_epoch=stop, checkpoint=tmp_path / "run", **options)
    resumed = make_normalised()
    train(resumed, images, before_epoch=unfreeze, checkpoint=tmp_path / "run", **options)
    assert not torch.equal(weights(halted), weights(whole))
    assert torch.equal(weights(resumed), weights(whole))


def test_a_checkpoint_with_other_rates_is_refused(images: ImageSet, tmp_path: Path) -> None:
    train(make_model(), images, checkpoint=tmp_path / "run")
    with pytest.raises(CheckpointError, match="a run with rates="):
        train(make_model(), images, checkpoint=tmp_path / "run", learning_rate=0.5)
