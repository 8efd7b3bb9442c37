"""Training on MNIST itself: it learns quickly, in little memory, in either precision."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

import latent_transfer as lt
from latent_transfer.data import Batch, ImageSet
from latent_transfer.evaluation import evidence_bound
from latent_transfer.objectives import negative_elbo

pytestmark = pytest.mark.real_data

MEMORY = """
import re
from pathlib import Path
import latent_transfer as lt
from latent_transfer.objectives import negative_elbo

model = lt.models.mlp_vae(hidden=(500, 500), latent_size=50)
train = lt.data.load("mnist").train
lt.fit(model, train, lambda m, b: negative_elbo(m, b.images), epochs=1, batch_size=2000,
       binarize=True, progress=False)
# The peak of this program alone; getrusage would count the process that started it.
(peak,) = re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak) // 1024)
"""


@pytest.fixture(scope="module")
def mnist() -> lt.data.Data:
    if lt.data.where("mnist") != "present":
        pytest.skip("MNIST is not under the data root")
    return lt.data.load("mnist")


def _loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    return negative_elbo(model, batch.images)  # type: ignore[arg-type]


def _test_bound(train: ImageSet, test: ImageSet, precision: str) -> float:
    torch.manual_seed(0)
    model = lt.models.mlp_vae(hidden=(200,), latent_size=10)
    lt.fit(
        model,
        train,
        _loss,
        epochs=4,
        binarize=True,
        precision=precision,  # type: ignore[arg-type]
        progress=False,
    )
    return evidence_bound(model, test, binarize=True).mean


@pytest.mark.slow
def test_a_few_passes_reach_what_a_vae_reaches_in_either_precision(mnist: lt.data.Data) -> None:
    train, test = mnist.train.subset(slice(0, 8_000)), mnist.test.subset(slice(0, 2_000))
    bounds = {p: _test_bound(train, test, p) for p in ("float32", "bfloat16")}
    # Independent pixels alone (the best product of Bernoullis) reach −206 nats.
    assert -150 < bounds["float32"] < -100
    assert bounds["bfloat16"] == pytest.approx(bounds["float32"], abs=1.5)


@pytest.mark.slow
def test_training_on_mnist_stays_under_one_gigabyte(mnist: lt.data.Data) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    ).stdout
    assert 200 < int(printed.split()[-1]) < 1000
