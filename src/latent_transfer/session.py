"""One line at the top of every chapter: seed, device, profile and data root, said aloud."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

import torch
from platformdirs import user_cache_path

Profile = Literal["quick", "full"]
T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """What a chapter runs on.

    Attributes:
        seed: The chapter's seed; every generator of the chapter derives from it.
        device: Where tensors live.
        threads: CPU threads that PyTorch uses.
        profile: ``"quick"`` (embedded data, under a minute a chapter) or ``"full"``.
        data_root: Folder that holds downloaded data sets.
    """

    seed: int
    device: torch.device
    threads: int
    profile: Profile
    data_root: Path

    def choose(self, *, quick: T, full: T) -> T:
        """Pick the setting of the current profile; the reader sees both in the cell."""
        return quick if self.profile == "quick" else full

    def generator(self, offset: int = 0) -> torch.Generator:
        """A fresh CPU generator; equal offsets give equal streams, other offsets other streams."""
        return torch.Generator().manual_seed(self.seed + 1_000 * offset)

    def seeds(self, count: int) -> range:
        """Seeds for the repetitions of an experiment; each chapter seed has its own."""
        return range(1_000 * self.seed, 1_000 * self.seed + count)

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return (
            f"latent_transfer · profile {self.profile} · seed {self.seed} · "
            f"{self.device} with {threads} · data root {_abbreviated(self.data_root)}"
        )


def setup(seed: int = 0, device: str | torch.device | None = None) -> Session:
    """Seed PyTorch, choose device and profile, and print one line that says all of it.

    ``LATENT_TRANSFER_SEED`` overrides ``seed``, so that a whole chapter can be rerun on another
    seed without an edit; ``LATENT_TRANSFER_PROFILE`` overrides the profile.

    Raises:
        ValueError: If an environment variable holds something else than it should.
    """
    seed = _seed_from_environment(seed)
    torch.manual_seed(seed)
    session = Session(
        seed=seed,
        device=torch.device(device) if device else find_device(),
        threads=torch.get_num_threads(),
        profile=find_profile(),
        data_root=find_data_root(),
    )
    print(session)
    return session


def find_device() -> torch.device:
    """Return the device to compute on: CUDA if there is one, else Apple's GPU, else the CPU.

    Example:
        >>> from latent_transfer.session import find_device
        >>> find_device().type in ("cuda", "mps", "cpu")
        True
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def find_profile() -> Profile:
    """``LATENT_TRANSFER_PROFILE`` if set, else ``"full"`` in Colab and ``"quick"`` elsewhere."""
    default = "full" if "google.colab" in sys.modules else "quick"
    profile = os.environ.get("LATENT_TRANSFER_PROFILE") or default
    if profile not in ("quick", "full"):
        raise ValueError(f"LATENT_TRANSFER_PROFILE must be 'quick' or 'full', not {profile!r}.")
    return cast(Profile, profile)


def find_data_root(root: str | Path | None = None) -> Path:
    """The folder of downloaded data: argument, else ``LATENT_TRANSFER_DATA``, else the cache."""
    chosen = root or os.environ.get("LATENT_TRANSFER_DATA") or user_cache_path("latent-transfer")
    return Path(chosen).expanduser()


def _seed_from_environment(seed: int) -> int:
    value = os.environ.get("LATENT_TRANSFER_SEED") or str(seed)
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"LATENT_TRANSFER_SEED must be an integer, not {value!r}.") from None


def _abbreviated(path: Path) -> str:
    # The home folder is nobody's business on a published page.
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
