"""Generators moved to a target of few images: distance against the number of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from latent_transfer import data
from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.evaluation import kernel_distance
from latent_transfer.models import GAN, VAE, mlp_vae
from latent_transfer.models.gan import leaky_relu
from latent_transfer.nets import MLPEncoder, Shape
from latent_transfer.objectives import negative_elbo
from latent_transfer.papers.table import PaperTable, Place, Row, Settings
from latent_transfer.training import FeatureSpace, fit, fit_gan, train_feature_space
from latent_transfer.transfer import freeze, initialise_from, layers, scale_and_shift

SOURCE_CLASSES, TARGET_CLASSES = range(5), range(5, 10)


def measure(row: Row, seed: int, settings: Settings, place: Place) -> float:
    """Return the kernel distance of samples from the target's test images, in a classifier's eyes.

    Args:
        row: Names the method, the ``source``, as ``images`` how many target images there are, and
            as ``steps`` how long it learns from them.
        seed: Decides the draw of images and all else that is random; sources are the same for
            every seed.
        settings: Of the table.
        place: Where the data, the sources' generators and the feature space are.

    Example:
        >>> from latent_transfer.papers.tables.generative_transfer import TABLE, measure
        >>> TABLE.measure is measure, TABLE.rows[0].label
        (True, 'GAN,source=none,images=10,steps=300')
    """
    domains = _Domains(settings, place)
    few = domains.few(row.condition["images"], seed)
    source = str(row.condition["source"])
    steps = round(settings["length"] * int(row.condition["steps"]))
    with seeded(seed, place.device):
        model = METHODS[row.method](domains, few, source, steps, seed)
    return domains.distance(model, seed)


def prepare(rows: Sequence[Row], settings: Settings, place: Place) -> None:
    """Train the feature space, and a generator of each kind on each source that rows move from.

    Example:
        >>> from latent_transfer.papers.tables.generative_transfer import TABLE, prepare
        >>> TABLE.prepare is prepare, TABLE.chosen(quick=True)["space"]["steps"]
        (True, 60)
    """
    domains = _Domains(settings, place)
    domains.space()
    for row in rows:
        if (source := str(row.condition["source"])) != "none":
            domains.taught_on("GAN" if row.method.startswith("GAN") else "VAE", source)


class _Domains:
    """Images of the target and of the sources, the generators taught on them, and a distance."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self._place = settings, place
        loaded = data.load(settings["data"], place.data_root)
        # The images put aside served to choose the settings below; they are not trained on.
        generator = torch.Generator().manual_seed(0)
        self._train, _ = self._sized(loaded.train).split(settings["validation_images"], generator)
        self._test = self._sized(loaded.test).only(TARGET_CLASSES)

    def few(self, count: int | str | float, seed: int) -> ImageSet:
        """That many target images of any class, those of a smaller number among them."""
        target = self._train.only(TARGET_CLASSES)
        order = torch.randperm(len(target), generator=torch.Generator().manual_seed(seed))
        return target.subset(order if count == "all" else order[: int(count)]).unlabelled()

    def space(self) -> FeatureSpace:
        """The features of a classifier of all ten classes, on the place's device."""
        return train_feature_space(
            "a classifier of ten digits",
            self._train.to(self._place.device),
            checkpoint=self._file("features", "space"),
            **self.settings["space"],
        )

    def distance(self, model: GAN | VAE, seed: int) -> float:
        """Kernel distance of samples from test images of the target."""
        space, count = self.space(), self.settings["samples"]
        with torch.no_grad():
            samples = model.generate(count, torch.Generator().manual_seed(seed))
        test = self._test.subset(slice(0, count)).to(self._place.device)
        return kernel_distance(space(test), space(samples))

    def new(self, kind: str) -> GAN | VAE:
        """A generator that has learnt nothing yet, on the place's device."""
        make = _normalised_gan if kind == "GAN" else mlp_vae
        return make(self._train.shape, **self.settings[kind]["net"]).to(self._place.device)

    def taught_on(self, kind: str, source: str) -> GAN | VAE:
        """A generator taught on a source, which is read if it has been taught before."""
        with seeded(0, self._place.device):
            model = self.new(kind)
        data_of_source = ["unrelated"] if source == "photographs" else []
        file = self._file(f"{kind}-{source}", kind, *data_of_source)
        steps = self.settings[kind]["source_steps"]
        return self.teach(model, self._source(source), steps, 0, file)

    def teach(
        self, model: GAN | VAE, images: ImageSet, steps: int, seed: int, file: Path | None = None
    ) -> GAN | VAE:
        """Train a generator for so many steps; kept in the file, if there is one."""
        kind = "GAN" if isinstance(model, GAN) else "VAE"
        chosen = self.settings[kind]["training"]
        seen = _repeated(images, steps * chosen["batch_size"]).to(self._place.device)
        options: dict[str, Any] = {"epochs": 1, "seed": seed, "progress": False, **chosen}
        if isinstance(model, GAN):
            fit_gan(model, seen, checkpoint=file, **options)
        else:
            fit(model, seen, negative_elbo, checkpoint=file, **options)
        return model

    def _file(self, name: str, *settings: str) -> Path:
        used = {key: self.settings[key] for key in (*_DATA, *settings)}
        return self._place.file(name, used, __name__)

    def _source(self, source: str) -> ImageSet:
        if source == "other classes":
            return self._train.only(SOURCE_CLASSES).unlabelled()
        size = self._train.shape[1]
        return _photographs(self.settings["unrelated"], self._place.data_root, size)

    def _sized(self, images: ImageSet) -> ImageSet:
        return images.resize(self.settings["size"])


