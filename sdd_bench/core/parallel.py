"""Many items at once, on the ``concurrent.futures.Executor`` interface.

One process (``jobs=1``), local processes (``jobs=N``), or a Dask cluster whose workers share a file system.
The result never depends on which.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

from sdd_bench.core.errors import ConfigError, SddBenchError

T = TypeVar("T")
R = TypeVar("R")


class _SerialExecutor(Executor):
    """Runs each call at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _share_cores(jobs: int) -> None:
    """In a worker: leave the other workers their part of the cores."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import cv2

    cv2.setNumThreads(threads)


@contextmanager
def open_executor(jobs: int = 1, dask: str | None = None) -> Iterator[Executor]:
    """An executor for ``jobs`` local processes, or for the Dask scheduler at address ``dask``.

    Raises:
        ConfigError: ``jobs`` < 1, Dask is not installed, or nothing answers at its address.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs}: expected 1 or more.")
    if dask is not None:
        with _dask_executor(dask) as executor:
            yield executor
    elif jobs == 1:
        yield _SerialExecutor()
    else:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_share_cores, initargs=(jobs,))
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _dask_executor(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError("--dask needs Dask: pip install 'sdd-bench[dask]'.") from error
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"--dask {address}: no Dask scheduler answers there ({error}). Start one with: dask scheduler."
        ) from error
    try:
        _check_workers(client, address)
        yield client.get_executor(pure=False)
    finally:
        client.close()


def _check_workers(client: Any, address: str) -> None:
    """Dask waits for ever for a worker that cannot import what it is sent, so ask before anything is sent."""
    try:
        versions = client.run(import_module, "sdd_bench")
    except ImportError as error:
        raise ConfigError(f"--dask {address}: a worker cannot import sdd_bench ({error}). Install it there.") from error
    if not versions:
        raise ConfigError(f"--dask {address}: the scheduler has no workers. Start some with: dask worker {address}.")


def run(
    executor: Executor, function: Callable[[T], R], tasks: Iterable[T], *, window: int = 4
) -> Iterator[tuple[T, R | Exception]]:
    """Call ``function`` on every task; yield ``(task, result)`` in the order they finish.

    At most ``window`` tasks are under way, so memory stays bounded. An exception of a task is yielded in
    place of its result and the others go on.

    Raises:
        SddBenchError: A worker process died (the tasks that were under way are named).
    """
    pending: dict[Future[R], T] = {}
    waiting = iter(tasks)
    try:
        while True:
            for task in itertools.islice(waiting, window - len(pending)):
                pending[executor.submit(function, task)] = task
            if not pending:
                return
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                outcome = _outcome(future, pending.values())
                yield pending.pop(future), outcome
    finally:
        for future in pending:
            future.cancel()


def _outcome(future: Future[R], under_way: Collection[object]) -> R | Exception:
    error = future.exception()
    # Dask's own error is known by its name, so that Dask need not be there.
    if isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker":
        names = ", ".join(str(task)[:80] for task in under_way)
        raise SddBenchError(
            f"a worker process died (killed, or out of memory) while these were under way: {names}. "
            "What was finished is kept; run the same command again, with fewer --jobs if memory was short."
        ) from error
    if isinstance(error, Exception):
        return error
    if error is not None:
        raise error
    return future.result()
