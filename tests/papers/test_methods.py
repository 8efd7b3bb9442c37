"""What reaches ``fit``, scikit-learn and the scores is what settings and deviations say.

Every table runs with recorders in place of all that takes time. The place's device is ``meta``,
where tensors have shapes and no values: a model that is not moved there is found. A set of images
checks its values, so that one that is moved is marked instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from latent_transfer import data
from latent_transfer.data import Batch
from latent_transfer.densities import Gaussian
from latent_transfer.evaluation import Estimate
from latent_transfer.models import GAN, M1M2, VAE
from latent_transfer.nets import device_of
from latent_transfer.objectives import (
    classification_loss,
    log_importance_weights,
    negative_elbo,
    negative_importance_weighted_bound,
    negative_log_density,
)
from latent_transfer.papers.table import PaperTable, Place
from latent_transfer.papers.tables import (
    anomaly,
    burda2015,
    clustering,
    generative_transfer,
    hinton2015,
    kingma2014,
    nade,
)
from latent_transfer.training import cosine_schedule

DIGITS = data.load("digits")
META = torch.device("meta")
LINEAR, RELU = "Linear", "ReLU"


@dataclass
class Recorder:
    """Stands in for a function: takes down every call, and answers."""

    answer: Callable[..., Any] = lambda *_, **__: None
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((args, kwargs))
        return self.answer(*args, **kwargs)

    @property
    def only(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        (call,) = self.calls
        return call


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    def to(images: data.ImageSet, device: torch.device) -> data.ImageSet:
        moved = replace(images)
        object.__setattr__(moved, "moved_to", device)
        return moved

    monkeypatch.setattr(data.ImageSet, "to", to)
    return Place(tmp_path, tmp_path, META)


def is_moved(images: Any) -> bool:
    return getattr(images, "moved_to", None) == META


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recorder]:
    def put(module: ModuleType, name: str, answer: Any = None) -> Recorder:
        recorder = Recorder(answer if isinstance(answer, FunctionType) else lambda *_, **__: answer)
        monkeypatch.setattr(module, name, recorder)
        return recorder

    return put


def measure(
    table: PaperTable, label: str, place: Place, seed: int = 3, **changes: Any
) -> dict[str, Any]:
    """Run one cell; returns the settings that it was given."""
    row = table.row(label)
    settings = row.used(table.chosen(quick=True)) | changes
    torch.manual_seed(seed)
    table.measure(row, seed, settings, place)
    return settings


def check_moved(recorder: Recorder) -> None:
    """Model and data of every call are on the place's device."""
    assert recorder.calls
    for args, _ in recorder.calls:
        model, *sets = args
        assert device_of(model).type == "meta"
        found = [one for one in sets if hasattr(one, "images")]
        assert found
        assert all(is_moved(one) for one in found)


def kinds(net: nn.Module) -> list[str]:
    """Kinds of the layers of a net, in their order."""
    return [type(m).__name__ for m in net.modules() if not list(m.children())]


def widths(net: nn.Module) -> list[int]:
    return [m.out_features for m in net.modules() if isinstance(m, nn.Linear)]


def codes(model: nn.Module, images: data.ImageSet) -> Gaussian:
    """In place of ``encode``: noise, the same size as it would be, on the CPU."""
    size = getattr(model, "latent_size", 5)
    drawn = torch.randn(len(images), size, generator=torch.Generator().manual_seed(len(images)))
    return Gaussian(drawn, drawn)


# -- NADE -------------------------------------------------------------------------------------


@pytest.mark.parametrize("binarisation", ["fixed", "dynamic"])
def test_nade(binarisation: str, place: Place, record: Callable[..., Recorder]) -> None:
    fit = record(nade, "fit")
    score = record(nade, "exact_negative_log_likelihood", Estimate(1.0, 0.0, 1))
    label = f"NADE,binarisation={binarisation}"
    settings = measure(nade.TABLE, label, place)
    (model, images, loss), options = fit.only
    check_moved(fit)
    assert (model.hidden, model.shape) == (settings["hidden"], images.shape)
    assert images.classes == ("unlabelled",)
    assert loss is negative_log_density
    assert options == {
        **settings["training"],
        "schedule": cosine_schedule,
        "seed": 3,
        "binarize": binarisation == "dynamic",
        "checkpoint": place.file(f"{label}-3", settings, nade.__name__),
        "progress": False,
    }
    (judged, test), _ = score.only
    assert judged is model
    assert torch.equal(test.images, DIGITS.test.binarized(torch.Generator().manual_seed(2)).images)


