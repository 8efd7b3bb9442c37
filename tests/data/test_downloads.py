from __future__ import annotations

import bz2
import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading

import numpy as np
import pytest
import torch

from latent_transfer import _torchvision, data
from latent_transfer.data import downloads
from latent_transfer.errors import DataError


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


NAMES = tuple(downloads.MNIST_MD5)


@pytest.fixture
def raw() -> dict[str, bytes]:
    """Four small files in MNIST's format: 20 training and 10 test images of 28×28."""
    random = np.random.default_rng(0)
    files = {}
    for name, count in zip(NAMES, (20, 20, 10, 10), strict=True):
        images = "images" in name
        array = random.integers(0, 256, (count, 28, 28)) if images else np.arange(count) % 10
        files[name] = idx(array)
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
def server(raw, monkeypatch):
    """A mirror of the small files on the loopback interface, in place of torchvision's."""
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in raw.items()}
    handler = type("H", (Handler,), {"files": dict(packed), "asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # a short poll, so that the fixture ends at once
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{running.server_port}/"
    published = _torchvision.load("torchvision.datasets")
    listed = [(name, md5(content)) for name, content in packed.items()]
    for source in (published.MNIST, published.FashionMNIST):
        monkeypatch.setattr(source, "mirrors", [address])
        monkeypatch.setattr(source, "resources", listed)
    monkeypatch.setattr(downloads, "MNIST_MD5", {name: md5(raw[name]) for name in NAMES})
    handler.address = address
    yield handler
    running.shutdown()
    running.server_close()


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

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
    def test_fetch_replaces_only_the_damaged_file(self, server, tmp_path, raw, name):
        folder = downloads.IDX_SETS[name]
        place(tmp_path, raw, folder)
        broken = tmp_path / folder / "raw" / NAMES[0]
        broken.write_bytes(raw[NAMES[0]][:-5])
        data.fetch(name, tmp_path)
        assert server.asked == [f"/{NAMES[0]}.gz"]
        assert broken.read_bytes() == raw[NAMES[0]]

    def test_an_interrupted_download_leaves_nothing_half_used(self, server, tmp_path):
        server.cut = 7
        with pytest.raises(
            DataError, match=r"train-images-idx3-ubyte.*not be downloaded.*fetch mn"
        ):
            data.load("mnist", tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_ctrl_c_leaves_nothing_behind(self, server, tmp_path, monkeypatch):
        original, calls = downloads._stream, []

        def interrupted(url, file):
            calls.append(url)
            if len(calls) == 3:
                file.write_bytes(b"half")
                raise KeyboardInterrupt
            original(url, file)

        monkeypatch.setattr(downloads, "_stream", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.fetch("mnist", tmp_path)
        # the two finished files stay, whole; the next call gets the rest only
        assert files_below(tmp_path) == sorted(f"MNIST/raw/{name}" for name in NAMES[:2])
        monkeypatch.setattr(downloads, "_stream", original)
        server.asked.clear()
        assert len(data.load("mnist", tmp_path).train) == 20
        assert server.asked == [f"/{name}.gz" for name in NAMES[2:]]

    def test_a_killed_download_is_cleared_away_later(self, server, tmp_path):
        for name, age in (("old", 2 * downloads.STALE), ("new", 0)):
            left = tmp_path / f".fetching-mnist-{name}"
            left.mkdir()
            (left / "half.gz").write_bytes(b"half")
            then = left.stat().st_mtime - age
            os.utime(left, (then, then))
        data.fetch("mnist", tmp_path)
        assert [p.name for p in tmp_path.glob(".fetching-*")] == [".fetching-mnist-new"]

    def test_an_altered_download_is_refused(self, server, tmp_path):
        server.files[f"{NAMES[1]}.gz"] = gzip.compress(b"something else")
        with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.*its MD5 differs"):
            data.fetch("mnist", tmp_path)
        assert files_below(tmp_path) == [f"MNIST/raw/{NAMES[0]}"]

    def test_the_second_mirror_serves_when_the_first_fails(self, server, tmp_path, monkeypatch):
        published = _torchvision.load("torchvision.datasets")
        mirrors = [f"{server.address}nowhere/", server.address]
        monkeypatch.setattr(published.MNIST, "mirrors", mirrors)
        assert len(data.load("mnist", tmp_path).train) == 20

    def test_offline_names_the_file_and_the_command(self, server, tmp_path, monkeypatch):
        published = _torchvision.load("torchvision.datasets")
        monkeypatch.setattr(published.MNIST, "mirrors", ["http://127.0.0.1:9/"])
        with pytest.raises(DataError) as caught:
            data.load("mnist", tmp_path)
        message = str(caught.value)
        assert "train-images-idx3-ubyte" in message
        assert "Connection refused" in message
        assert "latent-transfer data fetch mnist" in message
        assert "\n" not in message

    def test_a_root_that_cannot_be_written_is_named(self, server, tmp_path):
        (tmp_path / "file").write_text("not a folder")
        for root in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(DataError, match=r"cannot be written.*LATENT_TRANSFER_DATA"):
                data.fetch("mnist", root)

    def test_a_root_without_write_permission_is_named(self, server, tmp_path, monkeypatch):
        def refuse(**_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(downloads.tempfile, "mkdtemp", refuse)
        with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
            data.load("mnist", tmp_path)

    def test_embedded_sets_need_no_fetching(self, tmp_path):
        data.fetch("digits", tmp_path / "never")
        assert not (tmp_path / "never").exists()
        assert data.where("glyphs") == "embedded"


class TestReading:
    def test_a_read_only_root_is_only_read(self, server, tmp_path, raw, monkeypatch):
        place(tmp_path, raw)
        before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
        monkeypatch.setattr(downloads, "fetch", lambda *_: pytest.fail("nothing is missing"))
        data.load("mnist", tmp_path)
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
    @pytest.mark.parametrize(
        ("file", "change"),
        [
            (NAMES[0], lambda content: content[:-1]),
            (NAMES[0], lambda content: content + b"x"),
            (NAMES[1], lambda content: b""),
            (NAMES[2], lambda content: content[:10]),
            (NAMES[3], lambda content: b"\x1f\x8b" + content[2:]),
            (NAMES[0], lambda content: content[:4] + bytes(4) + content[8:]),
        ],
    )
    def test_a_damaged_file_is_named_with_the_remedy(
        self, server, tmp_path, raw, name, file, change
    ):
        place(tmp_path, raw | {file: change(raw[file])}, downloads.IDX_SETS[name])
        with pytest.raises(DataError, match=rf"{file} is damaged.*data fetch {name}$"):
            data.load(name, tmp_path)

    def test_one_changed_pixel_of_mnist_is_noticed(self, server, tmp_path, raw):
        content = bytearray(raw[NAMES[0]])
        content[500] ^= 1
        place(tmp_path, raw | {NAMES[0]: bytes(content)})
        with pytest.raises(DataError, match="its MD5 is not that of the published file"):
            data.load("mnist", tmp_path)

    @pytest.mark.parametrize("labels", [np.arange(19) % 10, np.full(20, 11)])
    def test_files_that_do_not_fit_together_are_named(self, server, tmp_path, raw, labels):
        place(tmp_path, raw | {NAMES[1]: idx(labels)}, "FashionMNIST")
        with pytest.raises(DataError, match="train files of fashion_mnist do not fit together"):
            data.load("fashion_mnist", tmp_path)


class TestUsps:
    @pytest.fixture
    def published(self, tmp_path, monkeypatch):
        """Two small files in the format of libsvm, and torchvision's list pointing at them."""
        source = _torchvision.load("torchvision.datasets").USPS
        listed = {}
        for part, name, count in (("train", "usps.bz2", 12), ("test", "usps.t.bz2", 10)):
            values = " ".join(f"{i}:{-1 + 2 * i / 256:.4f}" for i in range(1, 257))
            text = "".join(f"{n % 10 + 1} {values}\n" for n in range(count))
            origin = tmp_path / "origin" / name
            origin.parent.mkdir(exist_ok=True)
            origin.write_bytes(bz2.compress(text.encode()))
            listed[part] = [origin.as_uri(), name, md5(origin.read_bytes())]
        monkeypatch.setattr(source, "split_list", listed)
        return tmp_path / "root"

    def test_fetched_and_read(self, published):
        loaded = data.load("usps", published)
        assert files_below(published) == ["usps.bz2", "usps.t.bz2"]
        assert loaded.train.shape == (1, 16, 16)
        assert loaded.train.labels.tolist() == [*range(10), 0, 1]
        assert int(loaded.train.images[0, 0, -1, -1]) == 255

    def test_damage_is_named(self, published):
        data.fetch("usps", published)
        (published / "usps.t.bz2").write_bytes(b"broken")
        with pytest.raises(DataError, match=r"usps\.t\.bz2 is damaged.*data fetch usps"):
            data.load("usps", published)


class TestSvhn:
    def test_read_with_digit_zero_as_class_zero(self, tmp_path, monkeypatch):
        savemat = pytest.importorskip("scipy.io").savemat
        source = _torchvision.load("torchvision.datasets").SVHN
        listed = {}
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 10)).astype(np.uint8)
        for part in ("train", "test"):
            name = f"{part}_32x32.mat"
            savemat(tmp_path / name, {"X": pixels, "y": np.arange(1, 11)[:, None]})
            listed[part] = ["http://127.0.0.1:9/", name, md5((tmp_path / name).read_bytes())]
        monkeypatch.setattr(source, "split_list", listed)
        loaded = data.load("svhn", tmp_path)
        assert loaded.test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
        assert torch.equal(loaded.train.images[4], torch.tensor(pixels[..., 4]).permute(2, 0, 1))
        assert loaded.train.images.is_contiguous()


class TestCifar:
    @pytest.fixture
    def archive(self, monkeypatch) -> bytes:
        random = np.random.default_rng(0)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name in (*downloads.CIFAR_MEMBERS["train"], *downloads.CIFAR_MEMBERS["test"]):
                records = random.integers(0, 256, (20, downloads.CIFAR_RECORD)).astype(np.uint8)
                records[:, 0] = np.arange(20) % 10
                records[0, 1:1025] = 7  # the red channel of each file's first image
                member = tarfile.TarInfo(name)
                member.size = records.size
                tar.addfile(member, io.BytesIO(records.tobytes()))
        content = packed.getvalue()
        monkeypatch.setattr(downloads, "CIFAR_MD5", md5(content))
        return content

    def test_the_binary_archive_is_read_without_unpacking(self, archive, tmp_path):
        (tmp_path / downloads.CIFAR_ARCHIVE).write_bytes(archive)
        loaded = data.load("cifar10", tmp_path)
        assert (len(loaded.train), len(loaded.test)) == (100, 20)
        assert loaded.train.images[20, 0].unique().tolist() == [7]
        assert len(loaded.train.images[20, 1].unique()) > 100
        assert loaded.test.labels.tolist() == [*range(10), *range(10)]
        assert loaded.notes == ""
        assert files_below(tmp_path) == [downloads.CIFAR_ARCHIVE]

    def test_it_is_fetched(self, archive, tmp_path, monkeypatch):
        (tmp_path / "origin.tar.gz").write_bytes(archive)
        monkeypatch.setattr(downloads, "CIFAR_URL", (tmp_path / "origin.tar.gz").as_uri())
        assert len(data.load("cifar10", tmp_path / "root").test) == 20

    def test_damage_is_named(self, archive, tmp_path, monkeypatch):
        file = tmp_path / downloads.CIFAR_ARCHIVE
        file.write_bytes(archive[:-100])
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is damaged \(its MD5"):
            data.load("cifar10", tmp_path)
        # even with a matching checksum the contents are checked
        monkeypatch.setattr(downloads, "CIFAR_MD5", md5(archive[:-100]))
        with pytest.raises(DataError, match=r"is damaged.*data fetch cifar10"):
            data.load("cifar10", tmp_path)

    def test_an_image_folder_is_accepted_and_its_deviation_noted(self, tmp_path):
        Image = pytest.importorskip("PIL.Image")
        for part, count in (("train", 2), ("test", 1)):
            for number, name in enumerate(data.CATALOGUE["cifar10"].classes):
                folder = tmp_path / "cifar10" / part / name
                folder.mkdir(parents=True)
                for i in range(count):
                    Image.new("RGB", (32, 32), (number, i, 0)).save(folder / f"{i:04}.png")
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


def test_the_listed_files_are_those_of_torchvision():
    for name in ("mnist", "fashion_mnist", "kmnist", "usps", "svhn"):
        remotes = downloads.remotes(name)
        assert [remote.path for remote in remotes] == list(downloads._paths(name))
        assert all(remote.urls and len(remote.md5) == 32 for remote in remotes)
