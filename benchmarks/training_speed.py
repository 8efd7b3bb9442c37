"""Images per second while training one VAE: this package beside its peers, and the machine's limit.

All train a 784-500-500-50 VAE in batches of 100 on MNIST from the data root. The limit is how fast
the machine multiplies matrices of the layers' shapes, forwards and backwards, and does nothing
else. Contestants take turns, so that a machine that slows down slows all of them; what is printed
is the median over the turns.

    python benchmarks/training_speed.py [--turns 5] [--images 30000]
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

import latent_transfer as lt
from latent_transfer import _torchvision
from latent_transfer.data import ImageSet
from latent_transfer.objectives import negative_elbo
from latent_transfer.session import find_data_root
from latent_transfer.training.loop import Precision

BATCH, HIDDEN, LATENTS, PIXELS = 100, 500, 50, 784
LAYERS = [
    (PIXELS, HIDDEN),
    (HIDDEN, HIDDEN),
    (HIDDEN, 2 * LATENTS),
    (LATENTS, HIDDEN),
    (HIDDEN, HIDDEN),
    (HIDDEN, PIXELS),
]
OnePass = Callable[[], None]  # trains once over the images
Prepare = Callable[[ImageSet], OnePass]


def matrix_products(images: ImageSet, dtype: torch.dtype = torch.float32) -> OnePass:
    """The matrix products of one pass and nothing else, forwards and backwards."""
    shapes = [((BATCH, i), (o, i), (BATCH, o)) for i, o in LAYERS]
    layers = [[torch.randn(shape).to(dtype) for shape in layer] for layer in shapes]

    def multiply() -> None:
        for _ in range(len(images) // BATCH):
            for number, (inputs, weight, gradient) in enumerate(layers):
                torch.mm(inputs, weight.T)
                torch.mm(gradient.T, inputs)
                if number > 0:  # nobody needs the gradient of the images
                    torch.mm(gradient, weight)

    return multiply


def this_package(images: ImageSet, precision: Precision = "float32") -> OnePass:
    """`fit` with dynamic binarisation, as the chapters call it."""
    model = lt.models.mlp_vae(hidden=(HIDDEN, HIDDEN), latent_size=LATENTS)

    def train() -> None:
        lt.fit(
            model,
            images,
            negative_elbo,
            epochs=1,
            binarize=True,
            precision=precision,
            progress=False,
        )

    return train


def plain_loop(images: ImageSet) -> OnePass:
    """What most tutorials write: a DataLoader that converts one PIL image after the other."""
    to_tensor = _torchvision.load("torchvision.transforms").ToTensor()
    mnist = _torchvision.load("torchvision.datasets").MNIST(find_data_root(), transform=to_tensor)
    part = torch.utils.data.Subset(mnist, range(len(images)))
    model = lt.models.mlp_vae(hidden=(HIDDEN, HIDDEN), latent_size=LATENTS)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train() -> None:
        for pixels, _ in torch.utils.data.DataLoader(part, BATCH, shuffle=True):
            loss = negative_elbo(model, pixels)["loss"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return train


def pyro_svi(images: ImageSet) -> OnePass:
    """Pyro's SVI on the same net, fed from memory as this package is."""
    import pyro
    from pyro import distributions
    from pyro.infer import SVI, Trace_ELBO

    net = lt.models.mlp_vae(hidden=(HIDDEN, HIDDEN), latent_size=LATENTS)
    pyro.enable_validation(False)

    def model(pixels: torch.Tensor) -> None:
        pyro.module("decoder", net.decoder)
        with pyro.plate("images", len(pixels)):
            prior = distributions.Normal(pixels.new_zeros(len(pixels), LATENTS), 1.0)
            logits = net.decode(pyro.sample("z", prior.to_event(1)))
            pyro.sample("x", distributions.Bernoulli(logits=logits).to_event(3), obs=pixels)

    def guide(pixels: torch.Tensor) -> None:
        pyro.module("encoder", net.encoder)
        with pyro.plate("images", len(pixels)):
            belief = net.posterior(pixels)
            pyro.sample("z", distributions.Normal(belief.mean, belief.std).to_event(1))

    svi = SVI(model, guide, pyro.optim.Adam({"lr": 1e-3}), Trace_ELBO())

    def train() -> None:
        generator = torch.Generator().manual_seed(0)
        for pixels, *_ in images.batches(BATCH, shuffle=True, generator=generator, binarize=True):
            svi.step(pixels)

    return train


