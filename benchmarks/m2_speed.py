"""Images per second while training M2: this package beside Pyro's parallel enumeration.

Both train the same nets (one hidden layer of 500 units each, 50 latents) on unlabelled MNIST from
the data root in batches of 100, with a batch of labelled images beside each, the same objective
and the same optimiser. Both sum the label out exactly; they differ in how.

    python benchmarks/m2_speed.py [--turns 3] [--images 10000]
"""

from __future__ import annotations

import argparse
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional as F
from training_speed import OnePass, Prepare, measure

import latent_transfer as lt
from latent_transfer.data import ImageSet
from latent_transfer.models import mlp_m2
from latent_transfer.nets import fully_connected
from latent_transfer.training import BalancedBatches, fit_semi_supervised
from latent_transfer.training.loop import Precision

BATCH, HIDDEN, LATENTS, PIXELS, CLASSES, LABEL_WEIGHT = 100, 500, 50, 784, 10, 1.0


def this_package(images: ImageSet, precision: Precision = "float32") -> OnePass:
    """`fit_semi_supervised`, as the chapter calls it."""
    model = mlp_m2(hidden=(HIDDEN,), latent_size=LATENTS, activation=nn.ReLU)
    few = images.few(10, torch.Generator().manual_seed(0))

    def train() -> None:
        fit_semi_supervised(
            model,
            few,
            images,
            label_weight=LABEL_WEIGHT,
            epochs=1,
            batch_size=BATCH,
            binarize=True,
            precision=precision,
            progress=False,
        )

    return train


class PyroM2(nn.Module):
    """M2 as Pyro's users write it: the one-hot label is joined to what each net is fed."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = fully_connected([PIXELS, HIDDEN, CLASSES])
        self.encoder = fully_connected([PIXELS + CLASSES, HIDDEN, 2 * LATENTS])
        self.decoder = fully_connected([LATENTS + CLASSES, HIDDEN, PIXELS])

    def model(self, pixels: torch.Tensor, labels: torch.Tensor | None = None) -> None:
        """p(y) p(z) p(x | y, z)."""
        import pyro
        from pyro import distributions

        with pyro.plate("images", len(pixels)):
            uniform = distributions.Categorical(logits=pixels.new_zeros(len(pixels), CLASSES))
            label = pyro.sample("y", uniform, obs=labels)
            prior = distributions.Normal(pixels.new_zeros(len(pixels), LATENTS), 1.0)
            latents = pyro.sample("z", prior.to_event(1))
            logits = self.decoder(_join(latents, label))
            pyro.sample("x", distributions.Bernoulli(logits=logits).to_event(1), obs=pixels)

    def guide(self, pixels: torch.Tensor, labels: torch.Tensor | None = None) -> None:
        """q(y | x) q(z | x, y)."""
        import pyro
        from pyro import distributions

        with pyro.plate("images", len(pixels)):
            belief = distributions.Categorical(logits=self.classifier(pixels))
            label = pyro.sample("y", belief) if labels is None else labels
            mean, log_variance = self.encoder(_join(pixels, label)).chunk(2, dim=-1)
            posterior = distributions.Normal(mean, torch.exp(0.5 * log_variance))
            pyro.sample("z", posterior.to_event(1))


def _join(vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    one_hot = F.one_hot(labels, CLASSES).float()  # …×B×K, or K×1×K while y is enumerated
    leading = torch.broadcast_shapes(vectors.shape[:-1], one_hot.shape[:-1])
    return torch.cat([vectors.expand(*leading, -1), one_hot.expand(*leading, -1)], dim=-1)


def pyro_enumeration(images: ImageSet) -> OnePass:
    """Pyro's TraceEnum_ELBO with y enumerated in parallel, fed from memory as this package is."""
    import pyro
    from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate

    pyro.enable_validation(False)
    net = PyroM2()
    every_label = config_enumerate(net.guide, "parallel", expand=False)
    enumerated = TraceEnum_ELBO(max_plate_nesting=1).differentiable_loss
    plain = Trace_ELBO().differentiable_loss
    optimiser = torch.optim.Adam(net.parameters(), fused=True)
    few = BalancedBatches(images.few(10, torch.Generator().manual_seed(0)), BATCH, binarize=True)

    def train() -> None:
        generator = torch.Generator().manual_seed(0)
        for pixels, *_ in images.batches(BATCH, shuffle=True, generator=generator, binarize=True):
            seen, labels = few.draw()
            bounds = enumerated(net.model, every_label, pixels.flatten(1))
            bounds = bounds + plain(net.model, net.guide, seen.flatten(1), labels)
            surprise = F.cross_entropy(net.classifier(seen.flatten(1)), labels)
            optimiser.zero_grad()
            (bounds / (len(pixels) + len(seen)) + LABEL_WEIGHT * surprise).backward()
            optimiser.step()

    return train


CONTESTANTS: dict[str, Prepare] = {
    "latent_transfer": this_package,
    "latent_transfer, bfloat16": lambda images: this_package(images, "bfloat16"),
    "Pyro, enumerated in parallel": pyro_enumeration,
}


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=3, help="measurements of each contestant")
    parser.add_argument("--images", type=int, default=10_000, help="MNIST images a pass")
    options = parser.parse_args()
    torch.manual_seed(0)
    images = lt.data.load("mnist").train.subset(slice(0, options.images))
    rates = measure(CONTESTANTS, images, options.turns)
    threads = torch.get_num_threads()
    table = Table(title=f"M2 with {CLASSES} classes, batch {BATCH}, {threads} threads")
    for heading in ("", "images/s", "faster than Pyro by"):
        table.add_column(heading, justify="left" if not heading else "right")
    baseline = rates.get("Pyro, enumerated in parallel")
    for name, values in rates.items():
        times = "?"
        if baseline is not None:
            times = f"{median(v / b for v, b in zip(values, baseline, strict=True)):.2f}×"
        table.add_row(name, f"{median(values):,.0f}", times)
    Console().print(table)


if __name__ == "__main__":
    main()
