"""How many times faster `fit_many` trains replicas of the chapters' nets than calls of `fit` do.

Eight replicas on one core, on random images: what they show does not change the time. Both take
turns, so that a machine that slows down slows both; what is printed is the median over the turns,
and between which quotients the middle half of the turns lies. What counts is the processor's time,
which is that of the clock on an idle machine.

    python benchmarks/many_speed.py [--turns 9] [--replicas 8] [--all]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import latent_transfer as lt
from latent_transfer.data import ImageSet
from latent_transfer.objectives import classification_loss, negative_elbo
from latent_transfer.training import Loss, fit, fit_many
from latent_transfer.training.many import worth_it

IMAGES, EPOCHS = 500, 5


class Net(NamedTuple):
    """A net, its loss, the side of its images, and the batches it is trained in."""

    make: Callable[[], nn.Module]
    loss: Loss
    side: int
    batch_size: int


def vae(side: int, hidden: tuple[int, ...], latents: int, batch_size: int) -> Net:
    """A fully connected VAE."""
    make = lambda: lt.models.mlp_vae((1, side, side), hidden, latents)  # noqa: E731
    return Net(make, negative_elbo, side, batch_size)


def classifier(side: int, hidden: int, batch_size: int) -> Net:
    """A fully connected classifier."""
    make = lambda: lt.models.mlp_classifier((1, side, side), 10, (hidden,))  # noqa: E731
    return Net(make, classification_loss, side, batch_size)


def convolutional(side: int, channels: tuple[int, ...], batch_size: int) -> Net:
    """A convolutional VAE."""
    make = lambda: lt.models.conv_vae((1, side, side), channels, 8)  # noqa: E731
    return Net(make, negative_elbo, side, batch_size)


NETS = {
    "VAE 784-128-64-20": vae(28, (128, 64), 20, 25),
    "VAE 64-64-8": vae(8, (64,), 8, 50),
    "classifier 196-100-10": classifier(14, 100, 25),
}
OTHERS = {
    "VAE 784-128-64-20": vae(28, (128, 64), 20, 100),
    "VAE 784-200-200-50": vae(28, (200, 200), 50, 100),
    "VAE 784-500-500-50": vae(28, (500, 500), 50, 100),
    "classifier 196-100-10": classifier(14, 100, 100),
    "conv VAE 8×8, 8 and 16 channels": convolutional(8, (8, 16), 25),
    "conv VAE 28×28, 16 and 32 channels": convolutional(28, (16, 32), 25),
    "conv VAE 28×28, 32 to 256 channels": convolutional(28, (32, 64, 128, 256), 25),
}


def random_images(side: int) -> ImageSet:
    """Grey images of ten classes."""
    generator = torch.Generator().manual_seed(0)
    shape = (IMAGES, 1, side, side)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(IMAGES) % 10, tuple("0123456789"))


def measure(net: Net, replicas: int, turns: int) -> tuple[list[float], list[float]]:
    """Milliseconds per step of all replicas, one after another and together, one value per turn."""
    images = random_images(net.side)
    models = [net.make() for _ in range(replicas)]
    options = {"epochs": EPOCHS, "batch_size": net.batch_size, "progress": False}

    def apart() -> None:
        for model in models:
            fit(model, images, net.loss, **options)

    def together() -> None:
        fit_many(models, images, net.loss, together=True, **options)

    steps = EPOCHS * -(-IMAGES // net.batch_size)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(turns + 1):
        for way, record in zip((apart, together), times, strict=True):
            start = time.process_time()
            way()
            if turn:  # the first warms up
                record.append(1000 * (time.process_time() - start) / steps)
    return times


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--replicas", type=int, default=8)
    parser.add_argument("--all", action="store_true", help="also where it pays less or not at all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title=f"{arguments.replicas} replicas, one core: milliseconds per step of all")
    for head in ("net", "batch", "fit", "fit_many", "ratio", "middle half", "fit_many chooses"):
        table.add_column(head, justify="left" if head == "net" else "right")
    for name, net in [*NETS.items(), *(OTHERS.items() if arguments.all else ())]:
        apart, together = measure(net, arguments.replicas, arguments.turns)
        ratios = [one / other for one, other in zip(apart, together, strict=True)]
        low, _, high = quantiles(ratios, n=4)
        models = [net.make() for _ in range(arguments.replicas)]
        table.add_row(
            name,
            str(net.batch_size),
            f"{median(apart):.2f}",
            f"{median(together):.2f}",
            f"{median(ratios):.2f}",
            f"{low:.2f} to {high:.2f}",
            "together"
            if worth_it(models, random_images(net.side), net.batch_size)
            else "one by one",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
