"""Peak resident memory of a piece of work in this process (Linux)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def _status_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def peak_mib(work: Callable[[], object]) -> float:
    """How far ``work`` raises resident memory above what it is before, in MiB."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    before = _status_mib("VmRSS")
    work()
    return _status_mib("VmHWM") - before
