"""Where cells are computed: processes of this machine, or a Dask cluster, both through joblib."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from joblib import Parallel, cpu_count, delayed, parallel_config

from latent_transfer.papers.cells import Failed, Finished, Job, run_cell

if TYPE_CHECKING:
    from distributed import Client

#: How often in a row worker processes may die before the cells that are left count as failed.
TRIES = 3

#: Seconds to wait for the scheduler, and for its first worker.
PATIENCE = 20

Results = Generator[Finished | Failed, None, None]
Run = Callable[[Sequence[Job]], Results]


@contextmanager
def local(workers: int | None) -> Iterator[Run]:
    """Give a function that computes cells in processes of this machine, each as soon as it can.

    A process that is killed takes the others with it; what they had not finished starts again.

    Args:
        workers: Processes; none: one a core.
    """

    def run(jobs: Sequence[Job]) -> Results:
        left = {(job.label, job.seed): job._replace(owner=os.getpid()) for job in jobs}
        tries = 0
        while left and tries < TRIES:
            before = len(left)
            try:
                for result in _processes(list(left.values()), workers or cpu_count()):
                    del left[result.row, result.seed]
                    yield result
            except BrokenProcessPool:
                tries = tries + 1 if len(left) == before else 1
        reason = f"workers died {TRIES} times in a row, perhaps for want of memory"
        for job in left.values():
            yield Failed(job.label, job.seed, reason)

    yield run


def _processes(jobs: Sequence[Job], workers: int) -> Results:
    number = min(workers, len(jobs))
    with (
        parallel_config(backend="loky", n_jobs=number, inner_max_num_threads=1),
        closing(_parallel(jobs)) as results,
    ):
        yield from results


@contextmanager
def cluster(address: str) -> Iterator[Run]:
    """Give a function that computes cells on a Dask cluster, each as soon as it can.

    The scheduler gives the cells of a dead worker to another; a cell on which several workers died
    counts as failed.

    Args:
        address: Of the scheduler.

    Raises:
        ConnectionError: If no scheduler or worker answers, or the scheduler goes away.
        ValueError: If Dask is not installed, or workers have several threads.
    """
    with _connected(address) as client:

        def run(jobs: Sequence[Job]) -> Results:
            with (
                parallel_config(backend=_backend(client, address)),
                closing(_parallel(jobs)) as results,
            ):
                yield from results

        yield run


def _parallel(jobs: Sequence[Job]) -> Any:
    # All at once: the tasks are small, and workers that join a cluster later find some.
    parallel = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
    return parallel(delayed(run_cell)(job) for job in jobs)


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
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, asyncio.TimeoutError):
        raise ConnectionError(f"--scheduler {address}: no scheduler answers there.") from None
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


def _backend(client: Client, address: str) -> Any:
    """Joblib's backend, mended: it does not tell of tasks that Dask gave up, and waits for ever."""
    from distributed import KilledWorker
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: Any) -> int:
            # For 1, joblib would compute the cells here and leave the one worker idle.
            return max(2, super().effective_n_jobs(n_jobs))

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, callback)
            ((_, (job,), _),) = func.items

            def tell(done: Future[Any]) -> None:
                if error := done.exception():
                    callback((job, error))

            future.add_done_callback(tell)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, CancelledError):
                raise ConnectionError(
                    f"--scheduler {address}: the connection was lost; the same command goes on."
                )
            if not isinstance(out, tuple):
                return super().retrieve_result_callback(out)
            job, error = out
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            if isinstance(error, KilledWorker):
                reason = "every worker that tried it died, perhaps for want of memory"
            return [Failed(job.label, job.seed, reason)]

    return Backend(client=client)
