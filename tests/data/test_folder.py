from __future__ import annotations

import struct
import unicodedata
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, features

from latent_transfer import data
from latent_transfer.data import folder as folders
from latent_transfer.data import pictures
from latent_transfer.errors import DataError


def picture(number: int, size=(8, 6), mode: str = "RGB") -> Image.Image:
    """A different picture for each number."""
    values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(values.astype(np.uint8)).convert(mode)


def fill(folder, count=5, start=0, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        picture(number, **options).save(folder / f"{number:03}.png")


@pytest.fixture
def pets(tmp_path):
    """Two classes of five 8×6 pictures."""
    fill(tmp_path / "pets" / "cat")
    fill(tmp_path / "pets" / "dog", start=100)
    return tmp_path / "pets"


def load(folder, **options):
    return data.load(f"folder:{folder}", **options)


def all_images(loaded):
    return torch.cat([loaded.train.images, loaded.test.images])


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

    @pytest.mark.parametrize(
        "name",
        [
            *("cat/.DS_Store", "cat/Thumbs.db", "cat/ehthumbs.db", "Desktop.ini", "cat/Icon\r"),
            *("cat/@eaDir/a.png", "$RECYCLE.BIN/x.png", "lost+found/y.png", "__MACOSX/cat/._z.png"),
            *(".hidden/a.png", "cat/._000.png", "System Volume Information/q"),
        ],
    )
    def test_hidden_files_and_litter_are_skipped_and_named(self, pets, name):
        before = load(pets)
        assert before.notes == ""
        (pets / name).parent.mkdir(parents=True, exist_ok=True)
        (pets / name).write_bytes(b"x")
        (pets / "README.md").write_text("not an image")
        after = load(pets)
        assert_equal(before, after)
        first = next(p for p in name.split("/") if p != "cat").strip()
        assert after.notes == f"Ignored: {first} (1)."

    @pytest.mark.parametrize("train", ["train", "Train", "training"])
    @pytest.mark.parametrize("test", ["test", "Test", "testing", "val", "VALID", "validation"])
    def test_split_folders_have_several_names(self, tmp_path, train, test):
        fill(tmp_path / train / "x", 4)
        fill(tmp_path / test / "x", 2, start=10)
        loaded = load(tmp_path)
        assert (len(loaded.train), len(loaded.test)) == (4, 2)
        assert loaded.notes == ""

    def test_validation_images_beside_test_images_are_for_training(self, tmp_path):
        for part, count, start in (("train", 3, 0), ("test", 2, 10), ("val", 1, 20)):
            fill(tmp_path / part / "x", count, start)
            fill(tmp_path / part / "y", count, start + 50)
        loaded = load(tmp_path)
        assert loaded.train.counts() == {"x": 4, "y": 4}
        assert loaded.test.counts() == {"x": 2, "y": 2}
        assert loaded.notes == "The images of val are part of the training set."

    @pytest.mark.parametrize("wrap", ["whole", "whole/again"])
    def test_a_folder_around_the_whole_is_looked_through(self, pets, tmp_path, wrap):
        (tmp_path / "outside" / wrap).parent.mkdir(parents=True)
        pets.rename(tmp_path / "outside" / wrap)
        (tmp_path / "outside" / wrap / "LICENSE").write_text("free")
        assert load(tmp_path / "outside").classes == ("cat", "dog")

    def test_a_folder_around_train_and_test_is_looked_through(self, tmp_path):
        fill(tmp_path / "all" / "train" / "x", 4)
        fill(tmp_path / "all" / "test" / "x", 2, start=10)
        assert len(load(tmp_path).train) == 4

    def test_a_path_object_is_a_folder(self, pets):
        loaded = data.load(pets)
        assert_equal(loaded, load(pets))
        assert loaded.name == f"folder:{pets}"

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


class TestLayoutErrors:
    def test_no_such_folder(self, tmp_path):
        with pytest.raises(DataError, match=r"There is no image folder .*nowhere\.$"):
            load(tmp_path / "nowhere")

    def test_a_near_folder_is_suggested(self, pets):
        for written in ("Pets", "pet", "petss"):
            with pytest.raises(DataError, match=rf"did you mean {pets}\?$"):
                load(pets.parent / written)

    def test_a_folder_given_as_a_name_is_suggested(self, pets, monkeypatch):
        monkeypatch.chdir(pets.parent)
        with pytest.raises(ValueError, match=r"Unknown data set 'pets': .* mean folder:pets\?$"):
            data.load("pets")

    @pytest.mark.parametrize("name", ["folder:", "folder: "])
    def test_folder_needs_a_path(self, name):
        with pytest.raises(ValueError, match="folder: needs the path of an image folder"):
            data.load(name)

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "x.zip").write_bytes(b"PK")
        (tmp_path / "x.png").write_bytes(b"PK")
        with pytest.raises(DataError, match=r"x\.zip is a zip file: unpack it"):
            load(tmp_path / "x.zip")
        with pytest.raises(DataError, match=r"x\.png is a file, and give the folder|is a file"):
            load(tmp_path / "x.png")

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

    def test_splits_without_class_folders(self, tmp_path):
        fill(tmp_path / "train")
        fill(tmp_path / "test", start=10)
        with pytest.raises(DataError, match=r"test holds images without class folders: .*<class>"):
            load(tmp_path)

    def test_two_folders_for_one_part(self, tmp_path):
        for part in ("train", "training", "test"):
            fill(tmp_path / part / "x")
        with pytest.raises(DataError, match="folders train and training, which mean the same part"):
            load(tmp_path)

    def test_classes_of_train_and_test_differ(self, tmp_path):
        fill(tmp_path / "train" / "x")
        fill(tmp_path / "train" / "y")
        fill(tmp_path / "test" / "x")
        with pytest.raises(DataError, match="class 'y' in only one of its parts"):
            load(tmp_path)

    def test_a_third_folder_beside_train_and_test(self, tmp_path):
        for part in ("train", "test", "extra"):
            fill(tmp_path / part / "x")
        with pytest.raises(DataError, match=r"extra.* lies outside the layout"):
            load(tmp_path)

    def test_test_without_train(self, tmp_path):
        fill(tmp_path / "test" / "x")
        with pytest.raises(DataError, match="holds no training images"):
            load(tmp_path)

    def test_a_class_of_one_image_cannot_be_split(self, pets):
        fill(pets / "axolotl", 1)
        with pytest.raises(DataError, match=r"Class 'axolotl' .* has one image only"):
            load(pets)

    def test_one_name_written_in_two_ways(self, tmp_path):
        for form in ("NFC", "NFD"):
            fill(tmp_path / unicodedata.normalize(form, "Größe"))
        with pytest.raises(DataError, match="have the same name, written in two ways"):
            load(tmp_path)

    def test_a_class_folder_that_cannot_be_read(self, pets, monkeypatch):
        listing = type(pets).iterdir

        def refuse(path):
            if path.name == "dog":
                raise PermissionError(13, "Permission denied")
            return listing(path)

        monkeypatch.setattr(type(pets), "iterdir", refuse)
        with pytest.raises(DataError, match=r"cannot be used: dog \(Permission denied\)"):
            load(pets)