@lru_cache
def _photographs(name: str, data_root: Path, size: int) -> ImageSet:
    """Grey squares from the middle of photographs."""
    # Read once a worker, not once a cell: it takes longer than to teach a generator.
    return _middle(data.load(name, data_root).train.grey(), size).unlabelled()


def _repeated(images: ImageSet, count: int) -> ImageSet:
    """So many images, each as often as any other up to one: equal steps for any number of them."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images.subset(order[torch.arange(count) % len(images)])


def _middle(images: ImageSet, size: int) -> ImageSet:
    """The square in the middle of each image."""
    top, left = ((side - size) // 2 for side in images.shape[1:])
    return replace(images, images=images.images[:, :, top : top + size, left : left + size])


def _normalised_gan(shape: Shape, hidden: int, latent_size: int, averaging: float) -> GAN:
    """Two hidden layers a side; the generator's are normalised, so that they can be tuned alone."""

    def layer(inputs: int) -> tuple[nn.Module, ...]:
        return nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU()

    output = nn.Linear(hidden, prod(shape)), nn.Unflatten(1, shape)
    generator = nn.Sequential(*layer(latent_size), *layer(hidden), *output)
    discriminator = MLPEncoder(shape, (hidden, hidden), 1, leaky_relu)
    return GAN(generator, discriminator, latent_size, averaging=averaging)


Hold = Callable[[nn.Module, Settings], object]


class _Method(NamedTuple):
    """How a generator is moved to the target.

    Attributes:
        kind: Of the generator.
        parts: What it takes over from the source's.
        hold: What of it is held while it learns, given the model and the settings.
    """

    kind: str
    parts: tuple[str, ...]
    hold: Hold | None = None

    def __call__(
        self, domains: _Domains, few: ImageSet, source: str, steps: int, seed: int
    ) -> GAN | VAE:
        model = domains.new(self.kind)
        if source != "none":
            initialise_from(domains.taught_on(self.kind, source), model, self.parts)
        if self.hold is not None:
            self.hold(model, domains.settings)
        return domains.teach(model, few, steps, seed)


def _freeze_first(model: nn.Module, settings: Settings) -> None:
    freeze(model, *layers(model, "discriminator")[: settings["frozen_layers"]])


def _tune_scales(model: nn.Module, settings: Settings) -> None:
    scale_and_shift(model, "generator")


