"""Clusters of MNIST's digits, with the accuracy that Jiang et al. (2017) report for VaDE beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load, save

from latent_transfer import data
from latent_transfer._files import write_atomically
from latent_transfer.data import ImageSet
from latent_transfer.evaluation import clustering_accuracy, normalized_mutual_information
from latent_transfer.inference import encode, predict_logits
from latent_transfer.models import VAE, VaDE, mlp_vae
from latent_transfer.objectives import negative_elbo
from latent_transfer.papers.table import PaperTable, Place, Published, Row, Settings
from latent_transfer.papers.tables._pixels import Points, flat_pixels
from latent_transfer.records.reader import Value
from latent_transfer.training import class_means, cosine_schedule, fit, fit_vade

SEEDS = 5
SCORES = {"accuracy": clustering_accuracy, "NMI": normalized_mutual_information}
METRICS = {"accuracy": "accuracy_percent", "NMI": "nmi_percent"}


class Clustering(NamedTuple):
    """What a method is given to find clusters in.

    Attributes:
        train: Images to find the clusters in; their labels serve for drawing the few.
        test: Images whose clusters are judged.
        few: A few labelled images, or none.
        seed: Decides everything that is random.
        settings: Of the row.
        place: Device, and folder of what several rows share.

    Example:
        >>> from pathlib import Path
        >>> from latent_transfer import data
        >>> from latent_transfer.papers.table import Place
        >>> from latent_transfer.papers.tables.clustering import Clustering
        >>> digits = data.load("digits")
        >>> Clustering(digits.train, digits.test, None, 0, {}, Place(Path(), Path())).few is None
        True
    """

    train: ImageSet
    test: ImageSet
    few: ImageSet | None
    seed: int
    settings: Settings
    place: Place


def measure(row: Row, seed: int, settings: Settings, place: Place) -> float:
    """Return how well the test images' clusters agree with their classes, in per cent.

    Example:
        >>> from latent_transfer.papers.tables.clustering import TABLE, measure
        >>> TABLE.measure is measure, TABLE.rows[0].label
        (True, 'k-means,features=pixels,score=accuracy')
    """
    loaded = data.load(settings["data"], place.data_root)
    clusters = _clusters(row, seed, settings, place, loaded.train, loaded.test)
    return SCORES[str(row.condition["score"])](clusters, loaded.test.labels)


def _clusters(
    row: Row, seed: int, settings: Settings, place: Place, train: ImageSet, test: ImageSet
) -> torch.Tensor:
    # The two scores of a method are of the same clusters: the first row finds, the second reads.
    labels = int(row.condition.get("labels", 0))
    features = str(row.condition.get("features", ""))
    name = f"clusters-{row.method}-{features}-{labels}-{seed}"
    file = place.file(name, settings, __name__)
    if file.exists():
        return load(file.read_bytes())["clusters"]
    few = None
    if labels:
        per_class = labels // len(train.classes)
        few = train.few(per_class, torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    task = Clustering(train, test, few, seed, settings, place)
    clusters = METHODS[row.method](task, features)
    write_atomically(file, save({"clusters": clusters.contiguous()}))
    return clusters


def _k_means(task: Clustering, features: str) -> torch.Tensor:
    from sklearn.cluster import KMeans

    train, test, means = FEATURES[features](task)
    model = KMeans(
        len(task.train.classes),
        init="k-means++" if means is None else means,
        n_init=task.settings["starts"] if means is None else 1,
        random_state=task.seed,
    )
    return torch.from_numpy(model.fit(train).predict(test)).long()


def _gaussian_mixture(task: Clustering, features: str) -> torch.Tensor:
    from sklearn.mixture import GaussianMixture

    train, test, means = FEATURES[features](task)
    # 784 pixels have too many covariances, and many pixels that never vary.
    kind = "diag" if features == "pixels" else "full"
    model = GaussianMixture(
        len(task.train.classes),
        covariance_type=kind,
        means_init=means,
        n_init=task.settings["starts"] if means is None and kind == "full" else 1,
        random_state=task.seed,
        reg_covar=1e-3,
    )
    return torch.from_numpy(model.fit(train).predict(test)).long()


def _vade(task: Clustering, features: str) -> torch.Tensor:
    chosen = task.settings["vade"]
    model = VaDE(_new_vae(task), len(task.train.classes)).to(task.place.device)
    fit_vade(
        model,
        task.train.unlabelled().to(task.place.device),
        labelled=task.few,
        checkpoint=task.place.file(f"vade-{task.seed}", task.settings, __name__),
        seed=task.seed,
        progress=False,
        **chosen["training"],
    )
    return predict_logits(model, task.test).argmax(-1)


def _new_vae(task: Clustering) -> VAE:
    chosen = task.settings["nets"]
    torch.manual_seed(task.seed)
    return mlp_vae(task.train.shape, chosen["hidden"], chosen["latent_size"])


def _from_pixels(task: Clustering) -> tuple[Points, Points, Points | None]:
    train, test = flat_pixels(task.train), flat_pixels(task.test)
    return train, test, None if task.few is None else _means(flat_pixels(task.few), task.few)


def _from_pca(task: Clustering) -> tuple[Points, Points, Points | None]:
    from sklearn.decomposition import PCA

    train, test, _ = _from_pixels(task)
    model = PCA(task.settings["components"], random_state=task.seed).fit(train)
    few = None if task.few is None else _means(model.transform(flat_pixels(task.few)), task.few)
    return model.transform(train), model.transform(test), few


def _from_vae(task: Clustering) -> tuple[Points, Points, Points | None]:
    model = _new_vae(task).to(task.place.device)
    fit(
        model,
        task.train.unlabelled().to(task.place.device),
        negative_elbo,
        schedule=cosine_schedule,
        seed=task.seed,
        checkpoint=task.place.file(f"vae-{task.seed}", task.settings, __name__),
        progress=False,
        **task.settings["vae"],
    )
    train, test = (encode(model, images).mean.numpy() for images in (task.train, task.test))
    return train, test, None if task.few is None else class_means(model, task.few).numpy()


def _means(points: Points, images: ImageSet) -> Points:
    labels = images.labels.numpy()
    return np.stack([points[labels == k].mean(0) for k in range(len(images.classes))])


METHODS: dict[str, Callable[[Clustering, str], torch.Tensor]] = {
    "k-means": _k_means,
    "Gaussian mixture": _gaussian_mixture,
    "VaDE": _vade,
}
FEATURES: dict[str, Callable[[Clustering], tuple[Points, Points, Points | None]]] = {
    "pixels": _from_pixels,
    "PCA": _from_pca,
    "VAE means": _from_vae,
}


#: Conditions of each method's rows, but for the score.
CONDITIONS: tuple[tuple[str, dict[str, Value]], ...] = (
    ("k-means", {"features": "pixels"}),
    ("k-means", {"features": "PCA"}),
    ("k-means", {"features": "VAE means"}),
    ("Gaussian mixture", {"features": "pixels"}),
    ("Gaussian mixture", {"features": "PCA"}),
    ("Gaussian mixture", {"features": "VAE means"}),
    ("k-means", {"features": "VAE means", "labels": 100}),
    ("VaDE", {}),
    ("VaDE", {"labels": 100}),
)


def _uses(method: str, features: object) -> tuple[str, ...]:
    if method == "VaDE":
        return ("data", "nets", "vade")
    own = {"PCA": ("components",), "VAE means": ("nets", "vae")}
    return ("data", "starts", *own.get(str(features), ()))


def _published(method: str, condition: dict[str, Value], score: str) -> Published | None:
    if method == "VaDE" and not condition and score == "accuracy":
        return {"mean": 94.46, "std": None}
    return None


TABLE = PaperTable(
    name="clustering",
    source=(
        "Jiang, Zheng, Tan, Tang & Zhou (2017), Variational Deep Embedding, the accuracy of VaDE "
        "on MNIST; the other rows are ours"
    ),
    rows=tuple(
        Row(
            method=method,
            condition={**condition, "score": score},
            seeds=SEEDS,
            paper=_published(method, condition, score),
            metric=METRICS[score],
            uses=_uses(method, condition.get("features")),
        )
        for score in SCORES
        for method, condition in CONDITIONS
    ),
    settings={
        "data": "mnist",
        "starts": 3,
        "components": 50,
        "nets": {"hidden": [500, 500], "latent_size": 10},
        "vae": {
            "epochs": 12,
            "batch_size": 250,
            "learning_rate": 2e-3,
            "precision": "bfloat16",
        },
        "vade": {
            "training": {
                "epochs": 30,
                "pretraining_epochs": 12,
                "batch_size": 250,
                "learning_rate": 2e-3,
                "precision": "bfloat16",
            }
        },
    },
    quick={
        "data": "digits",
        "components": 20,
        "nets": {"hidden": [64], "latent_size": 5},
        "vae": {"epochs": 5, "batch_size": 50, "learning_rate": 3e-3},
        "vade": {
            "training": {
                "epochs": 5,
                "pretraining_epochs": 5,
                "batch_size": 50,
                "learning_rate": 3e-3,
            }
        },
    },
    deviations=(
        "The nets are 784-500-500-10 and back, without the paper's layer of 2,000 units.",
        "Pre-training is a VAE with a small weight of the KL, not stacked denoising autoencoders.",
        "Clusters are found on the training images and judged on the test images.",
        "Every seed counts. The paper's figure is that of one set of weights that its authors "
        "published; the maintainers of the benchmark OpenDeepClustering got 71.6 ± 4.4 over 20 "
        "seeds and do not call it a result yet.",
        "With labels, they start the clusters at their classes' mean latents and serve for nothing "
        "else.",
    ),
    measure=measure,
)
