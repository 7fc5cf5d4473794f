"""Who does the work: this process (``jobs=1``), local processes (``jobs=N``), or a Dask cluster that shares our files.

Local processes leave when their parent is gone. A cluster is checked before the first task (versions, and whether every
worker sees the input), and watched while tasks are under way, because Dask waits for ever for workers that are dead.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from sdd_bench import __version__
from sdd_bench.core import protocol
from sdd_bench.core.errors import ConfigError, SddBenchError, reason_of
from sdd_bench.core.threads import allow_threads, cores, usable_cores

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
"""Names of glibc's malloc.h."""
_NEVER_TRIM = -1
_LIBRARIES = ("numpy", "opencv-python-headless", "torch", "h5py")
"""Libraries whose version may change bytes or figures."""
_PATIENCE_S = 30.0
"""How long a cluster may be without workers or scheduler: a worker that died is started again in less."""


class _SerialExecutor(Executor):
    """Executor that runs each call at once, in this process; after its end it refuses, as processes do."""

    def __init__(self) -> None:
        self._is_open = True

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self._is_open:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._is_open = False


class DaskExecutor(Executor):
    """The executor of a Dask client, with a look at the cluster."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._executor = client.get_executor(pure=False)
        self._well = time.monotonic()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future of ``fn(*args, **kwargs)``."""
        return self._executor.submit(fn, *args, **kwargs)  # type: ignore[no-any-return]

    def check(self) -> None:
        """Call this now and then while tasks are under way.

        Raises:
            SddBenchError: The scheduler, or every worker, has been gone for half a minute.
        """
        try:
            is_well = self._client.status == "running" and bool(self._client.nthreads())
        except Exception:  # whatever the connection's end looks like
            is_well = False
        if is_well:
            self._well = time.monotonic()
        elif time.monotonic() - self._well > _PATIENCE_S:
            raise self.lost()

    def lost(self) -> SddBenchError:
        """The error for a cluster that is gone."""
        return SddBenchError(
            f"--dask {self._address}: the scheduler, or the last worker, is gone. What was finished is kept; start "
            "them and run the same command again."
        )


def reuse_memory() -> None:
    """Let this process keep the memory it frees, for its next picture.

    The C library's default maps every large buffer anew and unmaps it when it is freed: of pictures of 4K, a fifth to
    a third of the processor's time went there. For programs of our own, not for the process of someone who imports us.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # musl has none
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
        library.mallopt(_M_ARENA_MAX, 1)  # memory that one thread frees serves the others


@contextmanager
def no_garbage() -> Iterator[None]:
    """Import in here what takes long: modules stay, so to look for garbage among them is time lost (torch: 0.3 s).

    What there is at its end is never looked at again. For programs of our own, as :func:`reuse_memory`.

    Example:
        >>> with no_garbage():
        ...     import decimal
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.freeze()  # else the first collection would go through all of it
            gc.enable()


@contextmanager
def open_executor(jobs: int = 1, dask: str | None = None, *, sight: Path | None = None) -> Iterator[Executor]:
    """An executor for ``jobs`` local processes, or for the Dask scheduler at address ``dask``.

    Args:
        jobs: Local processes.
        dask: Address of a scheduler.
        sight: A file of the input that every worker of the cluster must see.

    Raises:
        ConfigError: ``jobs`` is below 1, Dask is not installed, nothing answers at its address, or a worker has other
            versions or does not see ``sight``.

    Example:
        >>> with open_executor(jobs=1) as executor:
        ...     executor.submit(pow, 2, 10).result()
        1024
    """
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs}: expected 1 or more.")
    if dask is not None:
        with _dask_executor(dask, sight) as executor:
            yield executor
    elif jobs == 1:
        with _SerialExecutor() as executor:
            yield executor
    else:
        context = multiprocessing.get_context("spawn")
        end, stop = context.Pipe(duplex=False)
        try:
            pool = _Processes(jobs, mp_context=context, initializer=_begin_worker, initargs=(jobs, end))
        except OSError as error:
            raise ConfigError(
                f"--jobs {jobs}: processes cannot be started ({reason_of(error)}). Their locks need room in shared "
                "memory (/dev/shm): make it larger, or run with --jobs 1."
            ) from error
        try:
            yield pool
        except BaseException:  # nobody waits for what is under way; the next run makes it anew
            stop.close()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            stop.close()
            end.close()


class _Processes(ProcessPoolExecutor):
    """Processes that hear nothing of Ctrl-C, not even while they start."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with _undisturbed():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put Ctrl-C off: a process that starts here is whole, and inherits that it is blocked."""
    asked: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number)) if in_main else None
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)  # other threads may have taken the signal meanwhile
        if in_main:
            signal.signal(signal.SIGINT, handler or signal.SIG_DFL)
            if asked:
                signal.raise_signal(signal.SIGINT)


def _begin_worker(jobs: int, end: Connection) -> None:
    """Leave Ctrl-C to the parent, leave when it says so or is gone, and take no more than a share of the cores."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, args=(end,), daemon=True).start()
    allow_threads(max(1, min(cores(), usable_cores() // jobs)))
    reuse_memory()


def _leave_with_parent(end: Connection) -> None:
    """Wait until the parent is gone, or has closed the other end of ``end``."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel, end])
        os._exit(1)


@contextmanager
def _dask_executor(address: str, sight: Path | None) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError("--dask needs Dask: pip install 'sdd-bench[dask]'.") from error
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"--dask {address}: no Dask scheduler answers there ({reason_of(error)}). Start one with: dask scheduler."
        ) from error
    try:
        _check_workers(client, address, sight)
        yield DaskExecutor(client, address)
    finally:
        client.close(timeout=2)


def facts(sight: str | None) -> dict[str, str | None]:
    """What results depend on beside the task: versions, and the size of the file ``sight`` or "missing".

    Example:
        >>> facts(None)["sdd_bench"] == __version__
        True
    """
    found: dict[str, str | None] = {"sdd_bench": __version__, "protocols": str(protocol.numbers())}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = None
    if sight is not None:
        found[sight] = f"{os.path.getsize(sight)} bytes" if os.path.isfile(sight) else "missing"
    return found


def _check_workers(client: Any, address: str, sight: Path | None) -> None:
    """Ask every worker for its facts, and first to import us: Dask waits for ever for one that cannot."""
    probe = None if sight is None else str(sight.absolute())
    ours = facts(probe)
    try:
        client.run(import_module, __name__)
        theirs = client.run(facts, probe)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"--dask {address}: a worker cannot import sdd_bench {__version__} ({reason_of(error)}). Install it there."
        ) from error
    if not theirs:
        raise ConfigError(f"--dask {address}: the scheduler has no workers. Start some with: dask worker {address}.")
    for worker, found in theirs.items():
        for name, value in ours.items():
            if found.get(name) != value:
                step = "Workers must share the file system." if name == probe else "Install the same there."
                raise ConfigError(
                    f"--dask {address}: the worker {worker} has another {name}: {found.get(name)}, here {value}. {step}"
                )
