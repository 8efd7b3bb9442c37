"""The mistakes that the chapter on anomalies, clusters and augmentation shows."""

from __future__ import annotations

import torch

from latent_transfer import data, evaluation, models, objectives, training, transfer
from latent_transfer._random import seeded
from latent_transfer.data import ImageSet
from latent_transfer.evaluation import anomaly_scores, auroc
from latent_transfer.training import fit_semi_supervised


def test_cluster_numbers_are_no_class_numbers() -> None:
    labels = torch.arange(1000) % 10
    clusters = (labels + 1) % 10  # every cluster is one class, and none has its number
    assert 100 * (clusters == labels).double().mean() == 0
    assert evaluation.clustering_accuracy(clusters, labels) == 100
    assert evaluation.normalized_mutual_information(clusters, labels) > 99.9


def test_naming_after_the_most_frequent_class_rewards_many_clusters() -> None:
    labels = torch.randint(10, (300,), generator=torch.Generator().manual_seed(0))
    alone = torch.arange(300)  # a cluster for each image says nothing
    assert len({int(labels[alone == cluster].mode().values) for cluster in alone}) == 10
    named = torch.stack([labels[alone == cluster].mode().values for cluster in alone])
    assert (named == labels).double().mean() == 1  # the wrong accuracy: perfect
    assert evaluation.clustering_accuracy(alone, labels) < 5


def test_the_best_of_several_runs_is_no_expectation() -> None:
    # Clusters that know nothing: the best of many runs looks better than their mean.
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (200,), generator=generator)
    runs = [torch.randint(10, (200,), generator=generator) for _ in range(30)]
    values = torch.tensor([evaluation.clustering_accuracy(run, labels) for run in runs])
    assert values.max() > values.mean() + 1.5 * values.std()


def test_a_threshold_tuned_on_the_tested_anomalies_promises_too_much() -> None:
    # A score that knows nothing: the tuned line seems to do something, on those images only.
    generator = torch.Generator().manual_seed(0)
    promised, kept = [], []
    for _ in range(200):
        odd, fine = (torch.randn(count, generator=generator) for count in (40, 80))

        def balanced(odd: torch.Tensor, fine: torch.Tensor, line: torch.Tensor) -> float:
            return ((odd > line).double().mean() + (fine <= line).double().mean()).item() / 2

        few, rest, fine, spare = odd[:8], odd[8:], fine[:40], fine[40:]
        best = max([*few, *fine], key=lambda line: balanced(few, fine, line))
        promised.append(balanced(few, fine, best))
        kept.append(balanced(rest, spare, best))
    assert sum(promised) / 200 > 0.6
    assert abs(sum(kept) / 200 - 0.5) < 0.02


def test_a_mean_over_pixels_leaves_the_kl_to_decide() -> None:
    digits = data.load("digits")
    train, test = digits.train, digits.test
    with seeded(0):
        vae = models.mlp_vae(train.shape, (64,), 10)
    training.fit(
        vae,
        train.subset(train.labels != 0).unlabelled(),
        lambda model, batch: objectives.negative_elbo(model, batch.images),
        epochs=8,
        batch_size=64,
        learning_rate=5e-3,
        binarize=True,
        progress=False,
    )
    binary = test.binarized(torch.Generator().manual_seed(0))
    parts = {
        kind: [
            anomaly_scores(vae, binary.subset(chosen), kind=kind)
            for chosen in (binary.labels == 0, binary.labels != 0)
        ]
        for kind in ("elbo", "reconstruction", "kl")
    }
    averaged = [r / 784 + k for r, k in zip(parts["reconstruction"], parts["kl"], strict=True)]
    assert auroc(*parts["elbo"]) > 0.75
    assert auroc(*averaged) < auroc(*parts["elbo"]) - 0.2
    assert abs(auroc(*averaged) - auroc(*parts["kl"])) < 0.05


def _few_and_samples() -> tuple[ImageSet, ImageSet, ImageSet]:
    digits = data.load("digits")
    train, test = (part.conform((1, 14, 14)) for part in (digits.train, digits.test))
    few = train.few(3, torch.Generator().manual_seed(0))
    with seeded(0):
        m2 = models.mlp_m2((1, 14, 14), 10, (64,), 5, activation=torch.nn.ReLU)
    settings = {"learning_rate": 5e-3, "label_weight": 5, "labelled_batch_size": 30}
    fit_semi_supervised(m2, few, train.unlabelled(), epochs=15, progress=False, **settings)
    labels = torch.arange(10).repeat_interleave(30)
    with torch.no_grad():
        drawn = m2.generate(labels, torch.Generator().manual_seed(0)).clamp(0, 1)
    return few, ImageSet.from_pixels(drawn, labels, train.classes), test


def _classifier(images: ImageSet, transform: training.Transform | None = None) -> models.Classifier:
    with seeded(0):
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(images.shape[1] ** 2, 64))
        model = models.Classifier(torch.nn.Sequential(net, torch.nn.ReLU()), 64, 10)
    training.fit(
        model,
        images,
        lambda model, batch: objectives.classification_loss(model, batch),
        epochs=max(1, 200 * 30 // len(images)),
        batch_size=30,
        learning_rate=3e-3,
        transform=transform,
        progress=False,
    )
    return model


def test_a_part_of_the_augmented_set_is_no_test_set() -> None:
    few, samples, test = _few_and_samples()
    images = torch.cat([few.images.repeat(10, 1, 1, 1), samples.images])
    mixed = ImageSet(images, torch.cat([few.labels.repeat(10), samples.labels]), few.classes)
    kept, aside = mixed.split(120, torch.Generator().manual_seed(0))
    model = _classifier(kept)
    inside, outside = (evaluation.classification_error(model, x).mean for x in (aside, test))
    assert inside < outside - 5


def test_mirrored_digits_are_other_images() -> None:
    digits = data.load("digits")
    train, test = (part.conform((1, 14, 14)) for part in (digits.train, digits.test))
    worse = []
    for seed in range(3):
        few = train.few(10, torch.Generator().manual_seed(seed))
        errors = [
            evaluation.classification_error(
                _classifier(few, transfer.flips_and_crops(14, margin=1, flips=flips)), test
            ).mean
            for flips in (True, False)
        ]
        worse.append(errors[0] - errors[1])
    assert sum(worse) / 3 > 2
