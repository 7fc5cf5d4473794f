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
from functools import lru_cache
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
_MAPPINGS, _TRIM_BYTES = 65536, 131072
"""Defaults of glibc's M_MMAP_MAX and M_TRIM_THRESHOLD."""
_LIBRARIES = ("numpy", "opencv-python-headless", "torch", "h5py")
"""Libraries whose version may change bytes or figures."""
_PATIENCE_S = 30.0
"""How long a cluster may be without workers or scheduler: a worker that died is started again in less."""
_IDLE_S = 1.0
"""How long a worker of a cluster keeps memory while it has no task of ours."""


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
        return self._executor.submit(_OnCluster(fn), *args, **kwargs)  # type: ignore[no-any-return]

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
    if library := _glibc():
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
        library.mallopt(_M_ARENA_MAX, 1)  # memory that one thread frees serves the others


def _give_memory_back() -> None:
    """Undo :func:`reuse_memory`, and give what is free to the system."""
    if library := _glibc():
        told = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")  # Dask sets it for the workers that it starts
        library.mallopt(_M_MMAP_MAX, _MAPPINGS)
        library.mallopt(_M_TRIM_THRESHOLD, int(told) if told.isdecimal() else _TRIM_BYTES)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return library if hasattr(library, "mallopt") else None  # musl has none


class _Memory:
    """A worker of a cluster is not ours: it keeps memory from one task to the next, and gives it back when none comes.

    Else Dask would count it as the worker's, and give no task to one that is above its limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks = 0
        self._idle: threading.Timer | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._tasks += 1
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
            if self._tasks == 1:
                reuse_memory()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._tasks -= 1
            if not self._tasks:
                self._idle = threading.Timer(_IDLE_S, self._give_back)
                self._idle.daemon = True
                self._idle.start()

    def _give_back(self) -> None:
        with self._lock:
            if not self._tasks:
                _give_memory_back()


_memory = _Memory()


class _OnCluster:
    """``function`` as a worker of a cluster calls it: with its share of the cores, and memory that is kept meanwhile.

    Without a share OpenCV takes all cores, whatever ``OMP_NUM_THREADS`` says.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.__name__ = getattr(function, "__name__", "task")  # Dask keeps times by it

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _take_share_of_cluster()
        with _memory:
            return self._function(*args, **kwargs)


@lru_cache(maxsize=1)
def _take_share_of_cluster() -> None:
    """Once in a worker, which computes as many tasks at once as it has threads."""
    from distributed import get_worker

    _take_share(get_worker().state.nthreads)


def _take_share(sharers: int) -> None:
    """Take no more than a share of the cores, nor more than ``OMP_NUM_THREADS``."""
    allow_threads(max(1, min(cores(), usable_cores() // sharers)))


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
    _take_share(jobs)
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
