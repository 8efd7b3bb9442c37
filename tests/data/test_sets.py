from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from latent_transfer import data
from latent_transfer.data.sets import glyphs, mnist5k, photos
from latent_transfer.errors import DataError


@pytest.mark.parametrize("name", ["digits", "glyphs", "mnist5k", "photos"])
def test_catalogue_tells_the_truth_and_loading_repeats(name):
    loaded, again = data.load(name), data.load(name)
    entry = data.CATALOGUE[name]
    assert (len(loaded.train), len(loaded.test)) == (entry.train, entry.test)
    assert loaded.train.shape == loaded.test.shape == entry.shape
    assert loaded.classes == loaded.train.classes == loaded.test.classes == entry.classes
    assert torch.equal(loaded.train.images, again.train.images)
    assert torch.equal(loaded.test.images, again.test.images)
    assert loaded.licence
    assert loaded.citation


def test_digits_split_is_balanced_and_disjoint():
    loaded = data.load("digits", size=8)
    assert set(loaded.test.counts().values()) == {36}
    from sklearn.datasets import load_digits

    # Every image of scikit-learn's set is in exactly one part, with its label.
    def keys(images, labels):
        rows = map(tuple, images.reshape(len(images), -1).tolist())
        return sorted(zip(rows, labels.tolist(), strict=True))

    source = load_digits()
    values = torch.tensor(source.images).div(16).mul(255).round().to(torch.uint8)
    both = torch.cat([loaded.train.images, loaded.test.images])
    labels = torch.cat([loaded.train.labels, loaded.test.labels])
    assert keys(both, labels) == keys(values, torch.tensor(source.target))


def test_digits_have_one_split_at_both_sizes():
    small, large = data.load("digits", size=8), data.load("digits")
    assert small.train.shape == (1, 8, 8)
    assert torch.equal(small.train.labels, large.train.labels)
    # the enlarged digit shrinks back to about the original
    back = large.test.pixels()[:, :, 4:24, 4:24]
    back = torch.nn.functional.interpolate(back, (8, 8), mode="area")
    pairs = torch.stack([back.flatten(), small.test.pixels().flatten()])
    assert torch.corrcoef(pairs)[0, 1] > 0.95


def test_digits_use_the_whole_range_and_a_black_frame():
    images = data.load("digits").train.images
    assert (int(images.min()), int(images.max())) == (0, 255)
    frame = images.clone()
    frame[:, :, 2:-2, 2:-2] = 0
    assert int(frame.max()) == 0


def test_glyphs_come_from_disjoint_fonts_and_differ():
    assert not set(glyphs.TRAIN_FONTS) & set(glyphs.TEST_FONTS)
    loaded = data.load("glyphs", count=500)
    assert set(loaded.train.counts().values()) == {50}
    assert len(loaded.train.images.flatten(1).unique(dim=0)) == 500
    assert float(loaded.train.pixels().mean()) > 0.08


def test_each_font_has_ten_different_digits():
    for fonts in (glyphs.TRAIN_FONTS, glyphs.TEST_FONTS):
        for shapes in glyphs._masters(fonts):
            ink = shapes[:, 0].flatten(1)  # the regular weight
            assert (ink.sum(1) > 50).all()
            assert torch.cdist(ink, ink).add(torch.eye(10) * 99).min() > 3


def test_glyphs_can_be_told_apart():
    loaded = data.load("glyphs", count=2000)
    train, test = (part.pixels().flatten(1) for part in (loaded.train, loaded.test))
    nearest = torch.cdist(test, train).argmin(1)
    assert (loaded.train.labels[nearest] == loaded.test.labels).float().mean() > 0.9


def test_mnist5k_has_equal_classes_and_no_image_twice():
    loaded = data.load("mnist5k")
    assert set(loaded.train.counts().values()) == {500}
    assert set(loaded.test.counts().values()) == {200}
    both = torch.cat([loaded.train.images, loaded.test.images]).flatten(1)
    assert len({bytes(row) for row in both.numpy()}) == 7000
    assert data.where("mnist5k") == "embedded"
    assert "mnist5k" in data.names()
    assert "BY-SA 3.0" in loaded.licence
    notice = mnist5k.FILE.with_name("mnist5k.LICENSE.txt").read_text(encoding="utf-8")
    assert "Yann LeCun and Corinna Cortes" in notice
    assert mnist5k.FILE.stat().st_size < 1.2e6


