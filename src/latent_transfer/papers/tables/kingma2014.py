"""Table 1 of Kingma, Rezende, Mohamed & Welling (2014): MNIST with few labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from latent_transfer import data
from latent_transfer._random import seeded
from latent_transfer.data import Batch, ImageSet
from latent_transfer.evaluation import active_units, classification_error
from latent_transfer.inference import encode
from latent_transfer.models import M1M2, M2, VAE, Classifier, mlp_m2, mlp_vae, stack_m2
from latent_transfer.nets import MLPEncoder
from latent_transfer.objectives import Terms, classification_loss, negative_elbo
from latent_transfer.papers.table import PaperTable, Place, Published, Row, Settings
from latent_transfer.papers.tables._pixels import flat_pixels
from latent_transfer.training import cosine_schedule, fit, fit_semi_supervised, warm_up


def measure(row: Row, seed: int, settings: Settings, place: Place) -> float:
    """Return the test error in per cent of one method on one draw of labelled images.

    Args:
        row: Names the method and, as ``labels``, how many labelled images there are.
        seed: Decides the draw and all else that is random; M1 is the same for every seed.
        settings: Of the table.
        place: Where the data and the trained M1 are.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.table import Place
        >>> from latent_transfer.papers.tables.kingma2014 import TABLE, measure
        >>> row, settings = TABLE.row("SVM,labels=3000"), TABLE.chosen(quick=True)
        >>> 0 < measure(row, 0, settings, Place(Path(), Path())) < 20
        True
    """
    return METHODS[row.method](_Task(settings, int(row.condition["labels"]), seed, place))


def prepare(rows: Sequence[Row], settings: Settings, place: Place) -> None:
    """Train M1, which several rows share.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.table import Place
        >>> from latent_transfer.papers.tables.kingma2014 import TABLE, prepare
        >>> prepare(TABLE.select(["SVM"]), TABLE.settings, Place(Path(), Path()))  # they need none
    """
    if any("M1" in (row.uses or ()) for row in rows):
        _m1(settings, _data(settings, place)[0], place)


class _Task:
    """What the methods are given: images, a draw of labels, and the way to M1."""

    def __init__(self, settings: Settings, labels: int, seed: int, place: Place) -> None:
        self.settings, self.labels, self.seed, self.place = settings, labels, seed, place
        self._train, self.test = _data(settings, place)
        per_class = int(labels * settings["labels_used"]) // len(self._train.classes)
        self.few = self._train.few(per_class, torch.Generator().manual_seed(seed))
        self.unlabelled = self._train.unlabelled()

    def m1(self) -> VAE:
        return _m1(self.settings, self._train, self.place)


def _data(settings: Settings, place: Place) -> tuple[ImageSet, ImageSet]:
    loaded = data.load(settings["data"], place.data_root)
    # The images put aside served to choose the settings below; they are not trained on.
    generator = torch.Generator().manual_seed(0)
    train, _ = loaded.train.split(settings["validation_images"], generator)
    return train, loaded.test


def _m1(settings: Settings, train: ImageSet, place: Place) -> VAE:
    chosen = settings["M1"]
    with seeded(0):
        model = mlp_vae(
            train.shape, chosen["hidden"], chosen["latent_size"], activation=nn.Softplus
        ).to(place.device)

    def loss(vae: VAE, batch: Batch) -> Terms:
        return negative_elbo(vae, batch, beta=warm_up(batch.progress, chosen["warm_up"]))

    made_of = {name: settings[name] for name in ("data", "validation_images", "M1")}
    fit(
        model,
        train.unlabelled().to(place.device),
        loss,
        checkpoint=place.file("M1", made_of, __name__),  # a finished run is read, not repeated
        schedule=cosine_schedule,
        binarize=True,
        progress=False,
        **chosen["training"],
    )
    return model


def _mlp(task: _Task) -> float:
    chosen = task.settings["MLP"]
    encoder = MLPEncoder(task.few.shape, [], chosen["hidden"])
    model = Classifier(nn.Sequential(encoder, nn.ReLU()), chosen["hidden"], len(task.few.classes))
    fit(
        model.to(task.place.device),
        task.few.to(task.place.device),
        classification_loss,
        epochs=max(1, chosen["steps"] * chosen["batch_size"] // len(task.few)),
        batch_size=chosen["batch_size"],
        learning_rate=chosen["learning_rate"],
        schedule=cosine_schedule,
        seed=task.seed,
        progress=False,
    )
    return classification_error(model, task.test).mean


def _m2(task: _Task) -> float:
    chosen = task.settings["M2"]
    model = mlp_m2(
        task.few.shape,
        len(task.few.classes),
        chosen["hidden"],
        chosen["latent_size"],
        activation=nn.ReLU,
    )
    _start_small(model, chosen["initial_std"])
    _train(task, model, **chosen["start"])
    beta, until = chosen["first_beta"], chosen["until"]
    _train(
        task,
        model,
        beta=lambda progress: beta + (1 - beta) * warm_up(progress, until),
        schedule=cosine_schedule,
        **chosen["training"],
    )
    return classification_error(model, task.test).mean


def _m1_m2(task: _Task) -> float:
    chosen, m1 = task.settings["M1+M2"], task.m1()
    model = stack_m2(
        m1,
        active_units(m1, task.unlabelled).nonzero().squeeze(1),
        len(task.few.classes),
        chosen["hidden"],
        chosen["latent_size"],
        activation=nn.ReLU,
    )
    _train(task, model, schedule=cosine_schedule, **chosen["training"])
    return classification_error(model, task.test).mean


def _train(task: _Task, model: M2 | M1M2, **training: Any) -> None:
    fit_semi_supervised(
        model.to(task.place.device),
        task.few.to(task.place.device),
        task.unlabelled.to(task.place.device),
        binarize=True,  # M1 has learnt from binary pixels too; the draws are fresh noise besides
        seed=task.seed,
        progress=False,
        **training,
    )


def _start_small(model: nn.Module, std: float) -> None:
    """Weights near zero, so that the label is of use to the decoder before the latents are."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def _svm(task: _Task) -> float:
    return _svm_error(task, flat_pixels(task.few), flat_pixels(task.test))


