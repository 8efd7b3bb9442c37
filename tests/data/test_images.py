from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from latent_transfer.data import ImageSet

CLASSES = ("a", "b", "c")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_set(count: int = 30, channels: int = 1, side: int = 6) -> ImageSet:
    images = torch.randint(0, 256, (count, channels, side, side), generator=seeded(9))
    return ImageSet(images.to(torch.uint8), torch.arange(count) % 3, CLASSES)


class TestValidation:
    images = torch.zeros(4, 1, 5, 5, dtype=torch.uint8)
    labels = torch.tensor([0, 1, 2, 0])

    def test_float_images_are_rejected_with_advice(self):
        with pytest.raises(ValueError, match="from_pixels takes floating-point"):
            ImageSet(self.images.float(), self.labels, CLASSES)

    @pytest.mark.parametrize("shape", [(4, 5, 5), (4, 25), (4, 0, 5, 5), (4, 1, 0, 5)])
    def test_shape_must_be_that_of_images(self, shape):
        with pytest.raises(ValueError, match=r"must be N×C×H×W, not of shape"):
            ImageSet(torch.zeros(shape, dtype=torch.uint8), self.labels, CLASSES)

    def test_empty_set_is_rejected(self):
        with pytest.raises(ValueError, match="at least one image"):
            ImageSet(self.images[:0], self.labels[:0], CLASSES)

    @pytest.mark.parametrize("labels", [torch.tensor([0, 1, 2]), torch.zeros(4, 1).long()])
    def test_labels_must_be_one_per_image(self, labels):
        with pytest.raises(ValueError, match="labels must be one for each of the 4 images"):
            ImageSet(self.images, labels, CLASSES)

    @pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
    def test_float_labels_are_refused_and_never_cut(self, kind):
        labels = torch.tensor([0.9, 1.7, 0, 1]).to(kind)
        with pytest.raises(ValueError, match="labels must be class numbers of an integer type"):
            ImageSet(self.images, labels, CLASSES)
        with pytest.raises(ValueError, match="labels must be class numbers of an integer type"):
            ImageSet.from_pixels(self.images.float(), labels, CLASSES)

    @pytest.mark.parametrize("kind", [torch.uint8, torch.int32, torch.bool])
    def test_other_integers_become_int64(self, kind):
        made = ImageSet(self.images, torch.tensor([0, 1, 1, 0]).to(kind), CLASSES)
        assert made.labels.dtype == torch.int64
        assert made.labels.tolist() == [0, 1, 1, 0]

    def test_arrays_are_refused_with_the_remedy(self):
        arrays = self.images.numpy(), self.labels.numpy()
        for images, labels in [(arrays[0], self.labels), (self.images, arrays[1])]:
            with pytest.raises(TypeError, match=r"a NumPy array; torch\.from_numpy makes one"):
                ImageSet(images, labels, CLASSES)
        with pytest.raises(TypeError, match=r"labels must be a tensor, not list; torch\.tensor"):
            ImageSet(self.images, [0, 1, 2, 0], CLASSES)
        with pytest.raises(TypeError, match=r"pixels must be a tensor, not a NumPy array"):
            ImageSet.from_pixels(self.images.float().numpy(), self.labels, CLASSES)

    @pytest.mark.parametrize("wrong", [-1, 3])
    def test_labels_must_name_a_class(self, wrong):
        labels = self.labels.clone()
        labels[2] = wrong
        with pytest.raises(ValueError, match=r"0 to 2 for 3 classes, but they run|but one is -1"):
            ImageSet(self.images, labels, CLASSES)

    @pytest.mark.parametrize(
        ("classes", "answer"),
        [
            (("a", "b", "a"), "but a came twice"),
            ("abc", "a list of names, not 'abc'"),
            ((), "a list of names"),
            ((0, 1, 2), "a list of names"),
        ],
    )
    def test_each_class_needs_a_name_of_its_own(self, classes, answer):
        with pytest.raises(ValueError, match=answer):
            ImageSet(self.images, self.labels, classes)
        with pytest.raises(ValueError, match=answer):
            ImageSet.from_pixels(self.images.float(), self.labels, classes)


@pytest.mark.parametrize("channels", [2, 4, 13])
class TestOtherNumbersOfChannels:
    def test_everything_that_needs_no_colours_works(self, channels):
        data = make_set(channels=channels)
        assert data.shape == (channels, 6, 6)
        assert next(data.batches(5)).images.shape == (5, channels, 6, 6)
        assert data.resize(3).shape == (channels, 3, 3)
        assert data.conform((channels, 3, 6)).shape == (channels, 3, 6)
        assert set(data.binarized(seeded()).images.unique().tolist()) == {0, 255}

    def test_colours_cannot_be_made_of_them(self, channels):
        data = make_set(channels=channels)
        for method in (data.grey, data.rgb):
            with pytest.raises(ValueError, match=rf"colours \(3\), not {channels} channels"):
                method()
        with pytest.raises(ValueError, match=f"not {channels} channels"):
            data.conform((1, 6, 6))
        with pytest.raises(ValueError, match=f"1 or 3 channels, not 7 out of {channels}"):
            data.conform((7, 6, 6))


