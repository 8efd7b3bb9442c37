from __future__ import annotations

import bz2
import gzip
import hashlib
import http.server
import io
import os
import shutil
import tarfile
import threading
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from latent_transfer import _torchvision, data
from latent_transfer.data import download
from latent_transfer.data.sets import cifar10, idx, svhn, usps
from latent_transfer.errors import DataError
from latent_transfer.nets import weights

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
NAMES = idx.NAMES


def packed_idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def raw() -> dict[str, bytes]:
    """Four small files in MNIST's format: 20 training and 10 test images of 28×28."""
    random = np.random.default_rng(0)
    files = {}
    for name, count in zip(NAMES, (20, 20, 10, 10), strict=True):
        images = "images" in name
        array = random.integers(0, 256, (count, 28, 28)) if images else np.arange(count) % 10
        files[name] = packed_idx(array)
    return files


class Handler(http.server.BaseHTTPRequestHandler):
    files: dict[str, bytes]
    asked: list[str]
    cut = 0  # bytes that the server announces but does not send

    def do_GET(self):
        self.asked.append(self.path)
        content = self.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - self.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    """A server on the loopback interface; its attribute ``files`` is what it serves."""
    handler = type("H", (Handler,), {"files": {}, "asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # a short poll, so that the fixture ends at once
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    handler.address = f"http://127.0.0.1:{running.server_port}/"
    yield handler
    running.shutdown()
    running.server_close()


def publish(monkeypatch, name, raw, mirrors):
    """Puts the small files in the place of those of a set, with checksums of their own."""
    sums = [f"{md5(gzip.compress(raw[n], mtime=0))} {md5(raw[n])}" for n in NAMES]
    entry = data.CATALOGUE[name]
    files = idx.remotes(FOLDERS[name], mirrors, sums)
    small = idx.entry(name, entry.title, entry.classes, entry.licence, entry.citation, files)
    monkeypatch.setitem(data.CATALOGUE, name, small)


@pytest.fixture
def server(web, raw, monkeypatch):
    """A mirror of the small files, in place of the published ones."""
    web.files = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in raw.items()}
    for name in FOLDERS:
        publish(monkeypatch, name, raw, [web.address])
    return web


def place(root, raw, folder="MNIST"):
    (root / folder / "raw").mkdir(parents=True)
    for name, content in raw.items():
        (root / folder / "raw" / name).write_bytes(content)


def files_below(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


class TestFetching:
    def test_load_downloads_what_is_missing_and_says_so(self, server, tmp_path, raw, capsys):
        loaded = data.load("mnist", tmp_path / "new")
        assert "mnist is not in the data root yet; downloading it" in capsys.readouterr().out
        assert files_below(tmp_path / "new") == sorted(f"MNIST/raw/{name}" for name in NAMES)
        assert (len(loaded.train), len(loaded.test)) == (20, 10)
        assert loaded.train.images[3].numpy().tobytes() == raw[NAMES[0]][16:][3 * 784 : 4 * 784]
        assert loaded.test.labels.tolist() == list(range(10))
        # a second load asks nobody
        count = len(server.asked)
        data.load("mnist", tmp_path / "new")
        assert len(server.asked) == count == 4

    def test_the_data_root_comes_from_the_environment(self, server, tmp_path, monkeypatch):
        monkeypatch.setenv("LATENT_TRANSFER_DATA", str(tmp_path / "env"))
        assert data.where("mnist") == "not fetched"
        assert data.fetch("mnist") == tmp_path / "env"
        assert data.where("mnist") == "present"

    @pytest.mark.parametrize("name", FOLDERS)
    def test_fetch_replaces_only_the_damaged_file(self, server, tmp_path, raw, name):
        folder = FOLDERS[name]
        place(tmp_path, raw, folder)
        broken = tmp_path / folder / "raw" / NAMES[0]
        broken.write_bytes(raw[NAMES[0]][:-5])
        data.fetch(name, tmp_path)
        assert server.asked == [f"/{NAMES[0]}.gz"]
        assert broken.read_bytes() == raw[NAMES[0]]

    def test_an_interrupted_download_leaves_nothing_half_used(self, server, tmp_path):
        server.cut = 7
        with pytest.raises(DataError, match=r"mnist needs train-images.*not be downloaded"):
            data.load("mnist", tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_ctrl_c_leaves_nothing_behind(self, server, tmp_path, monkeypatch):
        original, calls = download._retrieve, []

        def interrupted(url, checksum, folder):
            calls.append(url)
            if len(calls) == 3:
                (folder / "half").write_bytes(b"half")
                raise KeyboardInterrupt
            return original(url, checksum, folder)

        monkeypatch.setattr(download, "_retrieve", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.fetch("mnist", tmp_path)
        # the two finished files stay, whole; the next call gets the rest only
        assert files_below(tmp_path) == sorted(f"MNIST/raw/{name}" for name in NAMES[:2])
        monkeypatch.setattr(download, "_retrieve", original)
        server.asked.clear()
        assert len(data.load("mnist", tmp_path).train) == 20
        assert server.asked == [f"/{name}.gz" for name in NAMES[2:]]

    def test_a_killed_download_is_cleared_away_later(self, server, tmp_path):
        for name, age in (("old", 2 * download.STALE), ("new", 0)):
            left = tmp_path / f"{download.UNFINISHED}{name}"
            left.mkdir()
            (left / "half.gz").write_bytes(b"half")
            then = left.stat().st_mtime - age
            os.utime(left, (then, then))
        data.fetch("mnist", tmp_path)
        assert [p.name for p in tmp_path.glob(".fetching-*")] == [".fetching-new"]

    def test_an_altered_download_is_refused(self, server, tmp_path):
        server.files[f"{NAMES[1]}.gz"] = gzip.compress(b"something else")
        with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.*does not match"):
            data.fetch("mnist", tmp_path)
        assert files_below(tmp_path) == [f"MNIST/raw/{NAMES[0]}"]

    def test_the_second_mirror_serves_when_the_first_fails(
        self, server, tmp_path, monkeypatch, raw
    ):
        publish(monkeypatch, "mnist", raw, [f"{server.address}nowhere/", server.address])
        assert len(data.load("mnist", tmp_path).train) == 20

    def test_offline_names_the_file_the_reason_and_its_place(self, tmp_path, monkeypatch, raw):
        publish(monkeypatch, "mnist", raw, ["http://127.0.0.1:9/"])
        with pytest.raises(DataError) as caught:
            data.load("mnist", tmp_path)
        message = str(caught.value)
        assert "mnist needs train-images-idx3-ubyte" in message
        assert "Connection refused" in message
        assert message.endswith(f"{tmp_path / 'MNIST' / 'raw' / NAMES[0]}.gz")
        assert "\n" not in message

    @pytest.mark.parametrize("folder", ["", "MNIST", "MNIST/raw"])
    def test_packed_files_laid_by_hand_are_used_offline(self, server, tmp_path, raw, folder):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, content in server.files.items():
            (tmp_path / folder / name).write_bytes(content)
        assert data.where("mnist", tmp_path) == "present"
        loaded = data.load("mnist", tmp_path)
        assert loaded.train.images[3].numpy().tobytes() == raw[NAMES[0]][16:][3 * 784 : 4 * 784]
        assert server.asked == []

    def test_packed_files_of_another_set_are_not_taken(self, server, tmp_path, monkeypatch, raw):
        other = {name: content[:-1] + b"x" for name, content in raw.items()}
        publish(monkeypatch, "kmnist", other, [server.address])
        for name, content in server.files.items():
            (tmp_path / name).write_bytes(content)
        assert data.where("mnist", tmp_path) == "present"
        assert data.where("kmnist", tmp_path) == "not fetched"

    def test_a_sound_packed_file_stands_in_for_a_damaged_one(self, server, tmp_path, raw):
        place(tmp_path, raw | {NAMES[0]: b"broken"})
        packed = tmp_path / "MNIST" / "raw" / f"{NAMES[0]}.gz"
        packed.write_bytes(server.files[packed.name])
        assert len(data.load("mnist", tmp_path).train) == 20

    def test_a_root_that_cannot_be_written_is_named(self, server, tmp_path):
        (tmp_path / "file").write_text("not a folder")
        for root in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(DataError, match=r"cannot be written.*LATENT_TRANSFER_DATA"):
                data.fetch("mnist", root)

    def test_a_root_without_write_permission_is_named(self, server, tmp_path, monkeypatch):
        def refuse(**_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(download.tempfile, "mkdtemp", refuse)
        with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
            data.load("mnist", tmp_path)

    def test_embedded_sets_need_no_fetching(self, tmp_path):
        data.fetch("digits", tmp_path / "never")
        assert not (tmp_path / "never").exists()
        assert data.where("glyphs") == "embedded"

    def test_an_option_of_another_set_is_refused_before_anything_is_fetched(self, server, tmp_path):
        with pytest.raises(ValueError, match="takes no option 'count'"):
            data.load("mnist", tmp_path, count=3)
        assert server.asked == []


class TestReading:
    def test_a_read_only_root_is_only_read(self, server, tmp_path, raw, monkeypatch):
        place(tmp_path, raw)
        before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
        monkeypatch.setattr(download, "fetch", lambda *_: pytest.fail("nothing is missing"))
        data.load("mnist", tmp_path)
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before

    @pytest.mark.parametrize("name", FOLDERS)
    @pytest.mark.parametrize(
        ("file", "change"),
        [
            (NAMES[0], lambda content: content[:-1]),
            (NAMES[0], lambda content: content + b"x"),
            (NAMES[1], lambda content: b""),
            (NAMES[2], lambda content: content[:10]),
            (NAMES[3], lambda content: b"\x1f\x8b" + content[2:]),
            (NAMES[0], lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:]),
            (NAMES[3], lambda content: content[:-1] + bytes([content[-1] ^ 1])),
        ],
    )
    def test_a_damaged_file_is_named_with_the_remedy(
        self, server, tmp_path, raw, name, file, change
    ):
        place(tmp_path, raw | {file: change(raw[file])}, FOLDERS[name])
        with pytest.raises(DataError, match=rf"{file} is damaged.*data fetch {name}$"):
            data.load(name, tmp_path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda content: content[:10], "does not begin like an IDX file"),
            (lambda content: b"\1" + content[1:], "does not begin like an IDX file"),
            (lambda content: content[:-1], "has 15695 bytes where its header announces 15696"),
            (lambda content: content[:4] + bytes(4) + content[8:], "header announces 16"),
        ],
    )
    def test_what_is_no_idx_file_is_named(self, tmp_path, monkeypatch, raw, change, message):
        changed = raw | {NAMES[0]: change(raw[NAMES[0]])}
        publish(monkeypatch, "mnist", changed, [])  # even with a matching checksum
        place(tmp_path, changed)
        with pytest.raises(DataError, match=message):
            data.load("mnist", tmp_path)

    @pytest.mark.parametrize("labels", [np.arange(19) % 10, np.full(20, 11)])
    def test_files_that_do_not_fit_together_are_named(self, monkeypatch, tmp_path, raw, labels):
        changed = raw | {NAMES[1]: packed_idx(labels)}
        publish(monkeypatch, "fashion_mnist", changed, [])
        place(tmp_path, changed, "FashionMNIST")
        with pytest.raises(DataError, match="train files of fashion_mnist do not fit together"):
            data.load("fashion_mnist", tmp_path)


def put(monkeypatch, name, module, files):
    """Puts small files in the place of those of a set that comes as two archives."""
    entry = data.CATALOGUE[name]
    small = replace(entry, files=files, read=partial(module.read, files=files))
    monkeypatch.setitem(data.CATALOGUE, name, small)


class TestUsps:
    @pytest.fixture
    def published(self, tmp_path, web, monkeypatch):
        """Two small files in the format of libsvm."""
        files = []
        for name, count in (("usps.bz2", 12), ("usps.t.bz2", 10)):
            values = " ".join(f"{i}:{-1 + 2 * i / 256:.4f}" for i in range(1, 257))
            text = "".join(f"{n % 10 + 1} {values}\n" for n in range(count))
            web.files[name] = bz2.compress(text.encode())
            address = (f"{web.address}{name}",)
            files.append(data.Remote(name, address, f"md5:{md5(web.files[name])}"))
        put(monkeypatch, "usps", usps, tuple(files))
        return tmp_path / "root"

    def test_fetched_and_read(self, published):
        loaded = data.load("usps", published)
        assert files_below(published) == ["usps.bz2", "usps.t.bz2"]
        assert loaded.train.shape == (1, 16, 16)
        assert loaded.train.labels.tolist() == [*range(10), 0, 1]
        assert int(loaded.train.images[0, 0, -1, -1]) == 255

    def test_read_as_torchvision_does(self, published, monkeypatch):
        loaded = data.load("usps", published)
        theirs = _torchvision.load("torchvision.datasets").USPS(published, train=False)
        assert torch.equal(torch.from_numpy(theirs.data)[:, None], loaded.test.images)
        assert theirs.targets == loaded.test.labels.tolist()

    def test_damage_is_named(self, published):
        data.fetch("usps", published)
        (published / "usps.t.bz2").write_bytes(b"broken")
        with pytest.raises(DataError, match=r"usps\.t\.bz2 is damaged.*data fetch usps"):
            data.load("usps", published)


class TestSvhn:
    def test_read_with_digit_zero_as_class_zero(self, tmp_path, monkeypatch):
        savemat = pytest.importorskip("scipy.io").savemat
        files = []
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 10)).astype(np.uint8)
        for part in ("train", "test"):
            name = f"{part}_32x32.mat"
            savemat(tmp_path / name, {"X": pixels, "y": np.arange(1, 11)[:, None]})
            files.append(data.Remote(name, (), f"md5:{md5((tmp_path / name).read_bytes())}"))
        put(monkeypatch, "svhn", svhn, tuple(files))
        loaded = data.load("svhn", tmp_path)
        assert loaded.test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
        assert torch.equal(loaded.train.images[4], torch.tensor(pixels[..., 4]).permute(2, 0, 1))
        assert loaded.train.images.is_contiguous()


