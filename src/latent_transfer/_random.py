"""Noise that one number decides and that leaves the caller's generators where they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

#: PyTorch's own generators belong to the process: two threads that seed them take turns.
_TURN = threading.RLock()


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[torch.Generator]:
    """Seed PyTorch's own generators inside the block and put them back after it.

    Only one thread at a time is inside such a block; others wait.

    Yields:
        A CPU generator of the same seed, for shuffling and binarisation.

    Example:
        >>> import torch
        >>> with seeded(1):
        ...     first = torch.rand(2)
        >>> with seeded(1):
        ...     print(torch.equal(torch.rand(2), first))
        True
    """
    device = torch.device(device)
    with _TURN:
        before = torch.get_rng_state()
        on_device = device_state(device)
        try:
            torch.manual_seed(seed)
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_rng_state(before)
            set_device_state(device, on_device)


def device_state(device: torch.device) -> torch.Tensor | None:
    """The state of an accelerator's own generator; none on a CPU, which has but the one."""
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    if device.type == "mps":
        return torch.mps.get_rng_state()
    return None


def set_device_state(device: torch.device, state: torch.Tensor | None) -> None:
    """Put back what :func:`device_state` gave."""
    if state is None:
        return
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
