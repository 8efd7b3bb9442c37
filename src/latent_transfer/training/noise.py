"""Noise and decisions inside a loss that runs for several replicas at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from latent_transfer._random import device_state, seeded, set_device_state

Call = Callable[[], torch.Tensor]
State = tuple[torch.Tensor, torch.Tensor | None]  # of the CPU's generator and the device's

# ``empty`` is filled by what torch.distributions draws; it must be each replica's own.
_DRAWS = {torch.randn, torch.rand, torch.randint, torch.randperm, torch.empty}
_DRAWS_LIKE = {torch.randn_like, torch.rand_like, torch.randint_like}
_FILLS = {torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.exponential_}
_DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d}
_DECISIONS = {
    torch.Tensor.__bool__,
    torch.Tensor.__int__,
    torch.Tensor.__float__,
    torch.Tensor.__index__,
    torch.Tensor.item,
}

#: Shows what vmap hides from the function that runs inside it; an older PyTorch has no such.
_unwrap: Callable[[torch.Tensor], torch.Tensor] = getattr(torch.func, "debug_unwrap", lambda x: x)

#: Whether the value of a tensor may decide inside a loss: many losses check their arguments so.
CAN_DECIDE = hasattr(torch.func, "debug_unwrap")


class Replay(TorchFunctionMode):
    """Give each replica inside ``torch.vmap`` the noise that it would draw in a run of its own.

    While it is active, each draw from PyTorch's own generators is made once for each replica, from
    a stream that starts at the replica's seed. A tensor whose value steers Python, as in
    ``if bad.any():``, may do so where all replicas agree on it.

    Args:
        seeds: One for each replica.
        device: Where the noise is drawn.

    Example:
        >>> import torch
        >>> replay = Replay([3, 4], torch.device("cpu"))
        >>> def noise(replica):
        ...     replay.bind(replica)
        ...     return torch.rand(2)
        >>> with replay.at(range(2)):
        ...     drawn = torch.vmap(noise, randomness="same")(torch.arange(2))
        >>> torch.equal(drawn[1], torch.rand(2, generator=torch.Generator().manual_seed(4)))
        True
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.streams = []
        for seed in seeds:
            with seeded(seed, device):
                self.streams.append(_state(device))

    @contextmanager
    def at(self, rows: range) -> Iterator[None]:
        """Serve these replicas inside the block.

        Args:
            rows: Their numbers.

        Raises:
            ValueError: If anything was drawn that could not be drawn for each replica.
        """
        self.rows = rows
        self.quiet = _state(self.device)
        with self:
            yield
        if not _same(_state(self.device), self.quiet):
            raise refusal("The loss draws noise in a way that cannot be drawn for each replica")

    def draw(self, row: int, call: Call) -> torch.Tensor:
        """Return what ``call`` returns when it draws from the stream of one replica."""
        _set_state(self.device, self.streams[row])
        result = call()
        self.streams[row] = _state(self.device)
        return result

    def bind(self, replica: torch.Tensor) -> None:
        """Inside ``vmap``: take the number of the replica, which vmap has made each one's own."""
        self.replica = replica

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call ``func``, or what stands for it; PyTorch asks for every function it runs."""
        kwargs = kwargs or {}
        if func in _DECISIONS:
            return self._agreed(func, args[0])
        if kwargs.get("generator") is not None:
            raise refusal("The loss draws from a generator of its own, which all replicas share")
        if func in _DRAWS:
            return self._draw_each(lambda: func(*args, **kwargs))
        if func in _DRAWS_LIKE:
            return self._draw_each(lambda: func(_empty(args[0]), *args[1:], **kwargs))
        if func in _FILLS:
            noise = self._draw_each(lambda: func(_empty(args[0]), *args[1:], **kwargs))
            return args[0].copy_(noise)
        if func in _DROPOUTS:
            ones = torch.ones(args[0].shape, dtype=args[0].dtype, device=args[0].device)
            mask = self._draw_each(lambda: func(ones, *args[1:], **kwargs))
            return args[0] * mask
        return func(*args, **kwargs)

    def _draw_each(self, call: Call) -> torch.Tensor:
        drawn = torch.stack([self.draw(row, call) for row in self.rows])  # R×…
        _set_state(self.device, self.quiet)
        # Each replica picks its own row; as an embedding that is the cheapest way under vmap.
        return F.embedding(self.replica, drawn.reshape(len(drawn), -1)).view(drawn.shape[1:])

    def _agreed(self, func: Any, value: torch.Tensor) -> Any:
        rows = _unwrap(value)  # R numbers if the replicas have each its own, else the value itself
        if rows is value or value.numel() != 1:
            return func(value)
        rows = rows.flatten()
        if not (rows == rows[0]).all():
            raise refusal("The loss decides by values that differ between the replicas")
        return func(rows[0])


def refusal(reason: str) -> ValueError:
    """Return the error for what cannot run for several replicas at once.

    Example:
        >>> print(refusal("This cannot run"))
        This cannot run; train such models one after another with fit.
    """
    return ValueError(f"{reason}; train such models one after another with fit.")


def _empty(like: torch.Tensor) -> torch.Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=like.device)


def _state(device: torch.device) -> State:
    return torch.get_rng_state(), device_state(device)


def _set_state(device: torch.device, state: State) -> None:
    torch.set_rng_state(state[0])
    set_device_state(device, state[1])


def _same(one: State, other: State) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a is b or (a is not None and b is not None and a.equal(b)) for a, b in pairs)
