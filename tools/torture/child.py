"""One attempt in a process of its own: how it ended, what it said, and the memory it took.

Processes are forked, so that torch is imported once and not by every attempt. Nothing computes in the parent: a fork
inherits no thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CRASHED = 70
"""Exit status of a process whose work raised what no command lets through."""
_PR_SET_CHILD_SUBREAPER = 36
_STRAYS_S = 30.0
"""Patience with workers whose parent was killed, in seconds."""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int
    """Exit status; negative: the signal that ended it."""
    text: str
    """What it wrote to stdout and stderr."""
    seconds: float
    peak_mib: float
    """Most resident memory of the process and of those it waited for."""
    late: bool = False
    """Whether it was killed because its time was up."""
    strays: int = 0
    """Processes of its own that outlived it, all of which were killed."""

    @property
    def is_line(self) -> bool:
        """Whether it said what is wrong in one line; what it says of its input comes before."""
        lines = self.text.strip().splitlines()
        return sum(line.startswith("error:") for line in lines) == 1 and lines[-1].startswith("error:")

    @property
    def unclear(self) -> str:
        """What is wrong with how it said what is wrong; empty if nothing is."""
        if self.late:
            return f"hung for {self.seconds:.0f} s"
        if self.strays:
            return f"left {self.strays} processes behind"
        if "Traceback" in self.text or self.status == CRASHED:
            return f"traceback: {self.text.strip().splitlines()[-1][:200]}"
        if self.status < 0:
            return f"died of signal {-self.status}"
        if self.status not in (0, 1, 2):
            return f"exit status {self.status}"
        if self.status == 2 and not any(line.startswith(("error:", "Error:")) for line in self.text.splitlines()):
            return f"exit status 2 without an error: {self.text[-200:]!r}"
        return ""


def reap_strays() -> None:
    """Become the parent of processes whose parent dies, so that they are seen. Call once."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(
    work: Callable[[], object],
    log: Path,
    *,
    seconds: float = 120.0,
    killed_after: float | None = None,
    group: bool = False,
) -> Ended:
    """Call ``work`` in a child process and wait for its end.

    Args:
        work: What to do; ``SystemExit`` gives the status.
        log: File for what it prints.
        seconds: Time after which it is killed.
        killed_after: Seconds after which it gets SIGKILL on purpose.
        group: Whether that SIGKILL goes to its own workers, too.
    """
    return wait_for(start(work, log), log, seconds=seconds, killed_after=killed_after, group=group)


def start(work: Callable[[], object], log: Path) -> int:
    """Call ``work`` in a child process, a group of its own; returns its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        with suppress(OSError):
            os.setpgid(child, child)
        return child
    status = CRASHED
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        work()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    raise AssertionError


def wait_for(
    child: int, log: Path, *, seconds: float = 120.0, killed_after: float | None = None, group: bool = False
) -> Ended:
    """Wait for the end of a process from :func:`start`."""
    begun, late, pause = time.monotonic(), False, 0.002
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        taken = time.monotonic() - begun
        if found:
            break
        if killed_after is not None and taken >= killed_after:
            (os.killpg if group else os.kill)(child, signal.SIGKILL)
            killed_after = None
        if taken > seconds:
            late = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(pause)
        pause = min(0.02, pause * 1.5)
    strays = _strays(child, patience=0.0 if late else _STRAYS_S)
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return Ended(os.waitstatus_to_exitcode(status), text, taken, usage.ru_maxrss / 1024, late, strays)


def _strays(group: int, patience: float) -> int:
    """Wait until no process of a group is left; kill those that stay, and count them."""
    begun, killed = time.monotonic(), 0
    while True:
        try:
            while os.waitpid(-group, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return killed
        if time.monotonic() - begun > patience:
            killed += not killed
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        time.sleep(0.02)