class TestFromPixels:
    labels = torch.tensor([0, 1])

    def test_rounds_to_the_nearest_grey(self):
        pixels = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 1.0]).view(1, 1, 2, 2).repeat(2, 1, 1, 1)
        made = ImageSet.from_pixels(pixels, self.labels, ["x", "y"])
        assert made.images[0].flatten().tolist() == [0, 0, 1, 255]
        assert made.classes == ("x", "y")

    def test_pixels_survive_the_round_trip(self):
        original = make_set()
        again = ImageSet.from_pixels(original.pixels(), original.labels, CLASSES)
        assert torch.equal(again.images, original.images)

    @pytest.mark.parametrize(
        ("bad", "message"),
        [(float("nan"), "1 of them are NaN"), (-0.1, "from -0.1 to 0.5"), (1.5, "from 0.5 to 1.5")],
    )
    def test_bad_values_are_named(self, bad, message):
        pixels = torch.full((2, 1, 3, 3), 0.5)
        pixels[1, 0, 2, 2] = bad
        with pytest.raises(ValueError, match=message):
            ImageSet.from_pixels(pixels, self.labels, CLASSES)

    def test_integers_are_rejected(self):
        with pytest.raises(ValueError, match="needs floating-point pixels"):
            ImageSet.from_pixels(torch.zeros(2, 1, 3, 3).long(), self.labels, CLASSES)


class TestDataset:
    def test_items_are_float_images_and_int_labels(self):
        data = make_set()
        image, label = data[4]
        assert image.dtype == torch.float32
        assert image.shape == data.shape == (1, 6, 6)
        assert type(label) is int
        assert label == 1
        torch.testing.assert_close(image, data.images[4] / 255)

    def test_dataloader_gives_what_batches_gives(self):
        data = make_set(10)
        loaded = list(DataLoader(data, batch_size=4))
        own = list(data.batches(4))
        assert [len(labels) for _, labels in loaded] == [4, 4, 2]
        for (images, labels), (own_images, own_labels, *_) in zip(loaded, own, strict=True):
            assert torch.equal(images, own_images)
            assert torch.equal(labels, own_labels)

    def test_iteration_ends(self):
        assert len(list(make_set(5))) == 5

    def test_a_set_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            make_set().classes = ()


