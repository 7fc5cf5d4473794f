"""A full disk: a small tmpfs where root may mount one, a limit on the size of files, an error at a chosen point."""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.torture import faults
from tools.torture.child import Ended, run
from tools.torture.commands import COMMANDS, Bench, Command
from tools.torture.kinds import Result, outcome_of, random_of
from tools.torture.outcome import left_over

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE, _MS_REMOUNT = 0x4000, 0x40000, 0x20
_ROOMY = 256 << 20
_COMMANDS = {command.name: command for command in COMMANDS}


class FullDisks:
    """The command ends with one clear line and no half-written file; with room, the same command ends as ever."""

    name, share = "full-disk", 3.0

    def __init__(self, bench: Bench, commands: tuple[Command, ...] = COMMANDS) -> None:
        self._bench, self._commands = bench, commands
        self._ways: dict[str, Callable[[Command, Path, int], Ended]] = {"point": self._point, "limit": self._limit}
        self._has_mounts = run(lambda: _mount(bench.root, 1 << 20), bench.root / "log.txt").status == 0

    def names(self, seed: int) -> Iterator[str]:
        """``COMMAND/WAY-NUMBER``: every command in turn, each time in another way."""
        ways = [*self._ways, *(["tmpfs"] if self._has_mounts else [])]
        number = 0
        for turn in itertools.count():
            for command in self._commands:
                yield f"{command.name}/{ways[(number + turn) % len(ways)]}-{number}"
                number += 1

    def attempt(self, name: str, seed: int) -> Result:
        """Fill the disk, look, make room, run again, compare."""
        what, rest = name.split("/")
        way = rest.split("-")[0]
        command, rng = _COMMANDS[what], random_of(seed, name)
        place = self._bench.place(command)
        if way == "tmpfs":
            self._bench.expected(command)
            room = int(rng.integers(4, 400)) << 10
            log = place.with_suffix(".log")
            reason = run(lambda: self._within(command, place, room), log).text.strip()
            log.unlink(missing_ok=True)
        else:
            ended = self._ways[way](command, place, int(rng.integers(1, 60 if way == "point" else 40_000)))
            reason = _fault(ended, place) or self._bench.finish(command, place)
        shutil.rmtree(place, ignore_errors=True)
        return outcome_of(name, reason)

    def _point(self, command: Command, place: Path, number: int) -> Ended:
        work = self._bench.work(command, place)

        def full() -> None:
            faults.watch(place, faults.full_at(number))
            work()

        return run(full, place / "log.txt")

    def _limit(self, command: Command, place: Path, n_bytes: int) -> Ended:
        work = self._bench.work(command, place)

        def limited() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
            work()

        return run(limited, place.with_suffix(".log"))

    def _within(self, command: Command, place: Path, room: int) -> None:
        """All in a process with a mount of its own; prints what fell."""
        kept = {name: (place / name) for name in command.copies}
        for path in kept.values():
            shutil.copytree(path, place.with_name(f"{place.name}-{path.name}"))
        taken = sum(path.stat().st_size for path in place.rglob("*"))
        _mount(place, taken * 2 + room)
        for path in kept.values():
            shutil.move(place.with_name(f"{place.name}-{path.name}"), path)
        log = place.with_suffix(".inner")
        reason = _fault(run(self._bench.work(command, place), log), place)
        _mount(place, _ROOMY, again=True)
        print(reason or self._bench.finish(command, place))
        log.unlink(missing_ok=True)


def _fault(ended: Ended, place: Path) -> str:
    """What is wrong after a command met a full disk."""
    if ended.unclear:
        return ended.unclear
    if ended.status == 0:
        return ""
    if left := left_over(place):
        return f"left {', '.join(left[:3])} ({len(left)}) after: {ended.text.strip()[-200:]}"
    return ""


def _mount(place: Path, n_bytes: int, *, again: bool = False) -> None:
    """A tmpfs of so many bytes at ``place``, seen by this process alone."""
    library = ctypes.CDLL(None, use_errno=True)
    calls = [] if again else [
        lambda: library.unshare(_CLONE_NEWNS),
        lambda: library.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None),
    ]  # fmt: skip
    flags = _MS_REMOUNT if again else 0
    calls.append(lambda: library.mount(b"tmpfs", os.fsencode(place), b"tmpfs", flags, f"size={n_bytes}".encode()))
    for call in calls:
        if call():
            raise OSError(ctypes.get_errno(), "no mount")
