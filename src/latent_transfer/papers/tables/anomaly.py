"""Leave-one-digit-out anomaly detection on MNIST, in the manner of Tonnaer (2023), table 3.3.

A model is trained on nine digits; the tenth is the anomaly. All test images are binarised once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

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
from latent_transfer.papers.table import PaperTable, Place, Published, Row, Settings, checksum
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
    """

    train: ImageSet
    normal: ImageSet
    anomalous: ImageSet
    seed: int


Detector = Callable[[Split, Row, Settings, Path], float]


def leave_one_out(train: ImageSet, test: ImageSet, anomaly: int, seed: int) -> Split:
    """Training images of all classes but one, test images of all; those are binarised."""
    binary = test.binarized(torch.Generator().manual_seed(seed))
    return Split(
        train.subset(train.labels != anomaly).unlabelled(),
        binary.subset(binary.labels != anomaly),
        binary.subset(binary.labels == anomaly),
        seed,
    )


def measure(row: Row, seed: int, settings: Settings, place: Place) -> float:
    """AUROC of one method for one anomalous digit; larger scores are to mean anomalous."""
    loaded = data.load(settings["data"], place.data_root)
    split = leave_one_out(loaded.train, loaded.test, int(row.condition["anomaly"]), seed)
    return DETECTORS[row.method](split, row, settings, place.folder)


def _vae(split: Split, row: Row, settings: Settings, folder: Path) -> VAE:
    chosen, size = settings["vae"], int(row.condition["latents"])
    torch.manual_seed(split.seed)
    model = mlp_vae(split.train.shape, chosen["hidden"], size)
    # Three rows share a VAE: the first of them trains it, the others read it.
    name = (
        f"vae-{checksum(settings):08x}-{size}-{row.condition['anomaly']}-{split.seed}.safetensors"
    )
    fit(
        model,
        split.train,
        negative_elbo,
        schedule=cosine_schedule,
        binarize=True,
        seed=split.seed,
        checkpoint=folder / name,
        progress=False,
        **chosen["training"],
    )
    return model


def _by_vae(kind: str, corrected: bool = False) -> Detector:
    def detect(split: Split, row: Row, settings: Settings, folder: Path) -> float:
        model = _vae(split, row, settings, folder)
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


def _pca(split: Split, row: Row, settings: Settings, folder: Path) -> float:
    from sklearn.decomposition import PCA

    model = PCA(int(row.condition["latents"]), random_state=split.seed)
    model.fit(_binary_pixels(split, len(split.train)))

    def errors(images: ImageSet) -> torch.Tensor:
        pixels = _pixels(images)
        kept = model.inverse_transform(model.transform(pixels))
        return torch.from_numpy(np.square(pixels - kept).sum(1))

    return auroc(errors(split.anomalous), errors(split.normal))


def _isolation_forest(split: Split, row: Row, settings: Settings, folder: Path) -> float:
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(
        n_estimators=settings["isolation_forest"]["trees"], random_state=split.seed
    )
    model.fit(_binary_pixels(split, len(split.train)))
    return _auroc_of(model, split)


def _one_class_svm(split: Split, row: Row, settings: Settings, folder: Path) -> float:
    from sklearn.svm import OneClassSVM

    chosen = settings["one_class_svm"]
    model = OneClassSVM(nu=chosen["nu"], gamma="scale")
    model.fit(_binary_pixels(split, chosen["images"]))
    return _auroc_of(model, split)


def _auroc_of(model: Any, split: Split) -> float:
    # scikit-learn's scores are large for normal images.
    anomalous, normal = (
        -torch.from_numpy(model.score_samples(_pixels(images)))
        for images in (split.anomalous, split.normal)
    )
    return auroc(anomalous, normal)


def _binary_pixels(split: Split, count: int) -> NDArray[np.float32]:
    """At most so many training images, binarised as the test images are: N×P."""
    generator = torch.Generator().manual_seed(split.seed)
    chosen = torch.randperm(len(split.train), generator=generator)[:count]
    return _pixels(split.train.subset(chosen).binarized(generator))


def _pixels(images: ImageSet) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = images.pixels().flatten(1).numpy()
    return pixels


DETECTORS: dict[str, Detector] = {
    "VAE: minus ELBO": _by_vae("elbo"),
    "VAE: reconstruction probability": _by_vae("reconstruction"),
    "VAE: minus ELBO less complexity": _by_vae("elbo", corrected=True),
    "PCA: reconstruction error": _pca,
    "isolation forest": _isolation_forest,
    "one-class SVM": _one_class_svm,
}


def _rows() -> tuple[Row, ...]:
    rows = []
    for method in DETECTORS:
        sizes: tuple[int | None, ...] = (2, 32) if method.startswith(("VAE", "PCA")) else (None,)
        for size in sizes:
            for digit in range(10):
                rows.append(_row(method, digit, size))
    return tuple(rows)


def _row(method: str, digit: int, size: int | None) -> Row:
    paper: Published | None = None
    if size is not None and method == "VAE: minus ELBO":
        paper = {"mean": PUBLISHED[size][digit], "std": None}
    return Row(
        method=method,
        condition={"anomaly": digit} | ({} if size is None else {"latents": size}),
        seeds=SEEDS,
        paper=paper,
        metric="auroc",
        uses=("data", *USES.get(method, ("vae", "samples"))),
    )


#: Settings that the methods without a VAE depend on.
USES: dict[str, tuple[str, ...]] = {
    "PCA: reconstruction error": (),
    "isolation forest": ("isolation_forest",),
    "one-class SVM": ("one_class_svm",),
}


TABLE = PaperTable(
    name="anomaly",
    source=(
        "Tonnaer (2023), Linearly Symmetry-Based Disentangled Representations and their "
        "Out-of-Distribution Behaviour, table 3.3 (rows of minus the ELBO; the others are ours)"
    ),
    rows=_rows(),
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