class TestSelections:
    def test_only_relabels_in_the_order_given(self):
        data = make_set()
        chosen = data.only(["c", 0])
        assert chosen.classes == ("c", "a")
        assert len(chosen) == 20
        assert torch.equal(chosen.images, data.images[data.labels != 1])
        assert chosen.labels[:4].tolist() == [1, 0, 1, 0]

    def test_only_accepts_one_class_by_its_bare_name(self):
        assert make_set().only("b").counts() == {"b": 10}

    @pytest.mark.parametrize("classes", [[], ["a", "a"], ["a", 0]])
    def test_only_needs_different_classes(self, classes):
        with pytest.raises(ValueError, match="one or more different classes"):
            make_set().only(classes)

    @pytest.mark.parametrize("unknown", ["z", 3, -1])
    def test_only_names_the_unknown_class(self, unknown):
        with pytest.raises(ValueError, match=f"unknown class {unknown!r}: the classes are a, b, c"):
            make_set().only(["a", unknown])

    def test_only_refuses_a_class_without_images(self):
        data = make_set().subset([0, 1])
        with pytest.raises(ValueError, match="no image of this set"):
            data.only(["c"])

    def test_few_draws_each_class_equally_without_repeats(self):
        data = make_set(31)
        drawn = data.few(4, seeded())
        assert drawn.counts() == {"a": 4, "b": 4, "c": 4}
        assert len(drawn.images.flatten(1).unique(dim=0)) == 12

    def test_few_repeats_with_the_seed_and_varies_between_seeds(self):
        data = make_set(300)
        first, again, other = (data.few(5, seeded(seed)) for seed in (1, 1, 2))
        assert torch.equal(first.images, again.images)
        assert not torch.equal(first.images, other.images)

    def test_few_names_the_class_that_is_too_small(self):
        data = make_set(30).subset(range(2, 30))  # a and b lose an image each
        with pytest.raises(ValueError, match=r"10 images of each class .* 'a' has only 9"):
            data.few(10, seeded())

    def test_few_needs_a_positive_number(self):
        with pytest.raises(ValueError, match="at least 1"):
            make_set().few(0, seeded())

    def test_split_covers_the_set_once(self):
        data = make_set(30)
        rest, aside = data.split(7, seeded())
        assert (len(rest), len(aside)) == (23, 7)
        together = torch.cat([rest.images, aside.images]).flatten(1).unique(dim=0)
        assert len(together) == len(data.images.flatten(1).unique(dim=0)) == 30

    @pytest.mark.parametrize("count", [0, 30, -1])
    def test_split_leaves_neither_side_empty(self, count):
        with pytest.raises(ValueError, match="1 to 29 of 30"):
            make_set(30).split(count, seeded())

    def test_subset_takes_lists_masks_and_slices(self):
        data = make_set()
        by_list = data.subset([3, 1])
        assert torch.equal(by_list.images, data.images[[3, 1]])
        by_mask = data.subset(data.labels == 2)
        assert by_mask.counts() == {"a": 0, "b": 0, "c": 10}
        by_slice = data.subset(slice(5, 8))
        assert by_slice.images.data_ptr() == data.images[5].data_ptr()

    @pytest.mark.parametrize("wrong", [[30], [-1]])
    def test_subset_names_the_missing_position(self, wrong):
        with pytest.raises(ValueError, match=f"no image {wrong[0]}: positions run from 0 to 29"):
            make_set().subset(wrong)

    def test_subset_rejects_nothing_and_wrong_masks(self):
        with pytest.raises(ValueError, match="one or more positions"):
            make_set().subset([])
        with pytest.raises(ValueError, match="one entry for each of the 30 images"):
            make_set().subset(torch.tensor([True, False]))

    def test_require_classes_speaks_of_the_purpose(self):
        make_set().require_classes("A classifier")
        with pytest.raises(ValueError, match=r"A classifier needs .* only class 'b'"):
            make_set().subset(make_set().labels == 1).require_classes("A classifier")

    def test_unlabelled_forgets_the_labels(self):
        data = make_set()
        hidden = data.unlabelled()
        assert hidden.images is data.images
        assert hidden.labels.tolist() == [0] * len(data)
        assert hidden.classes == ("unlabelled",)

    def test_the_fingerprint_follows_images_and_labels(self):
        data = make_set()
        assert data.fingerprint() == make_set().fingerprint()
        turned = ImageSet(data.images, data.labels.flip(0), data.classes)
        darker = ImageSet(data.images // 2, data.labels, data.classes)
        assert len({data.fingerprint(), turned.fingerprint(), darker.fingerprint()}) == 3


class TestPixels:
    def test_grey_weighs_the_channels(self):
        colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]])
        images = colours.to(torch.uint8).view(4, 3, 1, 1)
        grey = ImageSet(images, torch.zeros(4).long(), ("x",)).grey()
        assert grey.images.flatten().tolist() == [76, 150, 29, 90]

    def test_rgb_repeats_and_grey_undoes_it(self):
        data = make_set()
        assert data.rgb().shape == (3, 6, 6)
        assert torch.equal(data.rgb().grey().images, data.images)
        assert data.grey() is data
        batch, *_ = next(data.rgb().batches(8))
        assert batch.flatten(1).shape == (8, 108)

    def test_conform_settles_channels_and_size(self):
        data = make_set()
        assert data.conform((3, 4, 5)).shape == (3, 4, 5)
        assert torch.equal(data.rgb().conform((1, 6, 6)).images, data.images)
        with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
            data.conform((2, 6, 6))

    def test_resize_agrees_with_pillow(self):
        Image = pytest.importorskip("PIL.Image")
        data = make_set(3, side=24)
        small = data.resize(9)
        for before, after in zip(data.images, small.images, strict=True):
            expected = Image.fromarray(before[0].numpy()).resize((9, 9), Image.BILINEAR)
            difference = after[0].int() - torch.tensor(np.asarray(expected).astype(int))
            assert difference.abs().max() <= 1

    def test_resize_takes_height_and_width(self):
        data = make_set()
        assert data.resize((4, 9)).shape == (1, 4, 9)
        assert data.resize(6) is data
        with pytest.raises(ValueError, match="positive height and width"):
            data.resize(0)

    def test_resize_in_chunks_joins_them_in_order(self, monkeypatch):
        data = make_set()
        whole = data.resize(4)
        monkeypatch.setattr("latent_transfer.data.images.CHUNK", 7)
        assert torch.equal(data.resize(4).images, whole.images)

    def test_to_moves_both_tensors(self):
        moved = make_set().to("cpu")
        assert moved.device == moved.labels.device == torch.device("cpu")


