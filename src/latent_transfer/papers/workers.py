"""Where cells are computed: processes of this machine, or a Dask cluster, through one loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from latent_transfer.papers.cells import Cell, Failed, Measured, in_one_line, run_cell

if TYPE_CHECKING:
    from distributed import Client

#: How often in a row worker processes may die before the cells that are left count as failed.
TRIES = 3

#: Seconds to wait for the scheduler, and for its first worker.
PATIENCE = 20

#: What keeps the numerical libraries of a worker to one thread.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Open = Callable[[], AbstractContextManager[Executor]]
Results = Generator[Measured | Failed, None, None]
Run = Callable[[Sequence[Cell]], Results]


def cores() -> int:
    """Return how many cores this process may use.

    Example:
        >>> from latent_transfer.papers.workers import cores
        >>> cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def local(workers: int | None) -> Iterator[Run]:
    """Give a function that computes cells in processes of this machine, each as soon as it can.

    A process that is killed takes the others with it; what they had not finished starts again. A
    single worker is this process.

    Args:
        workers: Processes; none: one per core.

    Example:
        >>> from latent_transfer.papers.workers import local
        >>> with local(workers=1) as run:
        ...     print(list(run([])))
        []
    """

    def run(cells: Sequence[Cell]) -> Results:
        number = min(workers or cores(), len(cells))
        if number > 1:
            yield from _results(partial(_processes, number), cells)
        else:
            yield from map(run_cell, cells)

    yield run


@contextmanager
def cluster(address: str) -> Iterator[Run]:
    """Give a function that computes cells on a Dask cluster, each as soon as it can.

    The scheduler gives the cells of a dead worker to another; a cell on which several workers died
    counts as failed.

    Args:
        address: Of the scheduler, such as ``tcp://HOST:8786``.

    Raises:
        ConnectionError: If no scheduler or worker answers, or the scheduler goes away.
        ValueError: If Dask is not installed, or workers have several threads.
    """
    with _connected(address) as client:

        def run(cells: Sequence[Cell]) -> Results:
            try:
                yield from _results(partial(_executor, client), cells)
            except CancelledError:
                raise ConnectionError(
                    f"--scheduler {address}: the connection was lost; run the same command again "
                    "to resume."
                ) from None

        yield run


def _results(opened: Open, cells: Sequence[Cell]) -> Results:
    """Send all cells to an executor and give each result as it comes; again if its workers die."""
    left, tries = list(cells), 0
    while left and tries < TRIES:
        before = len(left)
        with opened() as executor:
            sent = _sent(executor, left)
            for future in as_completed(sent):
                cell = sent[future]
                with suppress(BrokenProcessPool):  # left to the next try
                    result = _result(future, cell)
                    left.remove(cell)
                    yield result
        tries = tries + 1 if len(left) == before else 1
    reason = f"workers died {TRIES} times in a row, probably out of memory"
    yield from (Failed(cell.row, cell.seed, reason) for cell in left)


def _sent(executor: Executor, cells: Sequence[Cell]) -> dict[Future[Measured | Failed], Cell]:
    # All at once: cells are small, and workers that join a cluster later find some.
    sent = {}
    with suppress(BrokenProcessPool):
        for cell in cells:
            sent[executor.submit(run_cell, cell)] = cell
    return sent


def _result(future: Future[Measured | Failed], cell: Cell) -> Measured | Failed:
    """What came of a cell; errors of a cell itself are results already."""
    try:
        return future.result()
    except (BrokenProcessPool, CancelledError):
        raise
    except Exception as error:
        reason = in_one_line(error)
        if type(error).__name__ == "KilledWorker":  # Dask's, which need not be installed
            reason = "every worker that tried it died, probably out of memory"
        return Failed(cell.row, cell.seed, reason)


@contextmanager
def _processes(number: int) -> Iterator[Executor]:
    """Processes of one thread each, which end with the block, whatever they have in hand."""
    spawn = get_context("spawn")  # a fork of a process with threads may hang
    ours, theirs = spawn.Pipe()
    pool = ProcessPoolExecutor(number, spawn, initializer=_belong_to, initargs=(theirs,))
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _belong_to(owner: Connection) -> None:
    """Leave Ctrl-C to the owner, and end when it ends or lets go: nobody would take the result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        with suppress(EOFError, OSError):
            owner.recv()  # nothing is ever sent
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _executor(client: Client) -> Iterator[Executor]:
    executor = client.get_executor(pure=False)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False)  # takes back what is not finished


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ValueError(
            "--scheduler needs Dask: pip install 'latent-transfer[cluster]'."
        ) from None
    # It logs a traceback when the connection is lost, which is then an error of ours in one line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_knock(address))
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, asyncio.TimeoutError):
        raise ConnectionError(
            f"--scheduler {address}: no scheduler answers there; an address looks like "
            "tcp://HOST:8786."
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except (TimeoutError, asyncio.TimeoutError):
            raise ConnectionError(
                f"--scheduler {address}: it has no workers; start some with "
                f"'dask worker {address} --nthreads 1'."
            ) from None
        if max(client.nthreads().values()) > 1:
            raise ValueError(
                f"--scheduler {address}: its workers have several threads, and cells need a "
                "process each; start them with --nthreads 1."
            )
        yield client


async def _knock(address: str) -> None:
    """Connect once before there is a client: one that never connected hangs when it is closed."""
    from distributed.comm.core import connect

    await (await connect(address, timeout=PATIENCE)).close()