# -- files that cannot be used ----------------------------------------------------------------


def save_truncated(path):
    picture(1).save(path)
    path.write_bytes(path.read_bytes()[:-60])


def save_floats(path):
    Image.fromarray(np.full((6, 8), 1.5, dtype=np.float32)).save(path)


BAD = [
    ("bad.png", lambda path: path.write_bytes(b"no image"), "no image in a known format"),
    ("bad.png", lambda path: path.write_bytes(b""), "no image in a known format"),
    ("bad.heic", lambda path: path.write_bytes(b"\0\0\0\x18ftypheic"), "HEIC is read only once"),
    ("bad.jpg", save_truncated, "truncated"),
    ("bad.png", save_truncated, "truncated|broken|incomplete"),
    ("notes.txt", lambda path: path.write_text("hello"), "no image in a known format"),
    ("bad.png", lambda path: path.symlink_to("gone"), "a link to gone, which does not exist"),
    ("bad.tiff", save_floats, "its values run from 1.5 to 1.5, not from 0 to 1"),
]


class TestFilesThatCannotBeUsed:
    @pytest.mark.parametrize(("name", "save", "reason"), BAD)
    def test_the_file_is_named_with_the_reason(self, pets, name, save, reason):
        save(pets / "dog" / name)
        with pytest.raises(DataError, match=f"1 file of .*{name} .*({reason})") as caught:
            load(pets, size=4)
        assert "\n" not in str(caught.value)

    def test_all_are_named_at_once(self, pets):
        for number, (name, save, _) in enumerate(BAD):
            save(pets / "dog" / f"{number}{name}")
        (pets / "elk").symlink_to("nowhere")
        with pytest.raises(DataError, match=r"of .* cannot be used") as caught:
            load(pets)
        for number, (name, _, _) in enumerate(BAD):
            assert f"{number}{name} (" in str(caught.value)
        assert "elk (" in str(caught.value)
        assert "skip_damaged=True" in str(caught.value)

    def test_ten_are_named_and_the_others_counted(self, pets):
        for number in range(13):
            (pets / "dog" / f"bad{number:02}.png").write_bytes(b"x")
        with pytest.raises(DataError, match=r"13 files of .*bad09.*, and 3 more") as caught:
            load(pets)
        assert "bad10" not in str(caught.value)

    def test_they_can_be_skipped(self, pets):
        before = load(pets)
        for number, (name, save, _) in enumerate(BAD):
            save(pets / "dog" / f"0{number}{name}")
        loaded = load(pets, skip_damaged=True)
        wanted = {tuple(image.flatten().tolist()) for image in all_images(before)}
        found = [tuple(image.flatten().tolist()) for image in all_images(loaded)]
        assert sorted(found) == sorted(wanted)
        assert sum(loaded.train.counts().values()) + len(loaded.test) == 10
        assert loaded.train.counts()["cat"] == 4
        assert loaded.notes.startswith("Left out: ")
        for number, (name, _, _) in enumerate(BAD):
            assert f"0{number}{name} (" in loaded.notes

    def test_a_class_without_a_sound_image_is_named(self, pets):
        (pets / "elk").mkdir()
        (pets / "elk" / "a.png").write_bytes(b"x")
        with pytest.raises(DataError, match="No training image of class 'elk'"):
            load(pets, skip_damaged=True)

    @pytest.mark.parametrize("limit", [40, 10])
    def test_too_many_pixels(self, pets, monkeypatch, limit):
        # 10: Pillow's own guard, which raises at twice its limit, is also turned into a sentence
        monkeypatch.setattr(pictures, "MAX_PIXELS", 40)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=r"cat.000\.png \(it has .*more than 40"):
            load(pets)

    def test_other_sizes_are_named_at_once(self, pets):
        for number in range(2):
            picture(1, (9, 6)).save(pets / "dog" / f"wide{number}.png")
        with pytest.raises(DataError, match=r"000\.png has 8×6 .*2 others.*wide0.* \(9×6\).*wide1"):
            load(pets)

    @pytest.mark.parametrize("size", [0, -3, 2.5, True, "64"])
    def test_size_must_be_a_number_of_pixels(self, pets, size):
        with pytest.raises(ValueError, match="size must be a number of pixels, at least 1"):
            load(pets, size=size)

    @pytest.mark.parametrize("background", ["no colour", (1, 2), (0, 0, 256), (0.5, 0.5, 0.5), 3])
    def test_background_must_be_a_colour(self, pets, background):
        with pytest.raises(ValueError, match="background must be a colour"):
            load(pets, background=background)