# -- Burda et al. -----------------------------------------------------------------------------


@pytest.mark.parametrize("label", [row.label for row in burda2015.TABLE.rows])
def test_burda2015(label: str, place: Place, record: Callable[..., Recorder]) -> None:
    fit = record(burda2015, "fit")
    score = record(burda2015, "negative_log_likelihood", Estimate(1.0, 0.0, 1))
    settings = measure(burda2015.TABLE, label, place)
    (model, _, loss), options = fit.only
    check_moved(fit)
    sides = [LINEAR, "Tanh"] * len(settings["hidden"]) + [LINEAR]
    assert [kinds(model.encoder), kinds(model.decoder)] == [
        sides,
        [*sides, *kinds(model.decoder)[len(sides) :]],
    ]
    assert widths(model.encoder) == [*settings["hidden"], 2 * settings["latent_size"]]
    assert model.latent_size == settings["latent_size"]
    assert options == {
        **settings["training"],
        "schedule": cosine_schedule,
        "seed": 3,
        "binarize": True,
        "checkpoint": place.file(f"{label}-3", settings, burda2015.__name__),
        "progress": False,
    }
    (_, test), chosen = score.only
    assert chosen == {"samples": settings["nll_samples"], "samples_at_once": 10, "seed": 3}
    assert torch.equal(test.images, DIGITS.test.binarized(torch.Generator().manual_seed(0)).images)
    check_loss(loss, label)


def check_loss(loss: Callable[..., Any], label: str) -> None:
    method, draws = label.split(",k=")
    torch.manual_seed(0)
    vae = burda2015._new_model(DIGITS.train, burda2015.TABLE.chosen(quick=True))
    batch = Batch(DIGITS.train.pixels()[:8])
    torch.manual_seed(1)
    found = loss(vae, batch)["loss"]
    torch.manual_seed(1)
    expected = (
        -log_importance_weights(vae, batch.images, int(draws)).mean()
        if method == "VAE"
        else negative_importance_weighted_bound(vae, batch, samples=int(draws))["loss"]
    )
    torch.testing.assert_close(found, expected)


# -- Anomalies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "kind", "corrected"),
    [
        ("VAE: minus ELBO", "elbo", False),
        ("VAE: reconstruction probability", "reconstruction", False),
        ("VAE: minus ELBO less complexity", "elbo", True),
    ],
)
def test_anomaly_by_vae(
    method: str, kind: str, corrected: bool, place: Place, record: Callable[..., Recorder]
) -> None:
    fit = record(anomaly, "fit")
    scores = record(anomaly, "anomaly_scores", lambda _, images, **__: torch.ones(len(images)))
    correction = record(anomaly, "complexity_corrected", lambda score, length: score - length)
    area = record(anomaly, "auroc", 0.5)
    settings = measure(anomaly.TABLE, f"{method},anomaly=4,latents=32", place)
    (model, images, loss), options = fit.only
    check_moved(fit)
    assert widths(model.encoder) == [*settings["vae"]["hidden"], 64]
    assert kinds(model.encoder)[1] == RELU
    assert len(images) == int((DIGITS.train.labels != 4).sum())
    assert loss is negative_elbo
    assert options == {
        **settings["vae"]["training"],
        "schedule": cosine_schedule,
        "binarize": True,
        "seed": 3,
        "checkpoint": place.file("vae-32-4-3", settings, anomaly.__name__),
        "progress": False,
    }
    chosen = {"kind": kind, "samples": settings["samples"], "seed": 3}
    assert [options for _, options in scores.calls] == [chosen, chosen]
    assert all(device_of(args[0]).type == "meta" for args, _ in scores.calls)
    assert len(correction.calls) == (2 if corrected else 0)
    (anomalous, normal), _ = area.only
    fours = int((DIGITS.test.labels == 4).sum())
    assert (len(anomalous), len(normal)) == (fours, len(DIGITS.test) - fours)


