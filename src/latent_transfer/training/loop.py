"""One plain training loop: any data, loss and optimiser, a history, and exact resume."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import torch
from torch import nn
from torch.amp import GradScaler
from tqdm.auto import tqdm

from latent_transfer._random import seeded
from latent_transfer.data import Batch, Batches, Source, as_batches
from latent_transfer.inference import evaluating
from latent_transfer.nets import device_of
from latent_transfer.training.checkpoints import Best, RunFile, RunState
from latent_transfer.training.checks import (
    Means,
    Settings,
    check_loss,
    check_model,
    check_state,
    finite,
    in_plain_words,
    make_optimiser,
    named,
    no_denormals,
    training_mode,
)
from latent_transfer.training.forms import (
    AfterEpoch,
    AfterStep,
    BeforeEpoch,
    History,
    Loss,
    M,
    MakeOptimizer,
    ParameterGroup,
    Schedule,
    Transform,
)
from latent_transfer.training.precision import Precision, autocast, usable_precision


def fit(
    model: M,
    data: Source,
    loss: Loss[M],
    *,
    epochs: int,
    batch_size: int = 100,
    learning_rate: float | None = None,
    optimizer: MakeOptimizer | None = None,
    groups: Iterable[ParameterGroup] | None = None,
    schedule: Schedule | None = None,
    clip: float | None = None,
    before_epoch: BeforeEpoch | None = None,
    after_step: AfterStep | None = None,
    after_epoch: AfterEpoch | None = None,
    seed: int = 0,
    binarize: bool = False,
    transform: Transform | None = None,
    drop_last: bool = False,
    validation: Source | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    about: Mapping[str, object] | None = None,
    precision: Precision = "float32",
    progress: bool = True,
) -> History:
    """Train ``model`` in place and leave it in evaluation mode.

    The seed alone decides shuffling, binarisation and noise; the state of PyTorch's own generators
    neither matters nor changes. Two trainings in two threads take turns.

    Parameters that need no gradient stay as they are, and every part whose parameters all need
    none runs in evaluation mode: its batch norm keeps its statistics, its dropout lets all pass.

    With a ``checkpoint`` the run saves itself before the first epoch and after each one, and the
    same call resumes it: a run that is killed at any moment and started again ends with the same
    bits as one that was not. What decides these bits is compared first: model, starting weights,
    data, loss (its code and the values it holds, a teacher's weights among them), schedule,
    transform, the parts that were frozen in each epoch, optimiser, groups, and every number below.
    Not compared are global variables that a function reads, ``after_step`` and ``after_epoch``, and
    the content of a ``DataLoader``; say what matters of them in ``about``.

    Args:
        model: Trained on the device where its parameters are, in their floating-point type.
        data: An :class:`~latent_transfer.data.ImageSet` or :class:`~latent_transfer.data.Table`; a
            tensor of images, or a tuple of images and labels; a ``TensorDataset``; or a
            ``DataLoader``, which brings its own batches.
        loss: Given the model and a :class:`~latent_transfer.data.Batch`, returns a scalar, or
            scalars by name of which ``"loss"`` is minimised and all are recorded. Batch means.
        epochs: Passes over the data.
        batch_size: Images per step; the last batch of a pass may be smaller.
        learning_rate: The optimiser's ``lr``; its own default if left out, 0.001 for Adam.
        optimizer: A class or function that makes an optimiser of parameter groups and ``lr``, such
            as ``torch.optim.SGD`` or ``partial(torch.optim.AdamW, weight_decay=0.1)``; Adam if
            left out.
        groups: Parameters with learning rates and options of their own, as
            ``transfer.parameter_groups`` makes them; a group without ``lr`` has ``learning_rate``.
        schedule: Maps training progress in [0, 1) to a factor on the learning rates.
        clip: Largest norm of the gradient; a longer one is shortened to it.
        before_epoch: Given the model and the progress before every epoch, to freeze or unfreeze
            parts. Progress alone should decide what it does: at a resume it is called for the
            finished epochs again, and must free the same parts as it did then.
        after_step: Given the model after every step of the optimiser, to average weights say.
        after_epoch: Given the model and the history after every epoch; training ends when it
            returns true.
        seed: See above.
        binarize: Draw binary pixels from grey ones, afresh at every step.
        transform: Augmentation of whole batches, B×C×H×W in and out.
        drop_last: Leave out a last batch that is smaller than the others.
        validation: Data as above, judged by ``loss`` after each epoch: in evaluation mode, without
            transform, without gradients, on the same noise, with the progress of the end.
        patience: Stop when the validation loss has not improved for so many epochs, and keep the
            weights of the best one.
        checkpoint: File to save to and to resume from.
        about: What else decides the run, in values that JSON takes; compared at a resume.
        precision: ``"bfloat16"`` or, on CUDA, ``"float16"`` runs the layers under autocast, the
            latter with a scaled loss; float32 takes the place of a bfloat16 that is slower.
        progress: Whether to show the progress bar.

    Returns:
        The history of every loss term.

    Raises:
        TrainingDiverged: If a term, a weight or a running statistic stops being finite; the
            checkpoint of the last good epoch stays.
        CheckpointError: If the checkpoint belongs to another model, run or version.
        TypeError: For data or an optimiser that ``fit`` cannot use.
        ValueError: For a setting that makes no sense, a loss without a scalar, a model without a
            parameter to train, or a trainable parameter that is in no group.

    Example:
        >>> import latent_transfer as lt
        >>> digits = lt.data.load("digits", size=8)
        >>> model = lt.models.mlp_vae(digits.train.shape, (32,), latent_size=4)
        >>> history = lt.fit(
        ...     model, digits.train, lt.objectives.negative_elbo, epochs=2, progress=False
        ... )
        >>> sorted(history.training), history.epochs
        (['kl', 'loss', 'reconstruction'], 2)
    """
    device, dtype = check_model(model)
    check_loss(loss)
    train = as_batches(data).to(device)
    held_out = None if validation is None else as_batches(validation).to(device)
    if patience is not None and held_out is None:
        raise ValueError("patience needs a validation set to judge by.")
    settings = Settings(
        epochs, batch_size, seed, binarize, drop_last, clip, patience,
        usable_precision(precision, device), train.steps(batch_size, drop_last=drop_last),
    )  # fmt: skip
    optimiser = make_optimiser(model, optimizer, groups, learning_rate)
    rates = [group["lr"] for group in optimiser.param_groups]
    scaler = GradScaler(device.type, enabled=settings.precision == "float16")
    decides = {"loss": loss, "schedule": schedule, "transform": transform}
    described = {**asdict(settings), "data": train, "validation": held_out, "about": about}
    bar = tqdm(total=settings.steps, disable=not progress, unit="batch", mininterval=0.25)
    with seeded(seed, device) as generator, no_denormals(), bar:
        run = RunState(model, optimiser, generator, scaler)
        file = RunFile(checkpoint, run, described, decides, before_epoch)
        history = file.resume(History())
        if progress and history.epochs == epochs:
            bar.write(f"{checkpoint} holds the finished run; nothing was trained.")
        best = Best(model, history, file.best)
        bar.update(history.epochs * settings.steps_per_epoch)
        for epoch in range(history.epochs, 0 if file.ended else epochs):
            if before_epoch is not None:
                before_epoch(model, epoch / epochs)
            training_mode(model, optimiser.param_groups)
            means = Means()
            batches = train.batches(
                batch_size, shuffle=True, generator=generator,
                binarize=binarize, transform=transform, drop_last=drop_last,
            )  # fmt: skip
            for number, batch in enumerate(batches):
                done = (epoch * settings.steps_per_epoch + number) / settings.steps
                if schedule is not None:
                    factor = schedule(done)
                    for group, rate in zip(optimiser.param_groups, rates, strict=True):
                        group["lr"] = rate * factor
                with autocast(settings.precision, device), in_plain_words():
                    terms = named(loss(model, at(batch, done, dtype)))
                means.add(finite(terms, epoch + 1, number + 1), len(batch.images))
                optimiser.zero_grad()
                scaler.scale(terms["loss"]).backward()
                if clip is not None:
                    scaler.unscale_(optimiser)
                    nn.utils.clip_grad_norm_(model.parameters(), clip)
                scaler.step(optimiser)
                scaler.update()
                if after_step is not None:
                    after_step(model)
                if progress:
                    bar.set_postfix(means.shown(epoch + 1, epochs), refresh=False)
                    bar.update()
            check_state(model, epoch + 1, number + 1)
            history.add(means.values(), evaluate(model, held_out, loss, settings, epoch + 1))
            stop = after_epoch is not None and bool(after_epoch(model, history))
            stop = best.keep(patience) or stop
            file.save(history, best.weights, ended=stop)
            if stop:
                break
    best.restore()
    model.eval()
    return history


def evaluate(
    model: M, data: Batches | None, loss: Loss[M], settings: Settings, epoch: int
) -> dict[str, float]:
    """The means of the loss terms over a validation set after an epoch; none without one."""
    if data is None:
        return {}
    means, dtype = Means(), next(model.parameters()).dtype
    # The same noise after every epoch, so that the curve shows the model and not the dice.
    with evaluating(model), torch.no_grad(), seeded(settings.seed, device_of(model)) as generator:
        batches = data.batches(settings.batch_size, generator=generator, binarize=settings.binarize)
        for number, batch in enumerate(batches):
            terms = named(loss(model, at(batch, 1.0, dtype)))
            means.add(finite(terms, epoch, number + 1, "validation "), len(batch.images))
    return means.values()


def at(batch: Batch, progress: float, dtype: torch.dtype) -> Batch:
    """The batch at a point of the training, its images in the model's floating-point type."""
    images = batch.images.to(dtype) if batch.images.is_floating_point() else batch.images
    return batch._replace(images=images, progress=progress)