class TestCifar:
    @pytest.fixture
    def archive(self) -> bytes:
        random = np.random.default_rng(0)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name in (*cifar10.TRAIN, *cifar10.TEST):
                records = random.integers(0, 256, (20, cifar10.RECORD)).astype(np.uint8)
                records[:, 0] = np.arange(20) % 10
                records[0, 1:1025] = 7  # the red channel of each file's first image
                member = tarfile.TarInfo(name)
                member.size = records.size
                tar.addfile(member, io.BytesIO(records.tobytes()))
        return packed.getvalue()

    def publish(self, monkeypatch, content, address=""):
        small = data.Remote(cifar10.ARCHIVE.path, (address,), f"md5:{md5(content)}")
        entry = replace(
            data.CATALOGUE["cifar10"], files=(small,), read=partial(cifar10.read, archive=small)
        )
        monkeypatch.setitem(data.CATALOGUE, "cifar10", entry)

    def test_the_binary_archive_is_read_without_unpacking(self, archive, tmp_path, monkeypatch):
        self.publish(monkeypatch, archive)
        (tmp_path / cifar10.ARCHIVE.path).write_bytes(archive)
        loaded = data.load("cifar10", tmp_path)
        assert (len(loaded.train), len(loaded.test)) == (100, 20)
        assert loaded.train.images[20, 0].unique().tolist() == [7]
        assert len(loaded.train.images[20, 1].unique()) > 100
        assert loaded.test.labels.tolist() == [*range(10), *range(10)]
        assert loaded.notes == ""
        assert files_below(tmp_path) == [cifar10.ARCHIVE.path]

    def test_it_is_fetched(self, archive, tmp_path, web, monkeypatch):
        web.files["cifar.tar.gz"] = archive
        self.publish(monkeypatch, archive, f"{web.address}cifar.tar.gz")
        assert len(data.load("cifar10", tmp_path / "root").test) == 20

    def test_damage_is_named(self, archive, tmp_path, monkeypatch):
        file = tmp_path / cifar10.ARCHIVE.path
        file.write_bytes(archive[:-100])
        self.publish(monkeypatch, archive)
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is damaged \(its checksum"):
            data.load("cifar10", tmp_path)
        # even with a matching checksum the contents are checked
        self.publish(monkeypatch, archive[:-100])
        with pytest.raises(DataError, match=r"is damaged.*data fetch cifar10"):
            data.load("cifar10", tmp_path)

    @pytest.mark.parametrize("form", ["folder", "zip"])
    def test_an_image_folder_is_accepted_and_its_deviation_noted(self, tmp_path, form):
        Image = pytest.importorskip("PIL.Image")
        for part, count in (("train", 2), ("test", 1)):
            for number, name in enumerate(data.CATALOGUE["cifar10"].classes):
                folder = tmp_path / "cifar10" / part / name
                folder.mkdir(parents=True)
                for i in range(count):
                    Image.new("RGB", (32, 32), (number, i, 0)).save(folder / f"{i:04}.png")
        if form == "zip":
            with zipfile.ZipFile(tmp_path / "cifar10.zip", "w") as archive:
                for file in sorted((tmp_path / "cifar10").rglob("*.png")):
                    archive.write(file, file.relative_to(tmp_path))
            shutil.rmtree(tmp_path / "cifar10")
        loaded = data.load("cifar10", tmp_path)
        assert loaded.train.images[:, 0, 0, 0].tolist() == loaded.train.labels.tolist()
        assert "20 training and 10 test images" in loaded.notes
        assert "50,000" in loaded.notes
        assert data.where("cifar10", tmp_path) == "present"

    def test_another_image_folder_is_refused(self, tmp_path):
        Image = pytest.importorskip("PIL.Image")
        for part in ("train", "test"):
            (tmp_path / "cifar10" / part / "cat").mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(tmp_path / "cifar10" / part / "cat" / "0.png")
        with pytest.raises(DataError, match="is not CIFAR-10: it should hold 32×32 colour images"):
            data.load("cifar10", tmp_path)


class TestWeights:
    @pytest.fixture
    def file(self, web, monkeypatch):
        web.files["w"] = b"weights"
        remote = data.Remote("weights/vgg19.safetensors", (f"{web.address}w",))
        monkeypatch.setitem(weights.FILES, "vgg19", remote)
        return web

    def test_a_file_is_fetched_once(self, file, tmp_path):
        for _ in range(2):
            assert weights.fetch("vgg19", tmp_path).read_bytes() == b"weights"
        assert file.asked == ["/w"]

    def test_one_flipped_byte_is_noticed(self, file, tmp_path):
        weights.fetch("vgg19", tmp_path).write_bytes(b"weighty")
        with pytest.raises(DataError, match=r"vgg19\.safetensors is damaged"):
            weights.fetch("vgg19", tmp_path)

    def test_a_file_laid_by_hand_is_used(self, file, tmp_path):
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "vgg19.safetensors").write_bytes(b"own")
        assert weights.fetch("vgg19", tmp_path).read_bytes() == b"own"
        assert file.asked == []


def test_the_listed_files_are_those_of_torchvision():
    published = _torchvision.load("torchvision.datasets")
    for name, folder in FOLDERS.items():
        theirs = getattr(published, folder)
        for remote, (file, digest) in zip(
            data.CATALOGUE[name].files, theirs.resources, strict=True
        ):
            assert remote.checksum == f"md5:{digest}"
            assert remote.path == f"{folder}/raw/{file.removesuffix('.gz')}"
            assert len(remote.unpacked) == len("md5:") + 32
            assert set(remote.urls) <= {mirror + file for mirror in theirs.mirrors}
    for name, theirs in (("usps", published.USPS), ("svhn", published.SVHN)):
        for remote, part in zip(data.CATALOGUE[name].files, ("train", "test"), strict=True):
            url, file, digest = theirs.split_list[part]
            assert (remote.urls, remote.path, remote.checksum) == ((url,), file, f"md5:{digest}")