def _svm_on_m1(task: _Task) -> float:
    m1 = task.m1()
    few, test = (encode(m1, part).mean.numpy() for part in (task.few, task.test))
    return _svm_error(task, few, test)


def _svm_error(task: _Task, few: Any, test: Any) -> float:
    from sklearn.svm import SVC

    classifier = SVC(C=task.settings["SVM"]["C"], gamma="scale").fit(few, task.few.labels.numpy())
    return 100 * float(1 - classifier.score(test, task.test.labels.numpy()))


def _spreading_on_m1(task: _Task) -> float:
    from sklearn.semi_supervised import LabelSpreading

    m1, chosen = task.m1(), task.settings["label spreading"]
    few, unlabelled, test = (
        encode(m1, part).mean for part in (task.few, task.unlabelled, task.test)
    )
    labels = torch.cat([task.few.labels, torch.full((len(unlabelled),), -1)])  # −1: not known
    classifier = LabelSpreading(
        kernel="knn", n_neighbors=chosen["neighbours"], alpha=chosen["alpha"]
    ).fit(torch.cat([few, unlabelled]).numpy(), labels.numpy())
    return 100 * float(1 - classifier.score(test.numpy(), task.test.labels.numpy()))


METHODS: dict[str, Callable[[_Task], float]] = {
    "MLP": _mlp,
    "SVM": _svm,
    "M1+SVM": _svm_on_m1,
    "M1+label spreading": _spreading_on_m1,
    "M2": _m2,
    "M1+M2": _m1_m2,
}

LABELS = (100, 600, 1000, 3000)

#: Means of the paper's Table 1, one per number in LABELS.
PAPER = {
    "MLP": (25.81, 11.44, 10.7, 6.04),
    "M1+label spreading": (11.82, 5.72, 4.24, 3.49),
    "M2": (11.97, 4.94, 3.60, 3.92),
    "M1+M2": (3.33, 2.59, 2.40, 2.18),
}
#: Spreads that could be looked up beside their means.
PAPER_STD = {("M2", 100): 1.71, ("M1+M2", 100): 0.14}

#: What each method depends on, beside the data.
USES = {
    "MLP": ("MLP",),
    "SVM": ("SVM",),
    "M1+SVM": ("M1", "SVM"),
    "M1+label spreading": ("M1", "label spreading"),
    "M2": ("M2",),
    "M1+M2": ("M1", "M1+M2"),
}


def _published(method: str, labels: int) -> Published | None:
    if method not in PAPER:
        return None
    mean = PAPER[method][LABELS.index(labels)]
    return {"mean": mean, "std": PAPER_STD.get((method, labels))}


