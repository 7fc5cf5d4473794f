"""Fault points: the n-th time that this process is about to change something below a folder.

They are the audit events of Python (a file is opened to be written, renamed, removed; a folder is made or removed) and
calls of ``os.fsync``. Nothing is built into the package for them, so they cost it nothing.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
_TAKE_SPACE = {"open", "os.mkdir", "os.rename", "fsync"}
"""Points at which a full disk may show; nothing fails for want of space when it is removed."""


def watch(folder: Path, at_point: Callable[[int, str], None]) -> None:
    """Have ``at_point(number, event)`` called before every change below ``folder``, from now on to the end."""
    root, count, busy = f"{folder.resolve()}{os.sep}", 0, False

    def note(event: str, path: Any, folder_descriptor: Any = None) -> None:
        nonlocal count, busy
        if busy:
            return
        inside = isinstance(folder_descriptor, int) and folder_descriptor >= 0
        if not inside and isinstance(path, (str, bytes, os.PathLike)):
            place = os.path.abspath(os.fsdecode(path))
            inside = place.startswith(root) and not place.startswith((f"{root}log", f"{root}cache"))
        if inside:
            busy = True
            count += 1
            try:
                at_point(count, event)
            finally:
                busy = False

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITES:
                note("open", path)
        elif event in _CHANGES:
            note(event, arguments[0], arguments[1] if event in ("os.remove", "os.rmdir") else None)

    sync = os.fsync

    def fsync(descriptor: int) -> None:
        note("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    os.fsync = fsync
    sys.addaudithook(audit)


def kill_at(number: int) -> Callable[[int, str], None]:
    """SIGKILL at a point."""

    def at_point(count: int, event: str) -> None:
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_point


def full_at(number: int) -> Callable[[int, str], None]:
    """No space left from a point on, wherever space is taken."""

    def at_point(count: int, event: str) -> None:
        if count >= number and event in _TAKE_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return at_point


def count_into(file: Path) -> Callable[[int, str], None]:
    """Keep the number of points in a file."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def at_point(count: int, event: str) -> None:
        os.pwrite(descriptor, f"{count:09d}".encode(), 0)

    return at_point