class Estimators:
    """Takes down how scikit-learn's estimators are made, and lets them work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Any] = []
        self.fitted: list[tuple[Any, ...]] = []
        self._patch = monkeypatch

    def watch(self, module: str, name: str) -> Estimators:
        real = getattr(import_module(module), name)
        watching = self

        class Watched(real):  # type: ignore[misc, valid-type]
            def fit(self, *data: Any, **options: Any) -> Any:
                watching.made.append(self)
                watching.fitted.append(data)
                return super().fit(*data, **options)

        self._patch.setattr(f"{module}.{name}", Watched)
        return self

    def given(self, *names: str) -> dict[str, Any]:
        (model,) = self.made
        return {name: getattr(model, name) for name in names}


@pytest.fixture
def estimators(monkeypatch: pytest.MonkeyPatch) -> Estimators:
    return Estimators(monkeypatch)


def test_anomaly_by_one_class_svm(place: Place, estimators: Estimators) -> None:
    estimators.watch("sklearn.svm", "OneClassSVM")
    changed = {"one_class_svm": {"nu": 0.17, "images": 123}}
    measure(anomaly.TABLE, "one-class SVM,anomaly=4", place, **changed)
    expected = {"nu": 0.17, "gamma": "scale", "kernel": "rbf", "tol": 1e-3}
    assert estimators.given(*expected) == expected
    ((points,),) = estimators.fitted
    assert points.shape == (123, np.prod(DIGITS.train.shape))
    assert set(np.unique(points)) == {0, 1}


def test_anomaly_by_isolation_forest(place: Place, estimators: Estimators) -> None:
    estimators.watch("sklearn.ensemble", "IsolationForest")
    changed = {"isolation_forest": {"trees": 7}}
    measure(anomaly.TABLE, "isolation forest,anomaly=4", place, **changed)
    expected = {"n_estimators": 7, "random_state": 3, "max_samples": "auto", "max_features": 1.0}
    assert estimators.given(*expected) == expected
    ((points,),) = estimators.fitted
    assert len(points) == int((DIGITS.train.labels != 4).sum())


def test_anomaly_by_pca(place: Place, estimators: Estimators) -> None:
    estimators.watch("sklearn.decomposition", "PCA")
    measure(anomaly.TABLE, "PCA: reconstruction error,anomaly=4,latents=2", place)
    expected = {"n_components": 2, "random_state": 3, "whiten": False}
    assert estimators.given(*expected) == expected
    ((points,),) = estimators.fitted
    assert set(np.unique(points)) == {0, 1}


# -- Clusters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "labels"),
    [("pixels", ""), ("PCA", ""), ("VAE means", ""), ("VAE means", "labels=100,")],
)
def test_clustering_by_k_means(
    features: str,
    labels: str,
    place: Place,
    estimators: Estimators,
    record: Callable[..., Recorder],
) -> None:
    fit = record(clustering, "fit")
    record(clustering, "encode", codes)
    means = record(clustering, "class_means", lambda model, few: torch.randn(10, 5))
    estimators.watch("sklearn.cluster", "KMeans")
    label = f"k-means,features={features},{labels}score=accuracy"
    settings = measure(clustering.TABLE, label, place, starts=2)
    expected = {"n_clusters": 10, "random_state": 3, "n_init": 1 if labels else 2}
    assert estimators.given(*expected) == expected
    start = estimators.made[0].init
    assert isinstance(start, np.ndarray) if labels else start == "k-means++"
    ((points,),) = estimators.fitted
    pixels = int(np.prod(DIGITS.train.shape))
    sizes = {"pixels": pixels, "PCA": settings.get("components"), "VAE means": 5}
    assert points.shape == (len(DIGITS.train), sizes[features])
    if labels:
        (_, few), _ = means.only
        assert list(few.counts().values()) == [10] * 10
    if features == "VAE means":
        check_vae_of_clustering(fit, settings, place)


def check_vae_of_clustering(fit: Recorder, settings: dict[str, Any], place: Place) -> None:
    (model, images, loss), options = fit.only
    check_moved(fit)
    assert images.classes == ("unlabelled",)
    assert loss is negative_elbo
    nets = settings["nets"]
    assert widths(model.encoder) == [*nets["hidden"], 2 * nets["latent_size"]]
    assert options == {
        **settings["vae"],
        "schedule": cosine_schedule,
        "seed": 3,
        "checkpoint": place.file("vae-3", settings, clustering.__name__),
        "progress": False,
    }


@pytest.mark.parametrize(
    ("features", "kind", "starts"), [("pixels", "diag", 1), ("PCA", "full", 2)]
)
def test_clustering_by_mixture(
    features: str, kind: str, starts: int, place: Place, estimators: Estimators
) -> None:
    estimators.watch("sklearn.mixture", "GaussianMixture")
    label = f"Gaussian mixture,features={features},score=NMI"
    measure(clustering.TABLE, label, place, starts=2)
    expected = {
        "n_components": 10,
        "covariance_type": kind,
        "n_init": starts,
        "means_init": None,
        "random_state": 3,
        "reg_covar": 1e-3,
        "max_iter": 100,
    }
    assert estimators.given(*expected) == expected


@pytest.mark.parametrize("labels", ["", "labels=100,"])
def test_clustering_by_vade(labels: str, place: Place, record: Callable[..., Recorder]) -> None:
    fit = record(clustering, "fit_vade")
    answer = torch.eye(10)[torch.arange(len(DIGITS.test)) % 10]
    logits = record(clustering, "predict_logits", answer)
    settings = measure(clustering.TABLE, f"VaDE,{labels}score=accuracy", place)
    (model, images), options = fit.only
    check_moved(fit)
    assert images.classes == ("unlabelled",)
    assert model.clusters == 10
    nets = settings["nets"]
    assert widths(model.vae.encoder) == [*nets["hidden"], 2 * nets["latent_size"]]
    few = options.pop("labelled")
    assert (few is None) == (not labels)
    assert few is None or list(few.counts().values()) == [10] * 10
    assert options == {
        **settings["vade"]["training"],
        "checkpoint": place.file("vade-3", settings, clustering.__name__),
        "seed": 3,
        "progress": False,
    }
    assert logits.only[0][0] is model


# -- Hinton et al. ----------------------------------------------------------------------------


@pytest.fixture
def lesson(record: Callable[..., Recorder]) -> dict[str, Recorder]:
    def answer(model: nn.Module, images: data.ImageSet) -> torch.Tensor:
        return torch.randn(len(images), 10, generator=torch.Generator().manual_seed(0))

    return {
        "fit": record(hinton2015, "fit"),
        "distil": record(hinton2015, "distil"),
        "augment": record(hinton2015, "flips_and_crops", "the augmentation"),
        "predict_logits": record(hinton2015, "predict_logits", answer),
        "bias_for_share": record(hinton2015, "bias_for_share", 0.0),
    }


def check_teacher(lesson: dict[str, Recorder], settings: dict[str, Any], place: Place) -> None:
    (model, images, loss), options = lesson["fit"].only
    check_moved(lesson["fit"])
    assert len(images) == len(DIGITS.train)
    assert loss is classification_loss
    made_of = {name: settings[name] for name in ("data", "teacher")}
    assert options == {
        **settings["teacher"]["training"],
        "transform": "the augmentation",
        "schedule": cosine_schedule,
        "seed": 3,
        "checkpoint": place.file("teacher-3", made_of, hinton2015.__name__),
        "progress": False,
    }
    moved = ((DIGITS.train.shape[1],), {"margin": 2, "groups": 25, "flips": False})
    assert lesson["augment"].only == moved
    net = settings["teacher"]["net"]
    assert widths(model)[:-1] == net["hidden"]
    drops = [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
    assert drops == [net["input_dropout"], *[net["dropout"]] * len(net["hidden"])]


def test_hinton2015_teacher(place: Place, lesson: dict[str, Recorder]) -> None:
    settings = measure(hinton2015.TABLE, "teacher,units=1200", place)
    check_teacher(lesson, settings, place)
    assert not lesson["distil"].calls


def test_hinton2015_alone(place: Place, lesson: dict[str, Recorder]) -> None:
    settings = measure(hinton2015.TABLE, "alone,units=30", place)
    (model, _, loss), options = lesson["fit"].only
    check_moved(lesson["fit"])
    assert widths(model)[:2] == [30, 30]
    assert kinds(model).count("Dropout") == 0
    assert loss is classification_loss
    fixed = {"schedule": cosine_schedule, "seed": 3, "progress": False}
    assert options == {**settings["alone"], **fixed}


@pytest.mark.parametrize(
    ("label", "units", "temperature", "classes", "corrected"),
    [
        ("distilled,units=30,temperature=2.5", 30, 2.5, "all", None),
        ("distilled without 3s,biases=as trained", 40, 20, "012456789", None),
        ("distilled on 7s and 8s,biases=corrected", 40, 20, "78", ((7, 8), 0.2)),
        ("distilled without 3s: the 3s,biases=corrected", 40, 20, "012456789", ((3,), 0.1)),
    ],
)
def test_hinton2015_distilled(
    label: str,
    units: int,
    temperature: float,
    classes: str,
    corrected: tuple[tuple[int, ...], float] | None,
    place: Place,
    lesson: dict[str, Recorder],
) -> None:
    settings = measure(hinton2015.TABLE, label, place)
    check_teacher(lesson, settings, place)
    (student, teacher, transfer_set), options = lesson["distil"].only
    check_moved(lesson["distil"])
    assert teacher is lesson["fit"].only[0][0]
    assert widths(student)[:2] == [units, units]
    assert kinds(student).count("Dropout") == 0
    name = f"student-{units}-{temperature:g}-{classes}-3"
    assert options == {
        **settings["distilled"],
        "temperature": temperature,
        "schedule": cosine_schedule,
        "seed": 3,
        "checkpoint": place.file(name, settings, hinton2015.__name__),
        "progress": False,
    }
    kept = range(10) if classes == "all" else map(int, classes)
    count = sum(int((DIGITS.train.labels == label).sum()) for label in kept)
    assert len(transfer_set) == count
    asked = [(args[1], args[2]) for args, _ in lesson["bias_for_share"].calls]
    assert asked == ([] if corrected is None else [corrected])


# -- Kingma et al. ----------------------------------------------------------------------------


def test_kingma2014_mlp(place: Place, record: Callable[..., Recorder]) -> None:
    fit = record(kingma2014, "fit")
    record(kingma2014, "classification_error", Estimate(1.0, 0.0, 1))
    settings = measure(kingma2014.TABLE, "MLP,labels=1000", place)
    (model, few, loss), options = fit.only
    check_moved(fit)
    chosen = settings["MLP"]
    assert len(few) == 1000 * settings["labels_used"]
    assert kinds(model) == [LINEAR, RELU, LINEAR]
    assert widths(model) == [chosen["hidden"], 10]
    assert loss is classification_loss
    assert options == {
        "epochs": chosen["steps"] * chosen["batch_size"] // len(few),
        "batch_size": chosen["batch_size"],
        "learning_rate": chosen["learning_rate"],
        "schedule": cosine_schedule,
        "seed": 3,
        "progress": False,
    }


def test_kingma2014_m2(place: Place, record: Callable[..., Recorder]) -> None:
    fit = record(kingma2014, "fit_semi_supervised")
    record(kingma2014, "classification_error", Estimate(1.0, 0.0, 1))
    small = record(kingma2014, "_start_small")
    settings = measure(kingma2014.TABLE, "M2,labels=100", place)
    chosen, fixed = settings["M2"], {"binarize": True, "seed": 3, "progress": False}
    check_moved(fit)
    (start, first), (again, second) = fit.calls
    assert start[0] is again[0]
    assert small.only == ((start[0], chosen["initial_std"]), {})
    assert first == {**chosen["start"], **fixed}
    beta = second.pop("beta")
    assert second == {**chosen["training"], **fixed, "schedule": cosine_schedule}
    # The weight of the KL falls from 5 to 1 and stays there for the last passes.
    until = chosen["until"]
    found = [beta(progress) for progress in (0, until / 2, until, 0.99)]
    assert found == pytest.approx([chosen["first_beta"], (chosen["first_beta"] + 1) / 2, 1, 1])
    assert {kind for kind in kinds(start[0]) if kind != LINEAR} >= {RELU}
    assert not {"Softplus", "Tanh"} & set(kinds(start[0]))


def test_kingma2014_m2_starts_near_zero() -> None:
    net = nn.Sequential(nn.Linear(200, 200), nn.ReLU(), nn.Embedding(10, 200))
    kingma2014._start_small(net, 1e-3)
    assert 0.9e-3 < net[0].weight.std() < 1.1e-3
    assert 0.9e-3 < net[2].weight.std() < 1.1e-3
    assert not net[0].bias.any()


def check_m1(fit: Recorder, settings: dict[str, Any], place: Place) -> None:
    (model, images, _), options = fit.only
    check_moved(fit)
    chosen = settings["M1"]
    assert images.classes == ("unlabelled",)
    assert widths(model.encoder) == [*chosen["hidden"], 2 * chosen["latent_size"]]
    assert kinds(model.encoder) == [LINEAR, "Softplus"] * len(chosen["hidden"]) + [LINEAR]
    made_of = {name: settings[name] for name in ("data", "validation_images", "M1")}
    assert options == {
        **chosen["training"],
        "checkpoint": place.file("M1", made_of, kingma2014.__name__),
        "schedule": cosine_schedule,
        "binarize": True,
        "progress": False,
    }


def test_kingma2014_m1_warms_up(place: Place, record: Callable[..., Recorder]) -> None:
    fit = record(kingma2014, "fit")
    bound = record(kingma2014, "negative_elbo")
    settings = kingma2014.TABLE.chosen(quick=True)
    kingma2014.prepare(kingma2014.TABLE.rows, settings, place)
    check_m1(fit, settings, place)
    (model, _, loss), _ = fit.only
    until = settings["M1"]["warm_up"]
    for progress in (0.0, until / 2, until, 0.9):
        loss(model, Batch(torch.zeros(1, 1, 28, 28), progress=progress))
    assert [options["beta"] for _, options in bound.calls] == pytest.approx([0, 0.5, 1, 1])
    assert all(args[0] is model for args, _ in bound.calls)


def test_kingma2014_m1_m2(
    place: Place, record: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    m1_fit = record(kingma2014, "fit")
    fit = record(kingma2014, "fit_semi_supervised")
    record(kingma2014, "classification_error", Estimate(1.0, 0.0, 1))
    active = record(
        kingma2014, "active_units", lambda model, _: torch.arange(model.latent_size) % 3 == 0
    )
    settings = measure(kingma2014.TABLE, "M1+M2,labels=100", place)
    check_m1(m1_fit, settings, place)
    check_moved(fit)
    (model, few, unlabelled), options = fit.only
    chosen = settings["M1+M2"]
    assert isinstance(model, M1M2)
    assert model.m1 is m1_fit.only[0][0] is active.only[0][0]
    assert len(model.kept) == len(range(0, settings["M1"]["latent_size"], 3))
    assert not {"Softplus", "Tanh"} & set(kinds(model.m2))
    assert set(chosen["hidden"]) <= set(widths(model.m2))
    fixed = {"binarize": True, "seed": 3, "progress": False, "schedule": cosine_schedule}
    assert options == {**chosen["training"], **fixed}
    assert len(few) < len(unlabelled)


@pytest.mark.parametrize("features", ["", "M1+"])
def test_kingma2014_svm(
    features: str, place: Place, record: Callable[..., Recorder], estimators: Estimators
) -> None:
    fit = record(kingma2014, "fit")
    record(kingma2014, "encode", codes)
    estimators.watch("sklearn.svm", "SVC")
    settings = measure(kingma2014.TABLE, f"{features}SVM,labels=600", place, SVM={"C": 7})
    expected = {"C": 7, "gamma": "scale", "kernel": "rbf", "class_weight": None}
    assert estimators.given(*expected) == expected
    ((points, labels),) = estimators.fitted
    size = settings["M1"]["latent_size"] if features else int(np.prod(DIGITS.train.shape))
    assert points.shape == (180, size)
    assert len(labels) == 180
    if features:
        check_m1(fit, settings, place)


def test_kingma2014_label_spreading(
    place: Place, record: Callable[..., Recorder], estimators: Estimators
) -> None:
    fit = record(kingma2014, "fit")
    record(kingma2014, "encode", codes)
    estimators.watch("sklearn.semi_supervised", "LabelSpreading")
    spreading = {"neighbours": 4, "alpha": 0.3}
    changed = {"label spreading": spreading}
    settings = measure(kingma2014.TABLE, "M1+label spreading,labels=600", place, **changed)
    check_m1(fit, settings, place)
    expected = {"kernel": "knn", "n_neighbors": 4, "alpha": 0.3}
    assert estimators.given(*expected) == expected
    ((points, labels),) = estimators.fitted
    unlabelled = len(DIGITS.train) - settings["validation_images"]
    assert len(points) == len(labels) == 180 + unlabelled
    assert int((labels == -1).sum()) == unlabelled


# -- Moved generators -------------------------------------------------------------------------


@pytest.fixture
def domains(record: Callable[..., Recorder]) -> dict[str, Recorder]:
    table = generative_transfer

    class Space:
        def __call__(self, images: Any) -> str:
            assert is_moved(images) or images.device == META
            return f"features of {len(images)} {type(images).__name__}"

    return {
        "fit": record(table, "fit"),
        "fit_gan": record(table, "fit_gan"),
        "initialise_from": record(table, "initialise_from"),
        "train_feature_space": record(table, "train_feature_space", Space()),
        "kernel_distance": record(table, "kernel_distance", 1.0),
    }


@pytest.mark.parametrize("method", ["GAN", "GAN with frozen layers", "GAN scale and shift", "VAE"])
@pytest.mark.parametrize("source", ["other classes", "photographs"])
def test_generative_transfer(
    method: str, source: str, place: Place, domains: dict[str, Recorder]
) -> None:
    label = f"{method},source={source},images=20,steps=2000"
    settings = measure(generative_transfer.TABLE, label, place)
    kind, fit = ("VAE", domains["fit"]) if method == "VAE" else ("GAN", domains["fit_gan"])
    check_moved(fit)
    (taught, moved), chosen = fit.calls, settings[kind]
    check_steps(taught, chosen, chosen["source_steps"], seed=0)
    check_steps(moved, chosen, round(2000 * settings["length"]), seed=3)
    unrelated = ["unrelated"] if source == "photographs" else []
    names = ("data", "size", "validation_images", kind, *unrelated)
    made_of = {name: settings[name] for name in names}
    module = generative_transfer.__name__
    assert taught[1]["checkpoint"] == place.file(f"{kind}-{source}", made_of, module)
    assert moved[1]["checkpoint"] is None

    (from_model, to_model, parts), _ = domains["initialise_from"].only
    assert (from_model, to_model) == (taught[0][0], moved[0][0])
    gan = ("generator", "average", "discriminator")
    assert tuple(parts) == (("encoder", "decoder") if kind == "VAE" else gan)
    check_net(to_model, chosen)
    check_held(method, to_model)
    check_distance(domains, settings, place)


def check_steps(
    call: tuple[tuple[Any, ...], dict[str, Any]], chosen: dict[str, Any], steps: int, seed: int
) -> None:
    args, options = call
    assert len(args[1]) == steps * chosen["training"]["batch_size"]
    expected = {"epochs": 1, "seed": seed, "progress": False, **chosen["training"]}
    assert {name: options[name] for name in options if name != "checkpoint"} == expected
    assert args[2:] in ((), (negative_elbo,))


def check_net(model: GAN | VAE, chosen: dict[str, Any]) -> None:
    net = chosen["net"]
    if isinstance(model, VAE):
        assert widths(model.encoder) == [*net["hidden"], 2 * net["latent_size"]]
        return
    hidden = [LINEAR, "BatchNorm1d", RELU]
    assert kinds(model.generator) == [*hidden, *hidden, LINEAR, "Unflatten"]
    assert widths(model.generator)[:2] == widths(model.discriminator)[:2] == [net["hidden"]] * 2
    assert kinds(model.discriminator)[1] == "LeakyReLU"
    assert model.latent_size == net["latent_size"]


def check_held(method: str, model: nn.Module) -> None:
    still = {
        name
        for name, value in model.named_parameters()
        if not value.requires_grad and not name.startswith("average")
    }
    if method == "GAN with frozen layers":
        assert still == {"discriminator.layers.0.weight", "discriminator.layers.0.bias"}
    elif method == "GAN scale and shift":
        linear = {f"generator.{at}.{part}" for at in (0, 3, 6) for part in ("weight", "bias")}
        assert still == linear
    else:
        assert still == set()


def check_distance(domains: dict[str, Recorder], settings: dict[str, Any], place: Place) -> None:
    (_, train), options = domains["train_feature_space"].only
    assert is_moved(train)
    assert len(train.classes) == 10
    names = ("data", "size", "validation_images", "space")
    made_of = {name: settings[name] for name in names}
    file = place.file("features", made_of, generative_transfer.__name__)
    assert options == {**settings["space"], "checkpoint": file}
    (real, samples), _ = domains["kernel_distance"].only
    count = settings["samples"]
    assert real == f"features of {count} ImageSet"
    assert samples == f"features of {count} Tensor"


def test_generative_transfer_averages_as_its_settings_say() -> None:
    net = generative_transfer._normalised_gan((1, 4, 4), hidden=5, latent_size=2, averaging=0.25)
    before = [value.clone() for value in net.generator.parameters()]
    net.update_average()  # the first takes the weights as they are
    with torch.no_grad():
        for value in net.generator.parameters():
            value += 1
    net.update_average()
    for old, mean in zip(before, net.average.module.parameters(), strict=True):
        torch.testing.assert_close(mean, old + 0.75)