TABLE = PaperTable(
    name="kingma2014",
    source=(
        "Kingma, Rezende, Mohamed and Welling, Semi-supervised Learning with Deep Generative "
        "Models, NeurIPS 2014, Table 1 (MNIST)"
    ),
    rows=tuple(
        Row(
            method,
            {"labels": labels},
            seeds=5 if labels == 100 else 3,
            paper=_published(method, labels),
            metric="test_error_percent",
            uses=("data", "validation_images", "labels_used", *uses),
        )
        for method, uses in USES.items()
        for labels in LABELS
    ),
    settings={
        "data": "mnist",
        "validation_images": 10_000,
        "labels_used": 1.0,
        "MLP": {"hidden": 500, "steps": 2_000, "batch_size": 100, "learning_rate": 1e-3},
        "SVM": {"C": 10},
        "label spreading": {"neighbours": 10, "alpha": 0.2},
        "M1": {
            "hidden": [500, 500],
            "latent_size": 50,
            "warm_up": 0.2,
            "training": {
                "epochs": 100,
                "batch_size": 200,
                "learning_rate": 2e-3,
                "precision": "bfloat16",
            },
        },
        "M2": {
            "hidden": [500],
            "latent_size": 50,
            "initial_std": 1e-3,
            "start": {
                "label_weight": 1000.0,
                "epochs": 5,
                "batch_size": 100,
                "learning_rate": 1e-3,
                "precision": "bfloat16",
            },
            "first_beta": 5.0,
            "until": 0.8,
            "training": {
                "label_weight": 0.1,
                "epochs": 40,
                "batch_size": 100,
                "learning_rate": 3e-3,
                "precision": "bfloat16",
            },
        },
        "M1+M2": {
            "hidden": [1000],
            "latent_size": 10,
            "training": {
                "label_weight": 5.0,
                "epochs": 80,
                "batch_size": 200,
                "learning_rate": 2e-3,
                "precision": "bfloat16",
            },
        },
    },
    quick={
        "data": "digits",
        "validation_images": 100,
        "labels_used": 0.3,  # the embedded set is that much smaller
        "MLP": {"hidden": 50, "steps": 100, "batch_size": 30, "learning_rate": 3e-3},
        "M1": {
            "hidden": [50],
            "latent_size": 10,
            "warm_up": 0.2,
            "training": {"epochs": 5, "learning_rate": 3e-3},
        },
        "M2": {
            "hidden": [50],
            "latent_size": 5,
            "initial_std": 1e-3,
            "start": {"label_weight": 10.0, "epochs": 2, "learning_rate": 3e-3},
            "first_beta": 5.0,
            "until": 0.8,
            "training": {"label_weight": 0.1, "epochs": 2, "learning_rate": 3e-3},
        },
        "M1+M2": {
            "hidden": [50],
            "latent_size": 5,
            "training": {"label_weight": 1.0, "epochs": 2, "learning_rate": 3e-3},
        },
    },
    deviations=(
        "Learning rates, passes, batch sizes and schedules are ours, chosen on 10,000 images put "
        "aside from the training set, which leaves 50,000 to train on.",
        "M1 is trained once and shared by all seeds: the spread covers the draws of labels and "
        "what is trained on top of M1.",
        "Label spreading over ten nearest neighbours replaces the paper's transductive SVM on M1's "
        "latents; the paper's figure beside it is that of M1+TSVM.",
        "The hidden units of M2 and M1+M2 are ReLUs, those of the authors' code softplus; z2 of "
        "M1+M2 has 10 dimensions, not 50, and its nets 1000 hidden units at every number of "
        "labels.",
        "The labelled images come in class-balanced batches of 100 at every step.",
        "Weights have no prior. M2 starts from weights near zero, as the authors' code does.",
        "M2 is trained for 45 passes, not thousands. In the first five the classifier's "
        "cross-entropy has weight 1000 in place of the paper's 0.1. Afterwards the KL has a weight "
        "that falls from 5 to 1, so that the class, and not z, says what sets images apart; the "
        "last passes are on the paper's objective.",
        "In M1+M2 the classifier's cross-entropy has weight 5. M1's latents are drawn from binary "
        "images, as those it was trained on.",
        "The layers of M1, M2 and M1+M2 run in bfloat16 while they are trained.",
    ),
    measure=measure,
    prepare=prepare,
)