class TestBatches:
    def test_unshuffled_batches_are_the_set_in_order(self):
        data = make_set(10)
        batches = list(data.batches(4))
        assert [len(images) for images, *_ in batches] == [4, 4, 2]
        assert torch.equal(torch.cat([images for images, *_ in batches]), data.pixels())
        assert torch.equal(torch.cat([batch.labels for batch in batches]), data.labels)
        assert batches[0][0].dtype == torch.float32
        assert batches[0][0].max() <= 1

    def test_shuffled_batches_cover_the_set_once_with_their_labels(self):
        data = make_set(30)
        batches = list(data.batches(7, shuffle=True, generator=seeded()))
        images = torch.cat([images for images, *_ in batches])
        labels = torch.cat([batch.labels for batch in batches])
        assert not torch.equal(images, data.pixels())
        place = (images[:, None] == data.pixels()[None]).flatten(2).all(2).int().argmax(1)
        assert sorted(place.tolist()) == list(range(30))
        assert torch.equal(data.labels[place], labels)

    def test_the_generator_decides_the_pass(self):
        data = make_set()

        def pass_with(generator):
            batches = data.batches(8, shuffle=True, binarize=True, generator=generator)
            return torch.cat([images for images, *_ in batches])

        generator = seeded(3)
        first, second = pass_with(generator), pass_with(generator)
        assert not torch.equal(first, second)
        assert torch.equal(first, pass_with(seeded(3)))

    def test_dynamic_binarisation_has_the_grey_mean_and_changes(self):
        data = make_set(12)
        generator = seeded()
        passes = torch.stack(
            [next(data.batches(12, binarize=True, generator=generator))[0] for _ in range(2000)]
        )
        assert set(passes.unique().tolist()) == {0.0, 1.0}
        # 2,000 draws: a standard error of at most 0.0112
        assert (passes.mean(0) - data.pixels()).abs().max() < 0.06
        assert abs(float((passes.mean(0) - data.pixels()).mean())) < 0.0015

    def test_black_stays_black_and_white_stays_white(self):
        images = torch.tensor([0, 255], dtype=torch.uint8).repeat(50_000).view(1, 1, 250, 400)
        data = ImageSet(images, torch.tensor([0]), ("x",))
        drawn, *_ = next(data.batches(1, binarize=True, generator=seeded()))
        assert torch.equal(drawn, data.pixels())

    def test_fixed_binarisation_never_changes(self):
        fixed = make_set().binarized(seeded())
        assert fixed.images.unique().tolist() == [0, 255]
        one, two = (torch.cat([x for x, *_ in fixed.batches(7)]) for _ in range(2))
        assert torch.equal(one, two)
        # drawing again from 0 and 255 keeps them
        again = torch.cat([x for x, *_ in fixed.batches(7, binarize=True, generator=seeded(5))])
        assert torch.equal(one, again)
        assert torch.equal(fixed.images, make_set().binarized(seeded()).images)

    def test_transform_acts_on_the_whole_batch(self):
        shapes = []

        def transform(images):
            shapes.append(tuple(images.shape))
            return 1 - images

        data = make_set(10)
        flipped = torch.cat([images for images, *_ in data.batches(6, transform=transform)])
        assert shapes == [(6, 1, 6, 6), (4, 1, 6, 6)]
        torch.testing.assert_close(flipped, 1 - data.pixels())

    def test_a_batch_may_be_changed_in_place(self):
        data = make_set()
        before = data.images.clone()
        for images, *_ in data.batches(10):
            images.zero_()
        assert torch.equal(data.images, before)

    @pytest.mark.parametrize("option", ["shuffle", "binarize"])
    def test_random_passes_need_a_generator_at_once(self, option):
        with pytest.raises(ValueError, match=f"{option}=True needs a generator"):
            make_set().batches(5, **{option: True})

    def test_batch_size_must_be_positive(self):
        with pytest.raises(ValueError, match="batch_size must be at least 1"):
            make_set().batches(0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
class TestOnAGpu:
    def test_a_generator_on_the_cpu_still_decides_the_pass(self):
        data = make_set(50).to("cuda")

        def one_pass():
            generator = seeded(4)
            batches = data.batches(20, shuffle=True, binarize=True, generator=generator)
            return torch.cat([images for images, *_ in batches])

        first = one_pass()
        assert first.device.type == "cuda"
        assert set(first.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(first, one_pass())

    def test_operations_stay_on_the_gpu(self):
        data = make_set(30, channels=3).to("cuda")
        derived = [data.grey(), data.resize(3), data.only(["c", "a"]), data.few(2, seeded())]
        derived += [*data.split(5, seeded()), data.binarized(seeded())]
        for one in derived:
            assert one.device.type == one.labels.device.type == "cuda"
        assert torch.equal(derived[2].labels.cpu(), make_set().only(["c", "a"]).labels)
