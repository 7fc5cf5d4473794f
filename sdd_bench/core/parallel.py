"""Many items at once, each a picture or a file; the result does not depend on who does the work.

See :mod:`sdd_bench.core.executors` for who.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from sdd_bench.core.errors import ImageError, ManifestError, SddBenchError, ShardError
from sdd_bench.core.executors import DaskExecutor, open_executor
from sdd_bench.core.storage.documents import parse_json
from sdd_bench.core.storage.files import write_json
from sdd_bench.core.types import OnProgress, Problem, Progress

T = TypeVar("T")
R = TypeVar("R")

DASK_WINDOW = 64
"""Tasks under way on a cluster, whatever its size: more than most clusters have workers, few enough for memory."""

_LOOK_S = 2.0
"""How often a cluster is looked at while no task ends."""
_SEAL = "sha256"
"""Field of a sealed record: digest of all its others."""


def run(
    executor: Executor, function: Callable[[T], R], tasks: Iterable[T], *, window: int = 4
) -> Iterator[tuple[T, R | Exception]]:
    """Call ``function`` on every task; yield ``(task, result)`` in the order in which tasks finish.

    Args:
        executor: Executor from :func:`open_executor`.
        function: Work to do on one task; importable by the workers.
        tasks: Arguments of ``function``, one per call.
        window: Tasks under way at most, which bounds the memory.

    Yields:
        A task and its result. If the task failed, its exception takes the place of the result; the others go on.

    Raises:
        SddBenchError: A worker process died; the message names the tasks that were under way.

    Example:
        >>> with open_executor() as executor:
        ...     sorted(run(executor, abs, [-1, 2]))
        [(-1, 1), (2, 2)]
    """
    pending: dict[Future[R], T] = {}
    waiting = iter(tasks)
    try:
        while True:
            for task in itertools.islice(waiting, window - len(pending)):
                try:
                    pending[executor.submit(function, task)] = task
                except BrokenProcessPool as error:
                    raise _dead_worker([*pending.values(), task]) from error
            if not pending:
                return
            finished, _ = wait(pending, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            if not finished and isinstance(executor, DaskExecutor):
                executor.check()
            for future in finished:
                try:
                    outcome = _outcome(future, pending.values())
                except CancelledError as error:
                    if isinstance(executor, DaskExecutor):  # Dask cancels all when it loses its scheduler
                        raise executor.lost() from error
                    raise
                yield pending.pop(future), outcome
    finally:
        for future in pending:
            future.cancel()


def _outcome(future: Future[R], under_way: Collection[object]) -> R | Exception:
    error = future.exception()
    # Dask's own error is recognised by its name, because Dask may not be installed.
    if isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker":
        raise _dead_worker(under_way) from error
    if isinstance(error, Exception):
        return error
    if error is not None:
        raise error
    return future.result()


def _dead_worker(under_way: Collection[object]) -> SddBenchError:
    names = ", ".join(str(task)[:80] for task in under_way)
    return SddBenchError(
        f"a worker process died (killed, or out of memory) while these were under way: {names}. "
        "What was finished is kept; run the same command again, with fewer --jobs if memory was short."
    )


def run_sealed(
    function: Callable[[T], R],
    tasks: Sequence[T],
    *,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
    size: Callable[[T], int] = lambda task: 0,
    sight: Path | None = None,
) -> tuple[list[R], list[Problem]]:
    """Call ``function`` on every task, each a picture or a file; a bad file stops no other task.

    ``function`` should seal each result and reuse one that is sealed already (:func:`read_sealed`). Then a killed run
    continues where it stopped.

    Args:
        function: Work to do on one task; importable by the workers.
        tasks: Items to work on; ``str(task)`` is the item's name and must be unique.
        jobs: Number of local processes.
        dask: Address of a Dask scheduler, used in place of local processes.
        on_progress: Callback after every task.
        size: Function that gives the bytes of a task's files, for the rate that the progress shows.
        sight: A file of the input that the workers of a cluster must see.

    Returns:
        The results in the order of the tasks, and the tasks that failed because of their own files, in the same order.

    Raises:
        Exception: The error of a task that concerns the whole run: any but ``ImageError``, ``ManifestError`` and
            ``ShardError``.

    Example:
        >>> run_sealed(abs, [-1, 2])
        ([1, 2], [])
    """
    outcomes: dict[str, R | Problem] = {}
    n_bytes = 0
    with open_executor(jobs, dask, sight=sight) as executor:
        for task, outcome in run(executor, function, tasks, window=DASK_WINDOW if dask else jobs + 1):
            name = str(task)
            if isinstance(outcome, (ImageError, ManifestError, ShardError)):
                outcomes[name] = Problem(name, str(outcome))
            elif isinstance(outcome, Exception):
                raise outcome
            else:
                outcomes[name] = outcome
            if on_progress is not None:
                n_bytes += size(task)
                on_progress(Progress(len(outcomes), len(tasks), n_bytes, name))
    ordered = [outcomes[str(task)] for task in tasks]
    problems = [outcome for outcome in ordered if isinstance(outcome, Problem)]
    return [outcome for outcome in ordered if not isinstance(outcome, Problem)], problems


def write_sealed(path: Path, record: Mapping[str, Any]) -> None:
    """Write ``record``, JSON values with a ``key`` among them, and the sha256 of them all; :func:`read_sealed` checks.

    Raises:
        OutputError: The place is not writable.
    """
    write_json(path, {**record, _SEAL: _seal_of(record)})


def read_sealed(path: Path, key: str, load: Callable[[Any], R]) -> R | None:
    """The result recorded at ``path``, if ``key`` shows that the record is still valid.

    Args:
        path: File from :func:`write_sealed`.
        key: Digest of everything that the record depends on.
        load: Function that makes the result from the JSON object.

    Returns:
        The result, or ``None`` if the record is missing, damaged or has another key, so that it must be computed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.json")
        ...     write_sealed(path, {"key": "k1", "psnr": 30.5})
        ...     [read_sealed(path, key, lambda record: record["psnr"]) for key in ("k1", "k2")]
        [30.5, None]
    """
    try:
        record = parse_json(path.read_bytes(), dict)
        right = record.pop(_SEAL) == _seal_of(record) and record["key"] == key
        return load(record) if right else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _seal_of(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode("ascii")).hexdigest()