_GAN, _VAE = ("generator", "average", "discriminator"), ("encoder", "decoder")

METHODS: dict[str, _Method] = {
    "GAN": _Method("GAN", _GAN),
    "GAN with frozen layers": _Method("GAN", _GAN, _freeze_first),
    "GAN scale and shift": _Method("GAN", _GAN, _tune_scales),
    "VAE": _Method("VAE", _VAE),
}

#: Where a generator starts; none: from scratch.
SOURCES = ("none", "other classes", "photographs")
IMAGES = (10, 20, 50, 200, "all")
STEPS = (300, 2_000)

_DATA = ("data", "size", "validation_images")
_COMMON = (*_DATA, "space", "samples", "length")


def _uses(method: str, source: str) -> tuple[str, ...]:
    own = ["VAE" if method == "VAE" else "GAN"]
    own += ["frozen_layers"] if method == "GAN with frozen layers" else []
    own += ["unrelated"] if source == "photographs" else []
    return (*_COMMON, *own)


TABLE = PaperTable(
    name="generative_transfer",
    source=(
        "In the manner of Wang et al., Transferring GANs, ECCV 2018, and of Mo, Cho and Shin, "
        "Freeze the Discriminator, 2020: the digits 5 to 9 of MNIST as the target"
    ),
    rows=tuple(
        Row(
            method,
            {"source": source, "images": images, "steps": steps},
            seeds=5,
            paper=None,
            metric="kernel_distance",
            uses=_uses(method, source),
        )
        for source in SOURCES
        for method in METHODS
        if source != "none" or method in ("GAN", "VAE")
        for steps in STEPS
        for images in IMAGES
    ),
    settings={
        "data": "mnist",
        "unrelated": "cifar10",
        "size": 28,
        "validation_images": 10_000,
        "space": {"channels": [32, 64, 128], "size": 64, "steps": 600},
        "samples": 2_000,
        "length": 1.0,  # of the rows' steps
        "frozen_layers": 1,
        "GAN": {
            "net": {"hidden": 256, "latent_size": 16, "averaging": 0.99},
            "source_steps": 4_000,
            "training": {"batch_size": 50, "learning_rate": 1e-3, "penalty": 1.0},
        },
        "VAE": {
            "net": {"hidden": [256], "latent_size": 16},
            "source_steps": 4_000,
            "training": {"batch_size": 50, "learning_rate": 3e-3},
        },
    },
    quick={
        "data": "digits",
        "unrelated": "photos",
        "size": 12,
        "validation_images": 100,
        "space": {"channels": [8, 16], "size": 16, "steps": 60},
        "samples": 100,
        "length": 0.03,
        "GAN": {
            "net": {"hidden": 30, "latent_size": 8, "averaging": 0.9},
            "source_steps": 60,
            "training": {"batch_size": 20, "learning_rate": 1e-3, "penalty": 1.0},
        },
        "VAE": {
            "net": {"hidden": [30], "latent_size": 5},
            "source_steps": 100,
            "training": {"batch_size": 20, "learning_rate": 3e-3},
        },
    },
    deviations=(
        "A table of our own: no paper has these figures.",
        "Images have 28×28 pixels, and both nets of a GAN are fully connected with two hidden "
        "layers; the papers' are convolutional and larger by far.",
        "The distance is the squared kernel MMD in the features of a classifier of ten digits "
        "trained on MNIST, not of Inception, so that it compares with no published KID; it is "
        "taken between 2,000 samples and as many test images of the classes 5 to 9.",
        "Runs of one length make equally many steps whatever the number of images, and the last "
        "weights (of a GAN: their moving average) are judged; none is chosen by its score. "
        "Steps on the source are not counted.",
        "Photographs are the middle 28×28 pixels of CIFAR-10 in grey; the copy used in the "
        "recorded run has 2,000 training images a class, re-encoded as JPEG.",
    ),
    measure=measure,
    prepare=prepare,
)
