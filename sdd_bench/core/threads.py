"""How many threads compute: what the cores allow and ``--threads`` says at most, and no more than a picture is worth.

Threads of torch and of OpenCV wait for each other after every layer and every filter. On a picture of 384x256 two of
them are no faster than one, and take a quarter more of the processor (tools/bench/threads.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PIXELS_PER_THREAD = 1 << 17
"""What one thread does alone: pictures below twice this many pixels have one thread."""


def cores() -> int:
    """Threads that this process may keep busy: ``OMP_NUM_THREADS``, else the cores that it may run on.

    Of a list (``4,2``: a number per level of nesting) the first counts; a text that is no number counts as absent.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else usable_cores()


def usable_cores() -> int:
    """Cores that this process may run on: all of the machine's, or those that the system gives it (``taskset``)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allow_threads(most: int) -> None:
    """Let this process, and those that it starts, compute with ``most`` threads at most."""
    os.environ["OMP_NUM_THREADS"] = str(most)
    os.environ["OPENCV_FOR_THREADS_NUM"] = str(most)
    if "torch" in sys.modules:  # it has read the environment already
        sys.modules["torch"].set_num_threads(most)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(most)


def threads_for(pixels: int, most: int) -> int:
    """Threads for a picture of so many pixels: one for each :data:`PIXELS_PER_THREAD`, 1 to ``most``.

    Example:
        >>> threads_for(384 * 256, 2), threads_for(4096 * 2160, 2), threads_for(4096 * 2160, 16)
        (1, 2, 16)
    """
    return max(1, min(most, pixels // PIXELS_PER_THREAD))


@contextmanager
def few_threads(pixels: int) -> Iterator[None]:
    """Work on a picture of so many pixels with :func:`threads_for` threads of torch and OpenCV, never more than now.

    Example:
        >>> import torch
        >>> with few_threads(pixels=64 * 64):
        ...     torch.get_num_threads()
        1
    """
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads_for(pixels, before[0]))
    cv2.setNumThreads(threads_for(pixels, before[1]))
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
