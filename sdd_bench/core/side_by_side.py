"""Threads of one process: how many a piece of work may take, and pieces of work side by side.

NumPy, OpenCV, torch and compiled passes release Python's lock, so threads of Python share the cores. Two pieces of
work, each on half of the cores, wait for each other less than one piece that is split at every step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sdd_bench.core.threads import cores

Work = Callable[[], Any]


def threads_here() -> int:
    """Threads that work in the present thread may take: as torch has it, once it is imported.

    Example:
        >>> threads_here() >= 1
        True
    """
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None and hasattr(torch, "get_num_threads") else cores()


def side_by_side(*pieces: Work, spare: int = 0) -> list[Any]:
    """The results of several pieces of work, which are called in their order, as many at once as there are threads.

    A piece may not depend on another. With one thread, or one piece, they are called here.

    Args:
        pieces: The work.
        spare: Pieces called at once beyond the threads: those that wait for files, or for Python's lock.

    Raises:
        Exception: The error of the first piece that failed; what was begun is finished first, the rest is left.

    Example:
        >>> side_by_side(lambda: 1, lambda: 2)
        [1, 2]
    """
    threads = threads_here()
    at_once = min(threads + spare, len(pieces))
    if threads < 2 or at_once < 2:
        return [piece() for piece in pieces]
    with workers(at_once) as pool:
        return list(pool.map(_call, pieces))


@contextmanager
def workers(at_once: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of ``at_once`` threads that share those of the present one; work is begun in the order it is given in.

    Example:
        >>> with workers(1) as pool:
        ...     pool.submit(pow, 2, 10).result()
        1024
    """
    threads = threads_here()
    try:
        with ThreadPoolExecutor(at_once, initializer=_take, initargs=(max(1, threads // at_once),)) as pool:
            yield pool
    finally:
        _take(threads)  # the last number that torch was told is that of threads to come


def in_strips(rows: int, work: Callable[[int, int], Any], *, size: int, pixels: int) -> list[Any]:
    """Call ``work(first, last)`` for strips of ``rows``; the results in order. The strips do not depend on the threads.

    Args:
        rows: How many there are.
        work: What to do with a strip; releases Python's lock.
        size: Rows of a strip.
        pixels: All that there are; few are not worth a second thread.

    Example:
        >>> in_strips(5, lambda first, last: last - first, size=2, pixels=10)
        [2, 2, 1]
    """
    strips = [(first, min(first + size, rows)) for first in range(0, rows, size)]
    threads = min(threads_here(), len(strips)) if pixels >= _SMALLEST_SHARED else 1
    if threads < 2:
        return [work(*strip) for strip in strips]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda strip: work(*strip), strips))


_SMALLEST_SHARED = 1 << 16
"""Pixels below which threads wait for each other more than they compute."""


def _call(piece: Work) -> Any:
    return piece()


def _take(threads: int) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(threads)
