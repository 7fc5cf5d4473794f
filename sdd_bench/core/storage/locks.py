"""Locks between processes, on this machine and on others that share the folder.

The lock is on a file that is open for writing: a lock on a folder would hold on one machine only when the folder is on
a network file system. The operating system releases the lock of a process that dies. Who waits for more than
five seconds says in one line for what.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sdd_bench.core.errors import OutputError, reason_of
from sdd_bench.core.storage.files import output_errors

_SILENT_S = 5.0
"""Seconds of waiting before it is said for what."""
_LOG = logging.getLogger(__name__)


class LockedError(OutputError):
    """Another process kept a lock for longer than the caller waits."""


@contextmanager
def locked(
    path: Path, what: str, *, at_most_s: float = math.inf, on_wait: Callable[[], object] | None = None
) -> Iterator[None]:
    """Hold the lock on the file ``path`` while the ``with`` block runs; the file stays.

    Args:
        path: File to lock; it is made where missing, with its folder.
        what: What the lock guards, for messages: "the table x.csv".
        at_most_s: Seconds to wait.
        on_wait: Called again and again while another process holds the lock; an error that it raises ends the wait.

    Raises:
        LockedError: Another process kept the lock for longer.
        OutputError: The file cannot be made, or its file system has no locks.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder, ".lock"), "the folder"):
        ...     Path(folder, ".lock").exists()
        True
    """
    lock = FileLock(path)
    _acquire(lock, path, what, at_most_s, on_wait or (lambda: None))
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path, what: str, at_most_s: float, on_wait: Callable[[], object]) -> None:
    def is_given_up() -> bool:
        on_wait()
        return False

    try:
        with output_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=min(_SILENT_S, at_most_s), cancel_check=is_given_up)
                return
            except Timeout:
                if at_most_s > _SILENT_S:
                    _LOG.warning("waiting for another process that holds %s (lock %s)", what, path)
                    left = at_most_s - _SILENT_S if math.isfinite(at_most_s) else -1
                    lock.acquire(timeout=left, cancel_check=is_given_up)
                    return
                raise
    except Timeout as error:
        raise LockedError(f"{path}: another process holds {what}. Wait for it.") from error
    except OSError as error:
        raise OutputError(
            f"{path.parent}: cannot be locked ({reason_of(error)}). Choose a folder on a file system with locks."
        ) from error