@pytest.mark.parametrize("damage", ["pixel", "label", "cut"])
def test_a_damaged_mnist5k_is_noticed(tmp_path, monkeypatch, damage):
    content = dict(np.load(mnist5k.FILE))
    if damage == "pixel":
        content["test_images"][7, 3, 3] ^= 1
    if damage == "label":
        content["train_labels"][[0, 1]] = content["train_labels"][[0, 1]] ^ 1
    file = tmp_path / "mnist5k.npz"
    np.savez(file, **content)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-1000])
    monkeypatch.setattr(mnist5k, "FILE", file)
    with pytest.raises(DataError, match=r"mnist5k\.npz .*install the package again"):
        data.load("mnist5k")


def test_tables_and_images_point_at_each_others_loader():
    with pytest.raises(ValueError, match=r"is a table: lt\.data\.load_table\('breast_cancer'\)"):
        data.load("breast_cancer")
    with pytest.raises(ValueError, match=r"is a set of images: lt\.data\.load\('digits'\)"):
        data.load_table("digits")
    with pytest.raises(TypeError, match="has a name or a path, not int"):
        data.load(3)


class TestRegister:
    def entry(self, read, name="own", shape=(1, 4, 4)):
        return data.Entry(
            name, "own", 4, 2, shape, ("a", "b"), "CC0", "me", read, options=("size",)
        )

    @pytest.fixture
    def own(self):
        yield
        data.CATALOGUE.pop("own", None)
        data.TABLES.pop("own", None)

    def test_a_set_from_outside_loads_by_its_name(self, own, tmp_path):
        made = data.ImageSet.from_pixels(torch.rand(4, 1, 4, 4), torch.arange(4) % 2, ["a", "b"])
        asked = []

        def read(root, size=1):
            asked.append((root, size))
            return made, made.subset([0, 1])

        data.register(self.entry(read))
        loaded = data.load("own", tmp_path, size=3)
        assert loaded.train is made
        assert len(loaded.test) == 2
        assert asked == [(tmp_path, 3)]
        assert data.where("own") == "embedded"
        with pytest.raises(ValueError, match="own takes no option 'count'"):
            data.load("own", count=2)

    def test_a_table_from_outside(self, own):
        rows = data.Table.from_values(torch.rand(4, 3), torch.arange(4) % 2, ["a", "b"])
        data.register(self.entry(lambda root: (rows, rows), shape=(3, 1, 1)))
        assert data.load_table("own").train is rows

    def test_a_name_that_is_taken_is_refused(self):
        for name in ("digits", "breast_cancer", "folder:x"):
            with pytest.raises(ValueError, match="is taken, or has a colon"):
                data.register(self.entry(None, name=name))

    @pytest.mark.parametrize("classes", [["b", "a"], ["a", "b", "c"]])
    def test_what_a_reader_returns_is_checked(self, own, classes):
        made = data.ImageSet.from_pixels(torch.rand(4, 1, 4, 4), torch.arange(4) % 2, classes)
        data.register(self.entry(lambda root: (made, made)))
        with pytest.raises(TypeError, match="reader of own must return two of ImageSet with the"):
            data.load("own")


def test_photo_patches_of_train_and_test_share_no_pixel():
    columns = {
        part: {
            column
            for left, right in bands
            for start in range(left, right - photos.PATCH + 1, photos.STRIDE)
            for column in range(start, start + photos.PATCH)
        }
        for part, bands in (("train", photos.TRAIN_BANDS), ("test", photos.TEST_BANDS))
    }
    assert not columns["train"] & columns["test"]

    # and the cut itself keeps to the bands: number the columns of a blank picture
    picture = torch.arange(640).div(8, rounding_mode="floor").to(torch.uint8)
    picture = picture.expand(3, 427, 640)
    train, test = (
        photos._cut([picture], bands).images.unique()
        for bands in (photos.TRAIN_BANDS, photos.TEST_BANDS)
    )
    assert not set(train.tolist()) & set(test.tolist())
    assert set(test.tolist()) == {*range(20, 28), *range(52, 60)}


def test_photo_patches_are_cut_from_the_photographs():
    from sklearn.datasets import load_sample_image

    loaded = data.load("photos")
    china = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)
    first = loaded.test.only(["china"]).images[0]
    assert torch.equal(first, china[:, :32, 160:192])
    assert set(loaded.train.counts().values()) == {2750}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digits", {"size": 16}, "size 8 or 28, not 16"),
        ("digits", {"count": 5}, "digits takes no option 'count'"),
        ("glyphs", {"count": 0}, "at least 1"),
        ("photos", {"size": 8}, "photos takes no option 'size'"),
        ("mnist", {"count": 8}, "mnist takes no option 'count'"),
        ("minst", {}, "Unknown data set 'minst': known are digits, glyphs"),
    ],
)
def test_bad_requests_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        data.load(name, **options)


def test_importing_data_loads_no_heavy_library():
    heavy = "{'torchvision', 'sklearn', 'PIL', 'matplotlib', 'scipy'}"
    code = f"import latent_transfer.data, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
