from __future__ import annotations

import unicodedata
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from latent_transfer import data
from latent_transfer.data import folders
from latent_transfer.errors import DataError


def picture(number: int, size=(8, 6), mode: str = "RGB") -> Image.Image:
    """A different picture for each number."""
    values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(values.astype(np.uint8)).convert(mode)


def fill(folder, count=5, start=0, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        picture(number, **options).save(folder / f"{number:03}.png")


def zip_of(folder, target, prefix=""):
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + str(file.relative_to(folder)))
    return target


@pytest.fixture
def pets(tmp_path):
    """Two classes of five 8×6 pictures."""
    fill(tmp_path / "pets" / "cat")
    fill(tmp_path / "pets" / "dog", start=100)
    return tmp_path / "pets"


def load(folder, **options):
    return data.load(f"folder:{folder}", **options)


def assert_equal(one, two):
    for part in ("train", "test"):
        a, b = getattr(one, part), getattr(two, part)
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)
        assert a.classes == b.classes


class TestLayout:
    def test_classes_are_folders_in_order_and_pixels_are_exact(self, pets):
        loaded = load(pets)
        assert loaded.classes == ("cat", "dog")
        assert loaded.train.shape == (3, 6, 8)
        expected = torch.tensor(np.asarray(picture(100))).permute(2, 0, 1)
        both = torch.cat([loaded.train.images, loaded.test.images])
        labels = torch.cat([loaded.train.labels, loaded.test.labels])
        assert labels[(both == expected).flatten(1).all(1)].tolist() == [1]

    def test_a_fixed_fifth_of_each_class_is_the_test_set(self, tmp_path):
        fill(tmp_path / "many", 20)
        fill(tmp_path / "some", 3, start=50)
        fill(tmp_path / "two", 2, start=90)
        loaded = load(tmp_path)
        assert loaded.train.counts() == {"many": 16, "some": 2, "two": 1}
        assert loaded.test.counts() == {"many": 4, "some": 1, "two": 1}
        assert_equal(loaded, load(tmp_path))
        together = torch.cat([loaded.train.images, loaded.test.images]).flatten(1)
        assert len(together.unique(dim=0)) == 25

    def test_train_and_test_folders_are_kept(self, tmp_path):
        fill(tmp_path / "train" / "x", 4)
        fill(tmp_path / "test" / "x", 2, start=10)
        loaded = load(tmp_path)
        assert (len(loaded.train), len(loaded.test)) == (4, 2)

    def test_a_class_may_be_called_train(self, tmp_path):
        fill(tmp_path / "train")
        fill(tmp_path / "ship", start=10)
        assert load(tmp_path).classes == ("ship", "train")

    def test_one_class_is_a_set_but_no_task(self, tmp_path):
        fill(tmp_path / "only")
        loaded = load(tmp_path)
        with pytest.raises(ValueError, match="at least two classes"):
            loaded.train.require_classes("A classifier")

    def test_hidden_files_and_litter_are_skipped(self, pets):
        before = load(pets)
        (pets / "cat" / ".DS_Store").write_bytes(b"x")
        (pets / "cat" / "Thumbs.db").write_bytes(b"x")
        fill(pets / ".hidden")
        (pets / "README.md").write_text("not an image")
        assert_equal(before, load(pets))

    def test_links_are_followed(self, pets, tmp_path):
        linked = tmp_path / "linked"
        linked.mkdir()
        (linked / "cat").symlink_to(pets / "cat")
        fill(linked / "dog", 4, start=100)
        (linked / "dog" / "104.png").symlink_to(pets / "dog" / "104.png")
        assert_equal(load(pets), load(linked))

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    def test_unicode_names(self, tmp_path, form):
        folder = tmp_path / unicodedata.normalize("NFD", "Bücher")
        fill(folder / unicodedata.normalize(form, "Größe"))
        fill(folder / "猫")
        assert load(folder).classes == ("Größe", "猫")

    @pytest.mark.parametrize("prefix", ["", "pets/"])
    def test_a_zip_equals_its_folder(self, pets, tmp_path, prefix):
        zipped = zip_of(pets, tmp_path / "pets.zip", prefix)
        before = sorted(tmp_path.rglob("*"))
        assert_equal(load(pets), load(zipped))
        assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked

    def test_a_zip_with_train_and_test_equals_its_folder(self, tmp_path):
        fill(tmp_path / "a" / "train" / "x", 3)
        fill(tmp_path / "a" / "test" / "x", 2, start=9)
        for prefix in ("", "cifar10/"):
            zipped = zip_of(tmp_path / "a", tmp_path / "a.zip", prefix)
            assert_equal(load(tmp_path / "a"), load(zipped))


