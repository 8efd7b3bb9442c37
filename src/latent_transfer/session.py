"""One line at the top of every chapter: seed, device, profile and data root, printed."""

from __future__ import annotations

import operator
import os
from dataclasses import dataclass
from importlib import metadata
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
        profile: ``"quick"`` (embedded data, under a minute per chapter) or ``"full"``.
        data_root: Folder that holds downloaded data sets.
        training: How many times longer than written everything is trained; see :meth:`steps`.

    Example:
        >>> import latent_transfer as lt
        >>> session = lt.setup(seed=3, device="cpu")
        latent_transfer · profile quick · seed 3 · cpu with ...
        >>> session.choose(quick=300, full=5_000), list(session.seeds(3))
        (300, [3000, 3001, 3002])
    """

    seed: int
    device: torch.device
    threads: int
    profile: Profile
    data_root: Path
    training: int = 1

    def choose(self, *, quick: T, full: T) -> T:
        """Pick the setting of the current profile; the reader sees both in the cell."""
        return quick if self.profile == "quick" else full

    def steps(self, count: int) -> int:
        """Return a number of training steps, or epochs, times the session's ``training``.

        Whoever doubts that a training was long enough sets ``LATENT_TRANSFER_TRAINING=4`` and runs
        the chapter again: everything that it trains then takes four times as many steps.

        Args:
            count: Steps or epochs, as they are without that variable.

        Example:
            >>> import latent_transfer as lt
            >>> lt.setup(device="cpu").steps(200)
            latent_transfer · ...
            200
        """
        return operator.index(count) * self.training

    def generator(self, offset: int = 0) -> torch.Generator:
        """Return a fresh CPU generator; equal offsets give equal streams, others give others."""
        return torch.Generator().manual_seed(self.seed + 1_000 * offset)

    def seeds(self, count: int) -> range:
        """Return seeds for the repetitions of an experiment; each chapter seed has its own."""
        return range(1_000 * self.seed, 1_000 * self.seed + count)

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        longer = "" if self.training == 1 else f"training ×{self.training} · "
        return (
            f"latent_transfer · profile {self.profile} · seed {self.seed} · {longer}"
            f"{self.device} with {threads} · data root {_abbreviated(self.data_root)}"
        )


def setup(
    seed: int = 0, device: str | torch.device | None = None, profile: Profile = "quick"
) -> Session:
    """Seed PyTorch, choose device and profile, and print one line that says all of it.

    Environment variables override the arguments, so that a whole chapter can be run again in
    another way without an edit: ``LATENT_TRANSFER_SEED`` the seed, ``LATENT_TRANSFER_PROFILE`` the
    profile. ``LATENT_TRANSFER_TRAINING`` multiplies the steps of every training.

    Args:
        seed: An integer from which everything random in the chapter derives.
        device: Such as ``"cpu"``; left out: that of :func:`find_device`.
        profile: ``"quick"``, or ``"full"`` for the full experiments on downloaded data.

    Raises:
        ValueError: If an argument or an environment variable is not what it should be.

    Example:
        >>> import latent_transfer as lt
        >>> session = lt.setup(seed=1, device="cpu", profile="full")
        latent_transfer · profile full · seed 1 · cpu with ...
    """
    seed = _integer("LATENT_TRANSFER_SEED", _checked_seed(seed))
    torch.manual_seed(seed)
    session = Session(
        seed=seed,
        device=find_device() if device is None else _checked_device(device),
        threads=torch.get_num_threads(),
        profile=find_profile(profile),
        data_root=find_data_root(),
        training=_integer("LATENT_TRANSFER_TRAINING", 1, least=1),
    )
    print(session)
    return session


def package_version() -> str:
    """Return the version of the package, as it was installed; ``0+unknown`` if it was not.

    Example:
        >>> from latent_transfer.session import package_version
        >>> package_version().count(".") >= 1 or package_version() == "0+unknown"
        True
    """
    try:
        return metadata.version("latent-transfer")
    except metadata.PackageNotFoundError:  # a checkout on the path that nobody installed
        return "0+unknown"


def find_device() -> torch.device:
    """Return the first that is there of a CUDA device, Apple's GPU and the CPU.

    Example:
        >>> from latent_transfer.session import find_device
        >>> find_device().type in ("cuda", "mps", "cpu")
        True
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def find_profile(profile: Profile = "quick") -> Profile:
    """Return ``LATENT_TRANSFER_PROFILE`` if it is set, else the argument.

    Raises:
        ValueError: If it is neither ``"quick"`` nor ``"full"``.

    Example:
        >>> from latent_transfer.session import find_profile
        >>> find_profile("full")
        'full'
    """
    variable = "LATENT_TRANSFER_PROFILE"
    for name, value in ((variable, os.environ.get(variable)), ("profile", profile)):
        if value and value not in ("quick", "full"):
            raise ValueError(f"{name} must be 'quick' or 'full', not {value!r}.")
    return cast(Profile, os.environ.get(variable) or profile)


def find_data_root(root: str | Path | None = None) -> Path:
    """Return the folder of downloaded data.

    Args:
        root: The folder; left out: ``LATENT_TRANSFER_DATA``, else the user's cache folder.

    Example:
        >>> from latent_transfer.session import find_data_root
        >>> find_data_root("~/data") == Path.home() / "data"
        True
    """
    chosen = root or os.environ.get("LATENT_TRANSFER_DATA") or user_cache_path("latent-transfer")
    return Path(chosen).expanduser()


def _checked_seed(seed: int) -> int:
    try:
        return operator.index(seed)
    except TypeError:
        raise ValueError(f"seed must be an integer, not {seed!r}.") from None


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError):
        raise ValueError(
            f"device must be one that PyTorch finds here, such as '{find_device()}', "
            f"not {str(device)!r}."
        ) from None
    return chosen


def _integer(variable: str, default: int, *, least: int | None = None) -> int:
    """The integer in an environment variable, or the default where it is not set."""
    text = os.environ.get(variable) or str(default)
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{variable} must be an integer, not {text!r}.") from None
    if least is not None and value < least:
        raise ValueError(f"{variable} must be at least {least}, not {value}.")
    return value


def _abbreviated(path: Path) -> str:
    # The home folder is nobody's business on a published page.
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
