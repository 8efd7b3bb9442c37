"""The Wisconsin diagnostic table of breast tumours."""

from __future__ import annotations

from pathlib import Path

import torch

from latent_transfer.data.entry import Entry, Parts
from latent_transfer.data.splits import hold_out_thirds
from latent_transfer.data.table import Table

CLASSES = ("malignant", "benign")


def read(root: Path, standardise: bool = True) -> Parts:
    """Load scikit-learn's table: 30 measures of the cell nuclei in each of 569 breast tumours.

    Args:
        root: Not needed: the table comes with scikit-learn.
        standardise: Standardise both parts by mean and standard deviation of the training part.

    Returns:
        Two thirds of the rows of each class for training, one third for testing.
    """
    from sklearn import datasets

    bunch = datasets.load_breast_cancer()
    values, labels = torch.tensor(bunch.data), torch.tensor(bunch.target)
    table = Table.from_values(values, labels, CLASSES, tuple(map(str, bunch.feature_names)))
    train, test = hold_out_thirds(table)
    if standardise:
        train, test = train.standardised(train), test.standardised(train)
    return Parts(train, test)


ENTRIES = [
    Entry(
        name="breast_cancer",
        title="measures of cell nuclei in breast tumours",
        train=380,
        test=189,
        shape=(30, 1, 1),
        classes=CLASSES,
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
        citation="wolberg1995breast",
        read=read,
        options=("standardise",),
    )
]
