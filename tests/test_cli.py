from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from latent_transfer import cli, data, figures
from latent_transfer.errors import DataError


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leaving:
        cli.main(list(arguments))
    said = capsys.readouterr()
    return leaving.value.code, said.out, said.err


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LATENT_TRANSFER_DATA", str(tmp_path / "root"))
    monkeypatch.delenv("LATENT_TRANSFER_PROFILE", raising=False)


def test_info_names_versions_device_profile_and_root(capsys, tmp_path):
    code, out, _ = run(capsys, "info")
    assert code == 0
    assert torch.__version__.split("+")[0] in out
    for word in ("python", "torchvision", "numpy", "device", "threads", "quick"):
        assert word in out
    assert str(tmp_path / "root") in out


def test_list_shows_each_set_and_where_it_is(capsys, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cifar10.zip").write_bytes(b"")
    code, out, _ = run(capsys, "data", "list")
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
    assert code == 0
    assert set(data.names()) <= set(lines)
    assert "embedded" in lines["digits"]
    assert "not fetched" in lines["mnist"]
    assert "CC BY-SA 3.0" in lines["mnist"]
    assert "present" in lines["cifar10"]
    assert "1×28×28" in lines["kmnist"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_show_writes_a_contact_sheet(capsys, tmp_path, split):
    place = tmp_path / "new" / "sheet.png"
    code, out, _ = run(
        capsys, "data", "show", "digits", "--out", str(place), "--split", split, "--count", "4"
    )
    assert code == 0
    assert "1,437 training and 360 test images" in out
    with Image.open(place) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 4 * 56
        assert sheet.height > 10 * 56
    assert f"{split} sheet in {place}" in out
    assert [file.name for file in place.parent.iterdir()] == ["sheet.png"]


def test_show_names_the_file_after_the_folder(capsys, tmp_path, monkeypatch):
    for number in range(3):
        file = tmp_path / "pets" / "cat" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40, 30), number).save(file)
    monkeypatch.chdir(tmp_path)
    code, _, _ = run(capsys, "data", "show", f"folder:{tmp_path / 'pets'}/")
    assert code == 0
    assert (tmp_path / "pets.png").exists()


def test_sheet_rows_show_the_first_images_of_their_class(capsys, monkeypatch, tmp_path):
    rows = {}

    def keep(given):
        rows.update(given)
        return Figure()

    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 9, 9) * 51
    labels = torch.tensor([1, 0, 1, 0, 1])
    loaded = data.load("digits")
    train = data.ImageSet(images, labels, ("a $1 and $2", "b"))
    monkeypatch.setattr(data, "load", lambda *_, **__: replace(loaded, train=train))
    place = str(tmp_path / "sheet.png")
    assert run(capsys, "data", "show", "digits", "--count", "2", "--out", place)[0] == 0
    monkeypatch.setattr(figures, "image_rows", keep)
    run(capsys, "data", "show", "digits", "--count", "2", "--out", place)
    assert list(rows) == [r"a \$1 and \$2", "b"]  # no formula between the dollar signs
    means = [row.flatten(1).mean(1).tolist() for row in rows.values()]
    assert means == [pytest.approx([0.2, 0.6]), pytest.approx([0, 0.4])]


def test_fetch_of_an_embedded_set_says_that_it_is_there(capsys):
    code, out, _ = run(capsys, "data", "fetch", "digits")
    assert code == 0
    assert "embedded" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data", "show", "nope"), "Unknown data set 'nope'"),
        (("data", "fetch", "folder:x"), "Unknown data set 'folder:x'"),
        (("data", "show", "folder:/no/such"), "There is no image folder /no/such."),
        (("data", "show", "digits", "--size", "9"), "size 8 or 28, not 9"),
    ],
)
def test_foreseen_errors_are_one_sentence_on_stderr(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert code == 1
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_sheet_that_cannot_be_written_is_one_sentence(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "sheet.png"
    code, _, err = run(capsys, "data", "show", "digits", "--out", str(place))
    assert code == 1
    assert "cannot be written" in err


@pytest.mark.parametrize(
    "arguments", [("bogus",), ("data", "show"), ("data", "show", "digits", "--count", "0")]
)
def test_wrong_usage_exits_with_2(capsys, arguments):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "Usage" in err


def test_an_unforeseen_error_is_not_hidden(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(data, "load", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["data", "show", "digits"])


def test_ctrl_c_exits_with_130(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "fetch", interrupted)
    assert run(capsys, "data", "fetch", "mnist") == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("module", ["typer", "torch", "latent_transfer.data", "matplotlib"])
def test_ctrl_c_during_the_imports_is_told_in_one_word(module):
    code = f"""
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from latent_transfer.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code, "info"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_a_terminal_that_lacks_our_signs_is_shown_others(encoding):
    code = """
from latent_transfer import cli
try:
    cli.main(["data", "list"])
except SystemExit as end:
    print("−1 ± 2 × ✓ 字", end.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr
    *others, last = done.stdout.decode(encoding).splitlines()
    assert last.startswith("-1 ")
    assert last.endswith(" + \\u5b57 0")
    assert any("28x28" in line or "28×28" in line for line in others)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "/locked/mnist"), "/locked/mnist: Permission"),
        (ConnectionError("The server does not answer."), "The server does not answer."),
        (DataError("No such class."), "No such class."),
    ],
)
def test_what_the_system_refuses_is_one_sentence(capsys, monkeypatch, error, message):
    def refused(*_, **__):
        raise error

    monkeypatch.setattr(data, "fetch", refused)
    code, out, err = run(capsys, "data", "fetch", "mnist")
    assert (code, out) == (1, "")
    assert err.startswith(message)
    assert len(err.splitlines()) == 1


def test_a_reader_that_has_gone_is_no_error():
    code = """
import os
from latent_transfer import cli
reading, writing = os.pipe()
os.dup2(writing, 1)
os.close(reading)
cli.main(["data", "fetch", "digits"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("name", ["folder:.", "folder:./"])
def test_show_of_this_folder_is_named_after_it(capsys, tmp_path, monkeypatch, name):
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    for number in range(3):
        Image.new("L", (40, 30), number).save(tmp_path / "pets" / "cat" / f"{number}.png")
    monkeypatch.chdir(tmp_path / "pets")
    assert run(capsys, "data", "show", name)[0] == 0
    assert (tmp_path / "pets" / "pets.png").exists()


def test_python_m_runs_the_same_command():
    command = [sys.executable, "-m", "latent_transfer", "data", "show", "nope"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Unknown data set 'nope'")
    assert "Traceback" not in done.stderr