class TestLayoutErrors:
    def test_no_such_folder(self, tmp_path):
        with pytest.raises(DataError, match=r"There is no image folder .*nowhere"):
            load(tmp_path / "nowhere")

    def test_neither_folder_nor_zip(self, tmp_path):
        (tmp_path / "x.zip").write_bytes(b"PK no zip")
        with pytest.raises(DataError, match=r"x\.zip is neither a folder nor a readable zip"):
            load(tmp_path / "x.zip")

    def test_empty_folder(self, tmp_path):
        with pytest.raises(DataError, match="holds no training images"):
            load(tmp_path)

    def test_empty_class(self, pets):
        (pets / "bird").mkdir()
        with pytest.raises(DataError, match=r"folder .*bird is empty"):
            load(pets)

    def test_image_outside_a_class(self, pets):
        picture(1).save(pets / "stray.png")
        with pytest.raises(DataError, match=r"stray\.png lies outside the layout"):
            load(pets)

    def test_folder_inside_a_class(self, pets):
        fill(pets / "cat" / "kittens")
        with pytest.raises(DataError, match=r"kittens.*lies outside the layout"):
            load(pets)

    def test_a_link_to_the_folder_above_ends(self, pets):
        (pets / "cat" / "again").symlink_to(pets)
        with pytest.raises(DataError, match=r"lies too deep|lies outside"):
            load(pets)

    def test_classes_of_train_and_test_differ(self, tmp_path):
        fill(tmp_path / "train" / "x")
        fill(tmp_path / "train" / "y")
        fill(tmp_path / "test" / "x")
        with pytest.raises(DataError, match="class 'y' in only one of the folders"):
            load(tmp_path)

    def test_a_third_folder_beside_train_and_test(self, tmp_path):
        for part in ("train", "test", "val"):
            fill(tmp_path / part / "x")
        with pytest.raises(DataError, match=r"val.* lies outside the layout"):
            load(tmp_path)

    def test_test_without_train(self, tmp_path):
        fill(tmp_path / "test" / "x")
        with pytest.raises(DataError, match="holds no training images"):
            load(tmp_path)

    def test_a_class_of_one_image_cannot_be_split(self, pets):
        fill(pets / "axolotl", 1)
        with pytest.raises(DataError, match=r"Class 'axolotl' .* has one image only"):
            load(pets)


def save_animation(path):
    frames = [picture(n) for n in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def save_deep_grey(path):
    Image.fromarray(np.full((6, 8), 40000, dtype=np.uint16)).save(path)


def save_deep_colour(path):
    """A PNG of 16 bits a channel, which Pillow can read but not write."""
    import struct
    import zlib

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(8 * 6)) * 6)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def save_transparent(path):
    image = picture(1, mode="RGBA")
    image.putalpha(100)
    image.save(path)


def save_transparent_palette(path):
    picture(1, mode="P").save(path, transparency=picture(1, mode="P").getpixel((0, 0)))


def save_truncated(path):
    picture(1, size=(60, 60)).save(path)
    path.write_bytes(path.read_bytes()[:1500])