class TestMemory:
    def test_a_huge_size_is_refused_before_anything_is_decoded(self, pets, monkeypatch):
        monkeypatch.setattr(pictures, "decode", lambda *_: pytest.fail("decoded"))
        with pytest.raises(ValueError, match="size must be at most 8,000 pixels, not 100,000"):
            load(pets, size=100_000)
        monkeypatch.setattr(folders, "free_memory", lambda: 100 << 20)
        with pytest.raises(DataError, match=r"10 images of .* would take 0\.3 GiB at 3000×3000"):
            load(pets, size=3000)

    def test_photographs_are_decoded_small(self, tmp_path, monkeypatch):
        """A JPEG is decoded at the smallest scale that is at least twice the asked size."""
        (tmp_path / "x").mkdir()
        for number in range(2):
            picture(number, (1600, 1200)).save(tmp_path / "x" / f"{number}.jpg")
        decoded = []
        original = pictures._plain
        monkeypatch.setattr(
            pictures, "_plain", lambda image: decoded.append(image.size) or original(image)
        )
        assert load(tmp_path, size=64).train.shape == (3, 64, 64)
        assert decoded == [(200, 150), (200, 150)]

    def test_every_image_is_decoded_once_and_large_ones_one_by_one(self, pets, monkeypatch):
        monkeypatch.setattr(folders, "LARGE", 0)
        original, calls, now, most = pictures.decode, [], [], []

        def watched(*arguments):
            calls.append(1)
            now.append(1)
            most.append(len(now))
            result = original(*arguments)
            now.pop()
            return result

        monkeypatch.setattr(pictures, "decode", watched)
        load(pets)
        assert len(calls) == 10
        assert max(most) == 1

    def test_a_bar_appears_only_for_long_reads(self, pets, capsys, monkeypatch):
        load(pets)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(folders, "PATIENCE", 0)
        load(pets)
        assert "reading images" in capsys.readouterr().err


