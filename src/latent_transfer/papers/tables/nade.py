"""NADE on MNIST (Larochelle & Murray 2011), with both ways of making its pixels binary."""

from __future__ import annotations

import torch

from latent_transfer import data
from latent_transfer.evaluation import exact_negative_log_likelihood
from latent_transfer.models import NADE
from latent_transfer.objectives import negative_log_density
from latent_transfer.papers.table import PaperTable, Place, Row, Settings
from latent_transfer.training import cosine_schedule, fit


def measure(row: Row, seed: int, settings: Settings, place: Place) -> float:
    """Return the exact negative log-likelihood of the test images in nats per image.

    Args:
        row: Says, as ``binarisation``, how the training pixels become binary.
        seed: Decides starting weights, order and, if binarised dynamically, the training pixels.
        settings: Of the table.
        place: Where the data are, and the checkpoint of a cell in flight.

    Example:
        >>> from latent_transfer.papers.tables.nade import TABLE, measure
        >>> TABLE.measure is measure, TABLE.rows[0].label
        (True, 'NADE,binarisation=fixed')
    """
    dynamic = row.condition["binarisation"] == "dynamic"
    loaded = data.load(settings["data"], place.data_root)
    # The images put aside served to choose the settings below; they are not trained on.
    train, _ = loaded.train.split(settings["validation_images"], torch.Generator().manual_seed(0))
    if not dynamic:
        train = train.binarized(torch.Generator().manual_seed(1))
    # One draw for all rows and seeds, so that they answer the same question.
    test = loaded.test.binarized(torch.Generator().manual_seed(2))
    model = NADE(train.shape, settings["hidden"]).to(place.device)
    fit(
        model,
        train.unlabelled().to(place.device),
        negative_log_density,
        schedule=cosine_schedule,
        seed=seed,
        binarize=dynamic,
        checkpoint=place.file(f"{row.label}-{seed}", settings, __name__),
        progress=False,
        **settings["training"],
    )
    return exact_negative_log_likelihood(model, test).mean


TABLE = PaperTable(
    name="nade",
    source=(
        "Larochelle and Murray, The Neural Autoregressive Distribution Estimator, AISTATS 2011; "
        "the figure for one fixed order as in Uria, Murray and Larochelle, A Deep and Tractable "
        "Density Estimator, ICML 2014 (binarised MNIST)"
    ),
    rows=(
        Row("NADE", {"binarisation": "fixed"}, 3, {"mean": 88.33, "std": None}, "nll_nats"),
        Row("NADE", {"binarisation": "dynamic"}, 3, None, "nll_nats"),
    ),
    settings={
        "data": "mnist",
        "validation_images": 10_000,
        "hidden": 500,
        "training": {"epochs": 3, "batch_size": 20, "learning_rate": 1e-2},
    },
    quick={
        "data": "digits",
        "validation_images": 100,
        "hidden": 20,
        "training": {"epochs": 2, "batch_size": 100, "learning_rate": 1e-2},
    },
    deviations=(
        "The fixed binarisation is a draw of ours, pixel by pixel with the grey value as the "
        "probability, as the published one of Salakhutdinov and Murray (2008) was made; the images "
        "are the same, the draw is another.",
        "With dynamic binarisation the training pixels are drawn anew at every step; the paper's "
        "figure is for the fixed one. The test images are drawn once, the same for both rows.",
        "Adam with a cosine schedule, for 3 passes, replaces stochastic gradient descent with "
        "early stopping; settings were chosen on 10,000 images put aside from the training set, "
        "which leaves 50,000 to train on, as in the paper.",
        "Pixels come in raster order.",
    ),
    measure=measure,
)