class TestImageErrors:
    @pytest.mark.parametrize(
        ("name", "save", "message"),
        [
            ("bad.png", lambda path: path.write_bytes(b"no image"), "unknown format"),
            ("bad.png", lambda path: path.write_bytes(b""), "cannot be read as an image"),
            ("bad.jpg", save_truncated, "cannot be read as an image .*truncated"),
            ("bad.png", save_truncated, "cannot be read as an image"),
            ("notes.txt", lambda path: path.write_text("hello"), "cannot be read as an image"),
            ("bad.png", lambda path: path.symlink_to("gone"), "cannot be read as an image"),
            ("bad.gif", save_animation, r"animated or has pages \(3\)"),
            ("bad.png", save_animation, r"animated or has pages \(3\)"),
            ("bad.webp", save_animation, r"animated or has pages \(3\)"),
            ("bad.tiff", save_animation, r"animated or has pages \(3\)"),
            ("bad.png", save_deep_grey, "more than 8 bits a channel"),
            ("bad.tiff", save_deep_grey, "more than 8 bits a channel"),
            ("bad.png", save_deep_colour, "more than 8 bits a channel"),
            ("bad.png", save_transparent, "transparent pixels"),
            ("bad.png", save_transparent_palette, "transparent pixels"),
            ("bad.jpg", lambda path: picture(1, mode="CMYK").save(path), "colour mode CMYK"),
            ("bad.png", lambda path: picture(1, (9, 6)).save(path), "9×6 pixels where .* has 8×6"),
        ],
    )
    def test_the_file_is_named(self, pets, name, save, message):
        save(pets / "dog" / name)
        with pytest.raises(DataError, match=message) as caught:
            load(pets)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("limit", [40, 10])
    def test_too_many_pixels(self, pets, monkeypatch, limit):
        # 10: Pillow's own guard, which raises at twice its limit, is also turned into a sentence
        monkeypatch.setattr(folders, "MAX_PIXELS", 40)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=r"cat.000\.png has .*(40 at most|more than 40 pixels)"):
            load(pets)

    def test_a_zip_member_that_unpacks_to_too_much(self, pets, tmp_path, monkeypatch):
        monkeypatch.setattr(folders, "MAX_BYTES", 10)
        zipped = zip_of(pets, tmp_path / "pets.zip")
        with pytest.raises(DataError, match=r"pets\.zip: cat/000\.png .* unpacks to more"):
            load(zipped)

    def test_a_damaged_zip_member(self, pets, tmp_path):
        zipped = zip_of(pets, tmp_path / "pets.zip")
        content = bytearray(zipped.read_bytes())
        content[80] ^= 255  # within the first image; the checksum notices
        zipped.write_bytes(content)
        with pytest.raises(DataError, match=r"pets\.zip: cat/000\.png cannot be read"):
            load(zipped)


class TestColourAndSize:
    def add(self, pets, image, name="new.png", **options):
        image.save(pets / "cat" / name, **options)
        loaded = load(pets)
        both = torch.cat([loaded.train.images, loaded.test.images])
        return both, np.asarray(image.convert("RGB")).transpose(2, 0, 1)

    def contains(self, images, pixels):
        return bool((images == torch.tensor(pixels)).flatten(1).all(1).any())

    @pytest.mark.parametrize("mode", ["P", "L", "1", "RGBA", "LA"])
    def test_modes_become_rgb_among_colour_images(self, pets, mode):
        source = picture(7, mode="L" if mode in ("1", "LA") else "RGB").convert(mode)
        images, expected = self.add(pets, source)
        assert self.contains(images, expected)

    def test_a_set_is_grey_only_if_every_image_is(self, tmp_path):
        fill(tmp_path / "g", mode="L")
        assert load(tmp_path).train.shape == (1, 6, 8)
        picture(50).save(tmp_path / "g" / "colour.png")
        assert load(tmp_path).train.shape == (3, 6, 8)

    def test_exif_orientation_is_applied(self, pets):
        exif = Image.Exif()
        exif[0x0112] = 6  # shown after a quarter turn
        turned = picture(5).rotate(90, expand=True)
        images, _ = self.add(pets, turned, "turned.png", exif=exif)
        assert self.contains(images, np.asarray(picture(5)).transpose(2, 0, 1))

    @pytest.mark.parametrize("name", ["x.bmp", "x.gif", "x.webp", "x.tiff", "x.jpeg", "X.PNG"])
    def test_accepted_formats(self, pets, name):
        picture(3).save(pets / "cat" / name)
        assert len(load(pets).train) + len(load(pets).test) == 11

    def test_size_resizes_and_crops_the_centre(self, tmp_path):
        wide = np.zeros((20, 60, 3), dtype=np.uint8)
        wide[:, 18:42] = 255  # the middle is white, with room for smoothing
        (tmp_path / "x").mkdir()
        for number in range(2):
            Image.fromarray(wide).save(tmp_path / "x" / f"{number}.png")
        picture(1, (13, 31)).save(tmp_path / "x" / "other.png")
        loaded = load(tmp_path, size=10)
        assert loaded.train.shape == (3, 10, 10)
        both = torch.cat([loaded.train.images, loaded.test.images])
        assert self.contains(both, np.full((3, 10, 10), 255))

    def test_size_must_be_positive(self, pets):
        with pytest.raises(ValueError, match="at least 1 pixel"):
            load(pets, size=0)
