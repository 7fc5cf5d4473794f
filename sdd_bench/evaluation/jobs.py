"""How many processes `evaluate` starts where nobody says: those that end soonest, as far as memory goes.

A process works on a picture with one thread all the time; threads of one process wait for each other. But each has to
start, which takes a core some seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdd_bench.core.errors import SddBenchError
from sdd_bench.core.threads import cores
from sdd_bench.core.types import Pair
from sdd_bench.images.photograph import read_header

_SECONDS_PER_MPX = 4.0
"""What a first method takes of one core (tools/bench/split.py)."""
_WORTH_S = 15.0
"""Work that is worth one more process."""
_BYTES, _BYTES_PER_PIXEL = 1.4 * 2**30, 260
"""What a process takes at its peak: 1.9 GiB at 2048x1080, 3.5 GiB at 4096x2160."""
_SHARE = 0.7
"""Of the memory that is free; the rest is for what else the machine does."""


def fitting_jobs(pairs: Sequence[Pair]) -> int:
    """Processes for the pictures of ``pairs``, of which the first one tells the size; 1 where that cannot be read."""
    try:
        header = read_header(pairs[0].blurry_path)
    except (IndexError, SddBenchError):
        return 1
    pixels = header.stored_width * header.stored_height
    worth = len(pairs) * pixels * 1e-6 * _SECONDS_PER_MPX / _WORTH_S
    room = _SHARE * free_bytes() / (_BYTES + _BYTES_PER_PIXEL * pixels)
    return max(1, int(min(cores(), len(pairs), worth, room)))


def free_bytes(root: Path = Path("/")) -> float:
    """Memory that can be had: what the system says is available, or allows a container; 0 where it says nothing.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    try:
        lines = (root / "proc/meminfo").read_text("ascii").splitlines()
        found = next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return 0.0
    try:
        return min(found, float((root / "sys/fs/cgroup/memory.max").read_text("ascii")))
    except (OSError, ValueError):  # no container, or "max"
        return found
