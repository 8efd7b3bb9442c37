"""Checks on the real files, where the data root holds them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_transfer import data

pytestmark = pytest.mark.real_data


def load_present(name: str) -> data.Data:
    if data.where(name) != "present":
        pytest.skip(f"the data root holds no {name}; set LATENT_TRANSFER_DATA to one that does")
    return data.load(name)


def test_mnist_is_the_published_set():
    loaded = load_present("mnist")
    entry = data.CATALOGUE["mnist"]
    assert (len(loaded.train), len(loaded.test)) == (entry.train, entry.test)
    assert loaded.train.shape == entry.shape
    assert loaded.train.counts()["1"] == 6742
    assert loaded.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    # mean and standard deviation that the literature normalises with
    pixels = loaded.train.pixels()
    assert float(pixels.mean()) == pytest.approx(0.1307, abs=5e-5)
    assert float(pixels.std()) == pytest.approx(0.3081, abs=5e-5)


def test_mnist_agrees_with_torchvision():
    from latent_transfer import _torchvision
    from latent_transfer.session import find_data_root

    loaded = load_present("mnist")
    published = _torchvision.load("torchvision.datasets").MNIST(find_data_root(), train=False)
    assert torch.equal(published.data, loaded.test.images[:, 0])
    assert torch.equal(published.targets, loaded.test.labels)


def test_mnist5k_is_what_the_script_cuts_out_of_mnist():
    from latent_transfer.data.sets import mnist5k
    from latent_transfer.session import find_data_root
    from make_mnist5k import cut

    load_present("mnist")
    arrays = cut(find_data_root())
    with np.load(mnist5k.FILE) as content:
        for name, array in zip(mnist5k.ARRAYS, arrays, strict=True):
            assert np.array_equal(content[name], array)


def test_enlarged_digits_look_like_mnist():
    """Ink and sharpness of ``digits`` are near MNIST's, so that one net suits both."""
    mnist, digits = (
        part.pixels() for part in (load_present("mnist").test, data.load("digits").test)
    )
    assert float(digits.mean()) == pytest.approx(float(mnist.mean()), rel=0.25)
    blurred = [float(((x > 0.1) & (x < 0.9)).float().mean()) for x in (digits, mnist)]
    assert blurred[0] < 1.7 * blurred[1]


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist", "usps", "svhn"])
def test_the_catalogue_describes_the_files(name):
    loaded, entry = load_present(name), data.CATALOGUE[name]
    assert (len(loaded.train), len(loaded.test)) == (entry.train, entry.test)
    assert loaded.train.shape == loaded.test.shape == entry.shape


def test_cifar10_says_what_it_is():
    loaded, entry = load_present("cifar10"), data.CATALOGUE["cifar10"]
    assert loaded.classes == entry.classes
    assert loaded.train.shape == entry.shape
    assert len(set(loaded.test.counts().values())) == 1
    complete = (len(loaded.train), len(loaded.test)) == (entry.train, entry.test)
    assert complete or f"{len(loaded.train):,} training" in loaded.notes
