"""VaDE is trained in three steps, of which none looks at a label."""

from __future__ import annotations

import pytest
import torch

from latent_transfer import evaluation, models, training
from latent_transfer.data import ImageSet

SETTINGS = {"batch_size": 50, "learning_rate": 3e-3, "progress": False}


@pytest.fixture(scope="module")
def bars() -> ImageSet:
    """Three kinds of images that are easy to tell apart, with noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    pixels = 0.1 * torch.rand(300, 1, 6, 6, generator=generator)
    for kind in range(3):
        pixels[labels == kind, :, :, 2 * kind : 2 * kind + 2] += 0.8
    return ImageSet.from_pixels(pixels, labels, ("left", "middle", "right"))


def _trained(images: ImageSet, seed: int = 0, clusters: int = 3) -> models.VaDE:
    torch.manual_seed(seed)
    model = models.VaDE(models.mlp_vae(images.shape, (32,), 2), clusters)
    training.fit_vade(model, images, epochs=5, pretraining_epochs=20, seed=seed, **SETTINGS)
    return model


def test_clusters_that_are_there_are_found(bars: ImageSet) -> None:
    answers = evaluation.predict_logits(_trained(bars), bars).argmax(-1)
    assert evaluation.clustering_accuracy(answers, bars.labels) == 100


def test_no_label_matters_and_the_seed_decides(bars: ImageSet) -> None:
    first, again = (_trained(images) for images in (bars, bars.unlabelled()))
    other = _trained(bars, seed=1)
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(first.means, other.means)


def test_the_mixture_is_trained_too(bars: ImageSet) -> None:
    torch.manual_seed(0)
    model = models.VaDE(models.mlp_vae(bars.shape, (8,), 2), 3)
    before = [model.means.clone(), model.log_variances.clone(), model.weight_logits.clone()]
    history = training.fit_vade(model, bars, epochs=2, pretraining_epochs=1, **SETTINGS)
    assert history.epochs == 2
    assert set(history.training) == {"loss", "reconstruction", "kl"}
    after = (model.means, model.log_variances, model.weight_logits)
    assert not any(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_labels_name_the_clusters(bars: ImageSet) -> None:
    few = bars.few(2, torch.Generator().manual_seed(0))
    for order in ([0, 1, 2], [2, 0, 1]):  # whatever the classes are called
        renamed = ImageSet(few.images, torch.tensor(order)[few.labels], few.classes)
        torch.manual_seed(0)
        model = models.VaDE(models.mlp_vae(bars.shape, (32,), 2), 3)
        training.fit_vade(
            model, bars, epochs=5, pretraining_epochs=20, labelled=renamed, **SETTINGS
        )
        answers = evaluation.predict_logits(model, bars).argmax(-1)
        assert torch.equal(answers, torch.tensor(order)[bars.labels])


def test_class_means_are_means_of_latents(bars: ImageSet) -> None:
    vae = models.mlp_vae(bars.shape, (8,), 2)
    means = training.class_means(vae, bars)
    codes = evaluation.encode(vae, bars).mean
    for label in range(3):
        torch.testing.assert_close(means[label], codes[bars.labels == label].mean(0))


def test_labels_that_do_not_fit_are_refused(bars: ImageSet) -> None:
    model = models.VaDE(models.mlp_vae(bars.shape, (8,), 2), 3)
    for labelled in (bars.only(["left", "right"]), bars.subset([0, 1, 3])):
        with pytest.raises(ValueError, match="3 clusters need labelled images of 3 classes"):
            training.fit_vade(
                model, bars, epochs=1, pretraining_epochs=1, labelled=labelled, **SETTINGS
            )


def test_a_checkpoint_spares_the_pre_training(bars: ImageSet, tmp_path) -> None:
    kept, results = tmp_path / "vae.safetensors", []
    for _ in range(2):
        torch.manual_seed(0)
        model = models.VaDE(models.mlp_vae(bars.shape, (8,), 2), 3)
        training.fit_vade(model, bars, epochs=1, pretraining_epochs=2, checkpoint=kept, **SETTINGS)
        results.append(model.state_dict())
        changed = kept.stat().st_mtime_ns
    assert kept.stat().st_mtime_ns == changed
    for name, value in results[0].items():
        assert torch.equal(value, results[1][name])
