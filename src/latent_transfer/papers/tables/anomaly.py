"""Leave-one-digit-out anomaly detection on MNIST, in the manner of Tonnaer (2023), table 3.3.

A model is trained on nine digits; the tenth is the anomaly. All test images are binarised once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from latent_transfer import data
from latent_transfer.data import ImageSet
from latent_transfer.evaluation import (
    anomaly_scores,
    auroc,
    complexity_corrected,
    compressed_length,
)
from latent_transfer.models import VAE, mlp_vae
from latent_transfer.objectives import negative_elbo
from latent_transfer.papers.table import PaperTable, Place, Published, Row, Settings
from latent_transfer.papers.tables._pixels import Points, flat_pixels
from latent_transfer.training import cosine_schedule, fit

#: AUROC of minus the ELBO for the anomalous digits 0 to 9, by size of the latent space.
PUBLISHED = {
    2: (0.96, 0.73, 0.97, 0.94, 0.73, 0.92, 0.95, 0.77, 0.92, 0.66),
    32: (0.81, 0.09, 0.92, 0.87, 0.78, 0.86, 0.87, 0.51, 0.89, 0.58),
}
SEEDS = 3


class Split(NamedTuple):
    """What a detector is given and judged on.

    Attributes:
        train: Training images of the normal classes, grey.
        normal: Test images of the normal classes, binary.
        anomalous: Test images of the class left out, binary.
        seed: Decides everything that is random.

    Example:
        >>> from latent_transfer import data
        >>> from latent_transfer.papers.tables.anomaly import Split
        >>> digits = data.load("digits")
        >>> Split(digits.train, digits.test.only([0]), digits.test.only([1]), seed=3).seed
        3
    """

    train: ImageSet
    normal: ImageSet
    anomalous: ImageSet
    seed: int


Detector = Callable[[Split, Row, Settings, Place], float]


def leave_one_out(train: ImageSet, test: ImageSet, anomaly: int, seed: int) -> Split:
    """Return training images of all classes but one, and test images of all, binarised.

    Args:
        train: Grey images.
        test: Grey images.
        anomaly: The class to leave out.
        seed: Decides the test pixels.

    Example:
        >>> from latent_transfer import data
        >>> from latent_transfer.papers.tables.anomaly import leave_one_out
        >>> digits = data.load("digits")
        >>> split = leave_one_out(digits.train, digits.test, 7, seed=0)
        >>> split.anomalous.labels.unique().tolist(), split.anomalous.images.unique().tolist()
        ([7], [0, 255])
    """
    binary = test.binarized(torch.Generator().manual_seed(seed))
    return Split(
        train.subset(train.labels != anomaly).unlabelled(),
        binary.subset(binary.labels != anomaly),
        binary.subset(binary.labels == anomaly),
        seed,
    )


def measure(row: Row, seed: int, settings: Settings, place: Place) -> float:
    """Return the AUROC of one method for one anomalous digit; larger scores mean anomalous.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer.papers.table import Place
        >>> from latent_transfer.papers.tables.anomaly import TABLE, measure
        >>> row = TABLE.row("PCA: reconstruction error,anomaly=0,latents=2")
        >>> 0.5 < measure(row, 0, TABLE.chosen(quick=True), Place(Path(), Path())) <= 1
        True
    """
    loaded = data.load(settings["data"], place.data_root)
    split = leave_one_out(loaded.train, loaded.test, int(row.condition["anomaly"]), seed)
    return DETECTORS[row.method](split, row, settings, place)


def _vae(split: Split, row: Row, settings: Settings, place: Place) -> VAE:
    chosen, size = settings["vae"], int(row.condition["latents"])
    torch.manual_seed(split.seed)
    model = mlp_vae(split.train.shape, chosen["hidden"], size).to(place.device)
    # Three rows share a VAE: the first of them trains it, the others read it.
    name = f"vae-{size}-{row.condition['anomaly']}-{split.seed}"
    fit(
        model,
        split.train.to(place.device),
        negative_elbo,
        schedule=cosine_schedule,
        binarize=True,
        seed=split.seed,
        checkpoint=place.file(name, settings, __name__),
        progress=False,
        **chosen["training"],
    )
    return model


def _by_vae(kind: str, corrected: bool = False) -> Detector:
    def detect(split: Split, row: Row, settings: Settings, place: Place) -> float:
        model = _vae(split, row, settings, place)
        scores = []
        for images in (split.anomalous, split.normal):
            score = anomaly_scores(
                model, images, kind=kind, samples=settings["samples"], seed=split.seed
            )
            if corrected:
                score = complexity_corrected(score, compressed_length(images))
            scores.append(score)
        return auroc(*scores)

    return detect


def _pca(split: Split, row: Row, settings: Settings, place: Place) -> float:
    from sklearn.decomposition import PCA

    model = PCA(int(row.condition["latents"]), random_state=split.seed)
    model.fit(_binary_pixels(split, len(split.train)))

    def errors(images: ImageSet) -> torch.Tensor:
        pixels = flat_pixels(images)
        kept = model.inverse_transform(model.transform(pixels))
        return torch.from_numpy(np.square(pixels - kept).sum(1))

    return auroc(errors(split.anomalous), errors(split.normal))


def _isolation_forest(split: Split, row: Row, settings: Settings, place: Place) -> float:
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(
        n_estimators=settings["isolation_forest"]["trees"], random_state=split.seed
    )
    model.fit(_binary_pixels(split, len(split.train)))
    return _auroc_of(model, split)


def _one_class_svm(split: Split, row: Row, settings: Settings, place: Place) -> float:
    from sklearn.svm import OneClassSVM

    chosen = settings["one_class_svm"]
    model = OneClassSVM(nu=chosen["nu"], gamma="scale")
    model.fit(_binary_pixels(split, chosen["images"]))
    return _auroc_of(model, split)


def _auroc_of(model: Any, split: Split) -> float:
    # scikit-learn's scores are large for normal images.
    anomalous, normal = (
        -torch.from_numpy(model.score_samples(flat_pixels(images)))
        for images in (split.anomalous, split.normal)
    )
    return auroc(anomalous, normal)


def _binary_pixels(split: Split, count: int) -> Points:
    """At most so many training images, binarised as the test images are: N×P."""
    generator = torch.Generator().manual_seed(split.seed)
    chosen = torch.randperm(len(split.train), generator=generator)[:count]
    return flat_pixels(split.train.subset(chosen).binarized(generator))


DETECTORS: dict[str, Detector] = {
    "VAE: minus ELBO": _by_vae("elbo"),
    "VAE: reconstruction probability": _by_vae("reconstruction"),
    "VAE: minus ELBO less complexity": _by_vae("elbo", corrected=True),
    "PCA: reconstruction error": _pca,
    "isolation forest": _isolation_forest,
    "one-class SVM": _one_class_svm,
}


#: Settings that the methods without a VAE depend on.
USES: dict[str, tuple[str, ...]] = {
    "PCA: reconstruction error": (),
    "isolation forest": ("isolation_forest",),
    "one-class SVM": ("one_class_svm",),
}


def _sizes(method: str) -> tuple[int | None, ...]:
    """Sizes of the latent space, for the methods that have one."""
    return (2, 32) if method.startswith(("VAE", "PCA")) else (None,)


def _published(method: str, digit: int, size: int | None) -> Published | None:
    if size is None or method != "VAE: minus ELBO":
        return None
    return {"mean": PUBLISHED[size][digit], "std": None}


TABLE = PaperTable(
    name="anomaly",
    source=(
        "Tonnaer (2023), Linearly Symmetry-Based Disentangled Representations and their "
        "Out-of-Distribution Behaviour, table 3.3 (rows of minus the ELBO; the others are ours)"
    ),
    rows=tuple(
        Row(
            method=method,
            condition={"anomaly": digit} | ({} if size is None else {"latents": size}),
            seeds=SEEDS,
            paper=_published(method, digit, size),
            metric="auroc",
            uses=("data", *USES.get(method, ("vae", "samples"))),
        )
        for method in DETECTORS
        for size in _sizes(method)
        for digit in range(10)
    ),
    settings={
        "data": "mnist",
        "samples": 5,
        "vae": {
            "hidden": [400, 300],
            "training": {
                "epochs": 10,
                "batch_size": 250,
                "learning_rate": 3e-3,
                "precision": "bfloat16",
            },
        },
        "isolation_forest": {"trees": 100},
        "one_class_svm": {"nu": 0.1, "images": 4000},
    },
    quick={
        "data": "digits",
        "vae": {
            "hidden": [64],
            "training": {"epochs": 5, "batch_size": 50, "learning_rate": 3e-3},
        },
        "isolation_forest": {"trees": 20},
        "one_class_svm": {"nu": 0.1, "images": 500},
    },
    deviations=(
        "Fully connected nets, 784-400-300-D and back, trained for 10 passes; the thesis' nets and "
        "training are its own.",
        "Pixels are binarised, at every step anew in training and once for each seed in testing: "
        "lengths and likelihoods speak of the same images.",
        "Anomalous images are those of the test set; the thesis takes the digit's training images.",
        "One-class SVMs are trained on 4,000 images, a random choice for each seed.",
    ),
    measure=measure,
)
