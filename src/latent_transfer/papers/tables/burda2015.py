"""Table 1 of Burda, Grosse & Salakhutdinov (2015): more draws of the latents, one layer of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from latent_transfer import data
from latent_transfer.data import Batch, ImageSet
from latent_transfer.evaluation import negative_log_likelihood
from latent_transfer.models import VAE, mlp_vae
from latent_transfer.objectives import (
    Terms,
    log_importance_weights,
    negative_importance_weighted_bound,
)
from latent_transfer.papers.table import PaperTable, Place, Row, Settings
from latent_transfer.training import cosine_schedule, fit


def measure(row: Row, seed: int, settings: Settings, place: Place) -> float:
    """Return −log p of the test images in nats per image, by importance sampling.

    Args:
        row: Names the objective and, as ``k``, its draws of the latents per image.
        seed: Decides starting weights, order, noise and the training pixels.
        settings: Of the table.
        place: Where the data are, and the checkpoint of a cell in flight.

    Example:
        >>> from latent_transfer.papers.tables.burda2015 import TABLE, measure
        >>> TABLE.measure is measure, TABLE.rows[0].label
        (True, 'VAE,k=1')
    """
    loaded = data.load(settings["data"], place.data_root)
    samples = int(row.condition["k"])
    model = _new_model(loaded.train, settings).to(place.device)
    fit(
        model,
        loaded.train.unlabelled().to(place.device),
        OBJECTIVES[row.method](samples),
        schedule=cosine_schedule,
        seed=seed,
        binarize=True,
        checkpoint=place.file(f"{row.label}-{seed}", settings, __name__),
        progress=False,
        **settings["training"],
    )
    # One draw of the pixels for all rows and seeds, so that they answer the same question.
    test = loaded.test.binarized(torch.Generator().manual_seed(0))
    # A thousand latents at once fit the processor's cache: a quarter less time than five thousand.
    chosen = {"samples": settings["nll_samples"], "samples_at_once": 10, "seed": seed}
    return negative_log_likelihood(model, test, **chosen).mean


def _new_model(train: ImageSet, settings: Settings) -> VAE:
    model = mlp_vae(train.shape, settings["hidden"], settings["latent_size"], activation=nn.Tanh)
    output = model.decoder.layers[-1]  # type: ignore[index]
    assert isinstance(output, nn.Linear)
    # As in the authors' code: before anything is learnt, every pixel has its mean.
    mean = train.pixels().mean(0).flatten().clamp(1e-3, 1 - 1e-3)
    output.bias.data = mean.logit()
    return model


Loss = Callable[[VAE, Batch], Terms]


def mean_log_weight(samples: int) -> Loss:
    """Return the VAE's loss with several draws per image: the mean of −log w, as in the paper.

    Args:
        samples: Draws per image.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Batch
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.papers.tables.burda2015 import mean_log_weight
        >>> vae, batch = mlp_vae((1, 4, 4), (8,), 3), Batch(torch.zeros(5, 1, 4, 4))
        >>> mean_log_weight(2)(vae, batch)["loss"].shape
        torch.Size([])
    """

    def loss(model: VAE, batch: Batch) -> Terms:
        return {"loss": -log_importance_weights(model, batch.images, samples).mean()}

    return loss


def log_mean_weight(samples: int) -> Loss:
    """Return the IWAE's loss: −log of the mean of several weights per image.

    Args:
        samples: Weights per image.

    Example:
        >>> import torch
        >>> from latent_transfer.data import Batch
        >>> from latent_transfer.models import mlp_vae
        >>> from latent_transfer.papers.tables.burda2015 import log_mean_weight
        >>> vae, batch = mlp_vae((1, 4, 4), (8,), 3), Batch(torch.zeros(5, 1, 4, 4))
        >>> log_mean_weight(2)(vae, batch)["loss"].shape
        torch.Size([])
    """

    def loss(model: VAE, batch: Batch) -> Terms:
        return negative_importance_weighted_bound(model, batch, samples=samples)

    return loss


OBJECTIVES = {"VAE": mean_log_weight, "IWAE": log_mean_weight}

#: Objective, draws of the latents, and the paper's number.
PAPER = (
    ("VAE", 1, 86.76),
    ("VAE", 5, 86.47),
    ("VAE", 50, 86.35),
    ("IWAE", 5, 85.54),
    ("IWAE", 50, 84.78),
)

TABLE = PaperTable(
    name="burda2015",
    source=(
        "Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016, Table 1 "
        "(MNIST, one stochastic layer)"
    ),
    rows=tuple(
        Row(
            method,
            {"k": samples},
            seeds=1 if samples == 50 else 3,
            paper={"mean": mean, "std": None},
            metric="nll_nats",
        )
        for method, samples, mean in PAPER
    ),
    settings={
        "data": "mnist",
        "hidden": [200, 200],
        "latent_size": 50,
        "nll_samples": 5_000,
        "training": {
            "epochs": 40,
            "batch_size": 100,
            "learning_rate": 3e-3,
            "precision": "bfloat16",
        },
    },
    quick={
        "data": "digits",
        "hidden": [30],
        "latent_size": 5,
        "nll_samples": 100,
        "training": {"epochs": 3, "batch_size": 50, "learning_rate": 3e-3},
    },
    deviations=(
        "40 passes in batches of 100 with a learning rate that falls from 0.003 along a cosine, "
        "instead of 3,280 passes in batches of 20 with a stepwise one from 0.001 to 0.0001.",
        "The layers run in bfloat16 while they are trained; likelihoods are in float32.",
        "All 60,000 training images are trained on, without a validation set; the authors' code "
        "keeps 400 of them back.",
        "With k = 1 VAE and IWAE are one model; it is measured once, as VAE.",
        "With k = 50 there is one seed.",
        "Test pixels are drawn once, the same for all rows.",
    ),
    measure=measure,
)
