"""The files of the page ``appendix/beyond_one_machine``: two processes take the step of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from safetensors.torch import load_file, save_file

import latent_transfer as lt

PAGE = Path(__file__).parents[2] / "book" / "appendix" / "beyond_one_machine.ipynb"
RATE = 0.01  # of the page's gradient descent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def write_files(folder: Path) -> None:
    """Write the files that the page's cells write."""
    for cell in nbformat.read(PAGE, as_version=4).cells:
        magic, _, source = cell.source.partition("\n")
        if cell.cell_type == "code" and magic.startswith("%%writefile"):
            (folder / Path(magic).name).write_text(source)


def small_vae() -> lt.models.VAE:
    torch.manual_seed(3)
    return lt.models.mlp_vae((1, 8, 8), (64,), latent_size=4)


def gradients_of_two_processes(folder: Path) -> list[list[torch.Tensor]]:
    """What each process subtracted from the weights in its one step, by the learning rate."""
    start = small_vae().state_dict()
    save_file(start, folder / "start.safetensors")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(folder / "train.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    ends = [load_file(folder / f"process{rank}.safetensors") for rank in (0, 1)]
    return [[(start[name] - end[name]) / RATE for name in start] for end in ends]


def gradient_of_one_process() -> list[torch.Tensor]:
    """The gradient of the mean over all images, each half with the noise of its process."""
    model, images = small_vae(), lt.data.load("digits", size=8).train.pixels()[:200]
    losses = []
    for rank in (0, 1):
        torch.manual_seed(rank)
        losses.append(lt.objectives.negative_elbo(model, images[rank::2])["loss"])
    return list(torch.autograd.grad((losses[0] + losses[1]) / 2, list(model.parameters())))


def test_two_processes_have_the_gradient_of_one(tmp_path: Path) -> None:
    write_files(tmp_path)
    first, second = gradients_of_two_processes(tmp_path)
    wanted = gradient_of_one_process()
    assert all(map(torch.equal, first, second))
    # The step is a difference of float32 weights of size one, divided by the rate.
    torch.testing.assert_close(first, wanted, atol=2e-5, rtol=1e-4)
