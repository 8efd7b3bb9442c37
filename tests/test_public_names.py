"""What the package offers, and under which version: one list, one number, everywhere the same."""

from __future__ import annotations

import itertools
import re
import rlcompleter
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import latent_transfer as lt
from api_pages import modules, public

ROOT = Path(__file__).parents[1]


def complete(text: str) -> set[str]:
    """What a shell offers for the tab key."""
    completer = rlcompleter.Completer({"lt": lt})
    offers = (completer.complete(text, number) for number in itertools.count())
    return {offer.rstrip("()") for offer in itertools.takewhile(bool, offers)}


def test_dir_shows_the_public_names_and_nothing_else() -> None:
    assert dir(lt) == sorted(lt.__all__)
    assert len(set(lt.__all__)) == len(lt.__all__)


def test_dir_is_the_same_before_anything_was_used() -> None:
    code = "import latent_transfer as lt; print(dir(lt) == sorted(lt.__all__))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_every_public_name_is_there() -> None:
    for name in lt.__all__:
        assert getattr(lt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        lt.fitt  # noqa: B018


def test_completion_of_the_top_level() -> None:
    assert {name.removeprefix("lt.") for name in complete("lt.")} >= set(lt.__all__)
    assert complete("lt.trans") == {"lt.transfer"}


@pytest.mark.parametrize("name", modules())
def test_completion_of_a_module(name: str) -> None:
    names = public(getattr(lt, name))
    assert {f"lt.{name}.{key}" for key in names} <= complete(f"lt.{name}.")
    assert all(hasattr(getattr(lt, name), key) for key in names)


def test_version_has_one_source() -> None:
    (project,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changes, re.M)[0] == project


def test_version_is_that_of_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lt.__version__ == metadata.version("latent-transfer")

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    with monkeypatch.context() as patched:
        patched.setattr(metadata, "version", missing)
        assert lt.__version__ == "0+unknown"
