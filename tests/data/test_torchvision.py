from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from latent_transfer import _torchvision


def run(code: str) -> str:
    """Runs code in a fresh interpreter, because torchvision is imported once a process."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_torchvision_and_its_parts_import():
    vision = _torchvision.load()
    assert _torchvision.load("torchvision.transforms.v2").Resize
    assert sys.modules["torchvision"] is vision
    assert vision.models.vgg19
    assert vision.datasets.MNIST


@pytest.mark.parametrize("present", [(), ("nms",), ("nms", "qnms")])
def test_operators_are_declared_only_where_they_are_missing(present, tmp_path):
    # A stand-in torchvision, which needs both operators as the real one does.
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        textwrap.dedent(
            """
            import torch
            for name in ("nms", "qnms"):
                torch.library.register_fake("torchvision::" + name)(lambda *_: None)
            """
        )
    )
    said = run(
        f"""
        import sys, torch
        sys.path.insert(0, {str(tmp_path)!r})
        from latent_transfer import _torchvision
        library = torch.library.Library("torchvision", "DEF")
        for name in {present}:
            library.define(name + _torchvision._SCHEMAS[name])
        _torchvision.load()
        assert torch.ops.torchvision.nms and torch.ops.torchvision.qnms
        print(len(_torchvision._kept))
        """
    )
    assert said == str(int(len(present) < 2))


@pytest.mark.parametrize("error", [RuntimeError("something else broke"), ImportError("none")])
def test_another_failure_is_not_hidden(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(_torchvision.importlib, "import_module", fail)
    with pytest.raises(type(error), match=str(error)):
        _torchvision.load()
