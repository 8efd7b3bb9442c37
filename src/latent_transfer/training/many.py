"""Several models of one shape trained in one vectorised program, as if each had run alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from latent_transfer._random import seeded
from latent_transfer.data import Source, as_batches
from latent_transfer.data.memory import InMemory
from latent_transfer.nets import device_of
from latent_transfer.training.alike import check_alike
from latent_transfer.training.checks import no_denormals, training_mode
from latent_transfer.training.cohort import Cohort, Replica
from latent_transfer.training.forms import History, Loss, ParameterGroup, Schedule, Transform
from latent_transfer.training.loop import fit
from latent_transfer.training.noise import CAN_DECIDE


def fit_many(
    models: Sequence[nn.Module],
    datas: Source | Sequence[Source],
    loss: Loss[Any],
    *,
    epochs: int,
    batch_size: int = 100,
    learning_rate: float | Sequence[float] = 1e-3,
    groups: Sequence[Sequence[ParameterGroup]] | None = None,
    schedule: Schedule | None = None,
    seeds: Sequence[int] | None = None,
    binarize: bool = False,
    transform: Transform | None = None,
    together: bool | None = None,
    progress: bool = True,
    **others: object,
) -> list[History]:
    """Train R models of one shape in place, as R calls of ``fit`` would, but in one program.

    Their parameters are stacked, and ``torch.vmap`` runs the loss for all of them at once: each
    operation of PyTorch is called once instead of R times, which is most of the cost of a small
    net. Each replica keeps its own order of images, binarisation, noise, frozen parts, learning
    rate and progress, so that it ends where ``fit`` with its seed would have taken it, but for
    rounding. Replicas whose next batches have the same number of images take a step together; a
    shorter last batch of a pass waits for others of its length, and who is done rests.

    Args:
        models: R models that differ in their weights alone and share no trainable parameter.
        datas: The training images of each in a list; or one set for all, which is not copied. A
            set is whatever :func:`fit` takes and memory holds: no ``DataLoader``.
        loss: As for :func:`fit`. A tensor's value may steer it where all replicas agree.
        epochs: Passes over each set.
        batch_size: Images per step.
        learning_rate: Adam's step size, one for all or one for each.
        groups: For each replica its parameters with learning rates of their own, as for
            :func:`fit`.
        schedule: Maps a replica's own progress in [0, 1) to a factor on its learning rates.
        seeds: One for each replica; 0, 1, … if left out.
        binarize: Draw binary pixels from grey ones, afresh at every step.
        transform: Augmentation of whole batches, B×C×H×W in and out; called for each replica.
        together: Whether to train in one program; if left out, :func:`worth_it` decides, and where
            it does not pay ``fit`` trains one after another with the same results.
        progress: Whether to show the progress bar.
        others: Nothing else is taken.

    Returns:
        The history of each replica.

    Raises:
        TrainingDiverged: As :func:`fit`; no model has changed then.
        TypeError: For an argument of ``fit`` that replicas cannot have, such as a checkpoint, or
            images that are not in memory.
        ValueError: If models or sets differ in shape, and for a loss or a model that cannot run for
            several replicas at once.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits").train.subset(slice(0, 90))
        >>> models = [lt.models.mlp_vae(digits.shape, (16,), 2) for _ in range(3)]
        >>> loss = lt.objectives.negative_elbo
        >>> histories = fit_many(models, digits, loss, epochs=2, seeds=[5, 6, 7], progress=False)
        >>> [history.epochs for history in histories]
        [2, 2, 2]
    """
    if others:
        raise TypeError(f"fit_many takes no {', '.join(others)}; train one after another with fit.")
    sets = _in_memory(datas, len(models))
    seeds = list(range(len(models))) if seeds is None else list(seeds)
    plans = _parameter_groups(models, learning_rate, groups)
    _check(models, sets, seeds, plans, epochs)
    if together is None:
        # Binary pixels are drawn for several replicas on the CPU alone.
        drawn = binarize and device_of(models[0]).type != "cpu"
        together = not drawn and worth_it(models, sets[0], batch_size)
        if progress and not together:
            tqdm.write("Together these models would be no faster: one after another.")
    if not together:
        return [
            fit(
                model, images, loss, epochs=epochs, batch_size=batch_size, groups=plan,
                schedule=schedule, seed=seed, binarize=binarize, transform=transform,
                progress=progress,
            )
            for model, images, seed, plan in zip(models, sets, seeds, plans, strict=True)
        ]  # fmt: skip
    replicas = [
        Replica(model, images, plan, seed, epochs, batch_size, binarize)
        for model, images, seed, plan in zip(models, sets, seeds, plans, strict=True)
    ]
    steps = sum(replica.steps for replica in replicas)
    with (
        seeded(0, device_of(models[0])),  # puts PyTorch's own generators back at the end
        no_denormals(),
        warnings.catch_warnings(),
        tqdm(total=steps, disable=not progress, unit="batch", mininterval=0.25) as bar,
    ):
        # What vmap has no rule for it runs row by row, which is no slower than fit.
        warnings.filterwarnings("ignore", "There is a performance drop")
        cohorts = [
            Cohort(members, loss, schedule=schedule, binarize=binarize, transform=transform)
            for members in _of_one_mode(replicas)
        ]
        for cohort in cohorts:
            while several := cohort.next_rows():
                for rows in several:
                    cohort.step(rows)
                    bar.update(len(rows))
        for cohort in cohorts:
            cohort.write_back()
    return [replica.history for replica in replicas]


def worth_it(models: Sequence[nn.Module], images: InMemory, batch_size: int) -> bool:
    """Whether :func:`fit_many` trains these models together unless told otherwise.

    What is saved is the cost of calling PyTorch R times, so it pays where a step of one replica
    has little to compute. Eight replicas on one core of a busy machine were faster by these
    factors (``benchmarks/many_speed.py --all``), beside the multiplications of a forward step:

    =====================================  =====  ===============  ======
    net                                    batch  multiplications  factor
    =====================================  =====  ===============  ======
    conv VAE 8×8, 8 and 16 channels           25      0.5 million     3.6
    VAE 64-64-8                               50      0.5 million     3.3
    classifier 196-100-10                     25      0.5 million     2.7
    conv VAE 8×8, 8 and 16 channels          100        2 million     2.0
    classifier 196-100-10                    100        2 million     1.6
    VAE 784-128-64-20                         25        6 million     1.8
    conv VAE 28×28, 16 and 32 channels        25       24 million     1.4
    VAE 784-500-500-50                        25       34 million     1.2
    VAE 784-200-200-50                       100       43 million     1.2
    conv VAE 28×28, 16 and 32 channels       100       97 million     1.0
    VAE 784-500-500-50                       100      136 million     1.0
    conv VAE 28×28, 32 to 256 channels        25    1,900 million     1.0
    =====================================  =====  ===============  ======

    The multiplications are a rough count: a kernel is taken to be applied at an eighth of the
    pixels. A GPU, where small steps cost their calls alone, was not measured.

    Args:
        models: Replicas of one shape.
        images: Of one replica.
        batch_size: Images per step.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits").train
        >>> small, large = (lt.models.mlp_vae(digits.shape, (width,)) for width in (64, 4096))
        >>> worth_it([small, small], digits, 25), worth_it([large, large], digits, 100)
        (True, False)
    """
    if len(models) < 2 or not CAN_DECIDE:
        return False
    if device_of(models[0]).type != "cpu":
        return True
    _, height, width = images.shape
    multiplications = sum(
        parameter.numel() * (height * width / 8 if parameter.dim() == 4 else 1)
        for parameter in models[0].parameters()
    )
    return batch_size * multiplications < 50e6


def _in_memory(datas: Source | Sequence[Source], count: int) -> list[InMemory]:
    """The images of each replica; one set for all is that one set several times."""
    pair = isinstance(datas, tuple) and isinstance(datas[0], torch.Tensor)  # images and labels
    if isinstance(datas, list | tuple) and not pair:
        sets = [as_batches(one) for one in datas]
    else:
        sets = [as_batches(datas)] * count
    held = [one for one in sets if isinstance(one, InMemory)]
    if len(held) < len(sets):
        raise TypeError(
            "Replicas need their images in memory; train from a DataLoader one after another with "
            "fit."
        )
    return held


def _parameter_groups(
    models: Sequence[nn.Module],
    learning_rate: float | Sequence[float],
    groups: Sequence[Sequence[ParameterGroup]] | None,
) -> list[list[ParameterGroup]]:
    """For each model its groups, as lists and each with a rate; one of all parameters if none."""
    count = len(models)
    rates = [learning_rate] * count if isinstance(learning_rate, int | float) else learning_rate
    given = [[{"params": model.parameters()}] for model in models] if groups is None else groups
    for what, values in (("learning rates", rates), ("lists of parameter groups", given)):
        if len(values) != count:
            raise ValueError(f"There are {count} models, but {len(values)} {what}.")
    return [
        [{"lr": rate, **group, "params": list(group["params"])} for group in own]
        for rate, own in zip(rates, given, strict=True)
    ]


def _check(
    models: Sequence[nn.Module],
    sets: Sequence[InMemory],
    seeds: Sequence[int],
    plans: Sequence[Sequence[ParameterGroup]],
    epochs: int,
) -> None:
    """Refuse what is no training of several replicas of one shape."""
    if not models:
        raise ValueError("fit_many needs at least one model.")
    for what, values in (("sets of images", sets), ("seeds", seeds)):
        if len(values) != len(models):
            raise ValueError(f"There are {len(models)} models, but {len(values)} {what}.")
    if not epochs > 0:
        raise ValueError(f"epochs must be positive, not {epochs}.")
    for rate in (group["lr"] for plan in plans for group in plan):
        if not rate > 0:
            raise ValueError(f"learning_rate must be positive, not {rate}.")
    trained = [id(p) for model in models for p in model.parameters() if p.requires_grad]
    if len(set(trained)) < len(trained):
        raise ValueError("Two of the models share a trainable parameter; give each its own.")
    check_alike(models, sets)


def _of_one_mode(replicas: Sequence[Replica]) -> list[list[Replica]]:
    """Group the replicas whose frozen parts leave dropout and batch norm in the same mode."""
    cohorts: dict[tuple[bool, ...], list[Replica]] = {}
    for replica in replicas:
        training_mode(replica.model, replica.groups)
        modes = tuple(part.training for part in replica.model.modules() if _minds_mode(part))
        cohorts.setdefault(modes, []).append(replica)
    return list(cohorts.values())


def _minds_mode(part: nn.Module) -> bool:
    code = getattr(type(part).forward, "__code__", None)
    return code is None or "training" in code.co_names