def pythae_trainer(images: ImageSet) -> OnePass:
    """pythae's own training pass on the same net, its data in memory as floats."""
    _torchvision.load()  # pythae imports torchvision by itself
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.WARNING)
    net = lt.models.mlp_vae(hidden=(HIDDEN, HIDDEN), latent_size=LATENTS)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = net.encoder

        def forward(self, pixels: torch.Tensor) -> ModelOutput:
            mean, log_variance = self.net(pixels).chunk(2, dim=-1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = net.decoder

        def forward(self, latents: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.net(latents)))

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENTS, reconstruction_loss="bce")
    trainer = BaseTrainer(
        VAE(config, Encoder(), Decoder()),
        BaseDataset(images.pixels(), images.labels),
        training_config=BaseTrainerConfig(
            output_dir=tempfile.mkdtemp(), per_device_train_batch_size=BATCH, no_cuda=True
        ),
    )
    trainer.prepare_training()

    def train() -> None:
        trainer.train_step(epoch=1)

    return train


CONTESTANTS: dict[str, Prepare] = {
    "matrix products alone": matrix_products,
    "matrix products, bfloat16": lambda images: matrix_products(images, torch.bfloat16),
    "latent_transfer": this_package,
    "latent_transfer, bfloat16": lambda images: this_package(images, "bfloat16"),
    "pythae": pythae_trainer,
    "Pyro": pyro_svi,
    "DataLoader + ToTensor": plain_loop,
}


def ready(contestants: Mapping[str, Prepare], images: ImageSet) -> Iterator[tuple[str, OnePass]]:
    """Every contestant that is installed, warmed up by one pass."""
    for name, prepare in contestants.items():
        try:
            one_pass = prepare(images)
        except ImportError as error:
            print(f"{name}: left out, {error.name} is not installed", file=sys.stderr)
            continue
        one_pass()
        yield name, one_pass


def measure(
    contestants: Mapping[str, Prepare], images: ImageSet, turns: int
) -> dict[str, list[float]]:
    """Images per second of each contestant, one value a turn."""
    passes = dict(ready(contestants, images))
    rates: dict[str, list[float]] = {name: [] for name in passes}
    for _ in tqdm(range(turns), desc="turns"):
        for name, one_pass in passes.items():
            start = time.perf_counter()
            one_pass()
            rates[name].append(len(images) / (time.perf_counter() - start))
    return rates


def report(rates: dict[str, list[float]]) -> Table:
    """Medians, and medians of the turn-by-turn ratios to this package and to the limit."""
    ours, limit = rates["latent_transfer"], rates["matrix products alone"]
    table = Table(title=f"784-500-500-50 VAE, batch {BATCH}, {torch.get_num_threads()} threads")
    for heading in ("", "images/s", "of the limit", "this package is faster by"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, values in rates.items():
        share = median(v / m for v, m in zip(values, limit, strict=True))
        times = median(o / v for o, v in zip(ours, values, strict=True))
        table.add_row(name, f"{median(values):,.0f}", f"{share:.0%}", f"{times:.2f}×")
    return table


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=5, help="measurements of each contestant")
    parser.add_argument("--images", type=int, default=30_000, help="MNIST images a pass")
    options = parser.parse_args()
    torch.manual_seed(0)
    images = lt.data.load("mnist").train.subset(slice(0, options.images))
    Console().print(report(measure(CONTESTANTS, images, options.turns)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak resident memory of this process, peers included: {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