# -- conversions ------------------------------------------------------------------------------


def deep_colour_png() -> bytes:
    """A PNG of 16 bits per channel, which Pillow can read but not write; all pixels 0x80ff."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80\xff" * (8 * 3)) * 6)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


class TestConversions:
    def add(self, pets, image, name="new.png", **options):
        """The stored pixels of an image that joins the folder, and what is said of it."""
        before = {tuple(row.flatten().tolist()) for row in all_images(load(pets))}
        image.save(pets / "cat" / name, **options)
        loaded = load(pets)
        new = [row for row in all_images(loaded) if tuple(row.flatten().tolist()) not in before]
        assert len(new) == 1
        return new[0], loaded.notes

    @pytest.mark.parametrize("mode", ["P", "L", "1", "RGBA", "LA"])
    def test_modes_become_rgb_among_colour_images(self, pets, mode):
        source = picture(7, mode="L" if mode in ("1", "LA") else "RGB").convert(mode)
        pixels, notes = self.add(pets, source)
        assert torch.equal(pixels, torch.tensor(np.asarray(source.convert("RGB"))).permute(2, 0, 1))
        assert notes == ""

    @pytest.mark.parametrize(("mode", "name"), [("CMYK", "x.jpg"), ("CMYK", "x.tiff")])
    def test_cmyk_is_converted(self, pets, mode, name):
        pixels, notes = self.add(pets, Image.new("CMYK", (8, 6), (0, 255, 255, 0)), name)
        assert pixels.float().mean((1, 2)).tolist() == pytest.approx([255, 0, 0], abs=4)
        assert notes == "1 image in CMYK converted to RGB."

    def test_lab_is_converted(self, pets):
        pytest.importorskip("PIL.ImageCms")
        pixels, notes = self.add(pets, Image.new("LAB", (8, 6), (255, 128, 128)), "x.tiff")
        assert pixels.min() > 250  # L = 100: white
        assert notes == "1 image in LAB converted to RGB."

    @pytest.mark.parametrize("name", ["x.png", "x.tiff"])
    def test_sixteen_bits_are_scaled(self, pets, name):
        deep = Image.fromarray(np.full((6, 8), 51 * 257, dtype=np.uint16))
        pixels, notes = self.add(pets, deep, name)
        assert pixels.unique().tolist() == [51]
        assert notes == "1 image of 16 bits per channel scaled to 8."

    def test_sixteen_bits_of_colour_are_scaled(self, pets):
        (pets / "cat" / "deep.png").write_bytes(deep_colour_png())
        loaded = load(pets)
        assert (all_images(loaded) == 0x80).flatten(1).all(1).sum() == 1
        assert loaded.notes == "1 image of 16 bits per channel scaled to 8."

    def test_floats_are_scaled(self, pets):
        pixels, notes = self.add(pets, Image.fromarray(np.full((6, 8), 0.2, np.float32)), "x.tiff")
        assert pixels.unique().tolist() == [51]
        assert notes == "1 image of floating-point pixels in [0, 1] scaled to 8 bits."

    @pytest.mark.parametrize(
        ("background", "colour"),
        [(None, 255), ("black", 0), ("#0a0a0a", 10), ((200, 200, 200), 200)],
    )
    @pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
    def test_transparent_pixels_are_put_on_a_background(self, tmp_path, mode, background, colour):
        seen_through = Image.new("LA" if mode == "LA" else "RGBA", (8, 6))  # all transparent
        seen_through.putpixel((0, 0), (77, 255) if mode == "LA" else (77, 77, 77, 255))
        (tmp_path / "x").mkdir()
        for number in range(2):
            seen_through.convert(mode).save(tmp_path / "x" / f"{number}.png")
        loaded = load(tmp_path, background=background)
        assert loaded.train.shape == (1 if mode == "LA" else 3, 6, 8)
        assert sorted(loaded.train.images.unique().tolist()) == sorted({colour, 77})
        assert loaded.notes == "2 images with transparent pixels put on the background."

    def test_half_transparent_pixels_are_blended(self, pets):
        image = Image.new("RGBA", (8, 6), (100, 0, 0, 51))
        pixels, _ = self.add(pets, image)
        wanted = [100 * 0.2 + 255 * 0.8, 255 * 0.8, 255 * 0.8]
        assert pixels.float().mean((1, 2)).tolist() == pytest.approx(wanted, abs=1)

    def test_grey_with_alpha_on_a_colour_becomes_colour(self, tmp_path):
        (tmp_path / "x").mkdir()
        for number in range(2):
            Image.new("LA", (8, 6)).save(tmp_path / "x" / f"{number}.png")
        images = load(tmp_path, background="red").train.images
        assert images[0, :, 0, 0].tolist() == [255, 0, 0]

    def test_a_set_is_grey_only_if_every_image_is(self, tmp_path):
        fill(tmp_path / "g", mode="L")
        assert load(tmp_path).train.shape == (1, 6, 8)
        picture(50).save(tmp_path / "g" / "colour.png")
        assert load(tmp_path).train.shape == (3, 6, 8)

    @pytest.mark.parametrize("name", ["turned.png", "turned.tiff", "turned.webp"])
    def test_exif_orientation_is_applied(self, pets, name):
        exif = Image.Exif()
        exif[0x0112] = 6  # shown after a quarter turn
        options = {"lossless": True} if name.endswith("webp") else {}
        turned = picture(5).rotate(90, expand=True)
        pixels, notes = self.add(pets, turned, name, exif=exif, **options)
        assert torch.equal(pixels, torch.tensor(np.asarray(picture(5))).permute(2, 0, 1))
        assert notes == "1 image turned upright as their EXIF data say."

    @pytest.mark.parametrize("name", ["x.gif", "x.png", "x.webp", "x.tiff", "x.mpo"])
    def test_the_first_of_several_pictures_is_read(self, pets, name):
        frames = [Image.new("RGB", (8, 6), (n, n, n)) for n in (200, 0, 90)]
        pixels, notes = self.add(pets, frames[0], name, save_all=True, append_images=frames[1:])
        assert pixels.float().mean() == pytest.approx(200, abs=3)
        assert notes == "1 image with several pictures read for their first one."

    @pytest.mark.parametrize(
        "name", ["x.bmp", "x.gif", "x.webp", "x.tiff", "x.jpeg", "X.PNG", "x.ppm", "x.avif"]
    )
    def test_accepted_formats(self, pets, name):
        if name == "x.avif" and not features.check("avif"):
            pytest.skip("this Pillow reads no AVIF")
        picture(3).save(pets / "cat" / name)
        assert len(all_images(load(pets))) == 11

    def test_size_resizes_and_crops_the_centre(self, tmp_path):
        wide = np.zeros((20, 60, 3), dtype=np.uint8)
        wide[:, 18:42] = 255  # the middle is white, with room for smoothing
        (tmp_path / "x").mkdir()
        for number in range(2):
            Image.fromarray(wide).save(tmp_path / "x" / f"{number}.png")
        picture(1, (13, 31)).save(tmp_path / "x" / "other.png")
        loaded = load(tmp_path, size=10)
        assert loaded.train.shape == (3, 10, 10)
        assert (all_images(loaded) == 255).flatten(1).all(1).sum() == 2
