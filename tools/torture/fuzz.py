"""Damaged files: each is read, or refused by one clear error of the package, within bounded memory and time.

A batch of files is read by one process; if it dies, the file at which it died is known and the others go on.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tools.torture.child import run
from tools.torture.commands import Bench
from tools.torture.kinds import Result, random_of
from tools.torture.readers import READERS, Reader

BATCH = 25
MOST_MIB = 1024.0
"""Memory that reading one of these files (at most some hundred kilobytes) may take."""
MOST_CPU_S = 20.0
"""Processor time after which reading one of these files is taken to have no end."""
_HARD_LIMIT = 8 << 30
_LINE_LENGTH = 1000
"""Characters of a line of a message that can still be read."""


class Fuzz:
    """Readers of the package against damaged files."""

    name, share = "fuzz", 6.0

    def __init__(self, bench: Bench, batch: int = BATCH) -> None:
        self._bench, self._batch = bench, batch
        self._readers = [name for name, reader in READERS.items() if reader.has_input(bench.inputs)]

    def names(self, seed: int) -> Iterator[str]:
        """``READER/FIRST+COUNT``."""
        number = 0
        while True:
            for name in self._readers:
                yield f"{name}/{number}+{self._batch}"
            number += self._batch

    def attempt(self, name: str, seed: int) -> Result:
        """Read a batch, from its first file to its last, whatever happens between."""
        what, rest = name.split("/")
        first, _, count = rest.partition("+")
        at, end = int(first), int(first) + int(count or 1)
        result, place = Result(end - at), self._bench.place()
        while at < end:
            notes, begun = place / "log-notes", at
            notes.write_text("")
            work = partial(self._read, what, range(begun, end), seed, place, notes)
            ended = run(work, place / "log.txt", seconds=600)
            lines = [json.loads(line) for line in notes.read_text().splitlines()]
            result.falls += [(f"{what}/{number}", reason) for number, reason in lines if reason]
            at = begun + len(lines)
            if at < end:
                endless = ended.status == -signal.SIGPROF
                reason = f"no end after {MOST_CPU_S:.0f} s of the processor" if endless else ended.unclear
                result.falls.append((f"{what}/{at}", reason or ended.text[-200:] or "the process left"))
                at += 1
        shutil.rmtree(place, ignore_errors=True)
        return result

    def _read(self, what: str, numbers: range, seed: int, place: Path, notes: Path) -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (_HARD_LIMIT, _HARD_LIMIT))
        reader = READERS[what]
        sound = reader.sound(self._bench.inputs)
        with open(notes, "a", buffering=1) as file:
            for number in numbers:
                folder = place / "folder"
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                reader.furnish(folder, self._bench.inputs)
                rng = random_of(seed, f"{what}/{number}")
                damaged = reader.damage(sound[int(rng.integers(len(sound)))], rng)
                file.write(json.dumps([number, judge(reader, folder, damaged)]) + "\n")


def judge(reader: Reader, folder: Path, damaged: bytes) -> str:
    """Read a damaged file; what is wrong with how that went, empty if nothing is."""
    from sdd_bench.core.errors import SddBenchError

    path = folder / reader.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(damaged)
    reader.seal(folder)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of memory so far
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)  # its signal ends the process, whatever a library is in
    before, reason = _mib("VmRSS"), ""
    try:
        reader.read(folder)
    except SddBenchError as error:
        text = str(error)
        if max(map(len, text.split("\n"))) > _LINE_LENGTH or "Traceback" in text:
            reason = f"no clear line but {len(text)} characters: {text[:200]!r}"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)
        own = next((entry for entry in reversed(where) if "sdd_bench" in entry.filename), where[-1])
        reason = f"{type(error).__name__}: {str(error)[:150]} ({own.filename.rpartition('/')[2]}:{own.lineno})"
    signal.setitimer(signal.ITIMER_PROF, 0)
    taken = _mib("VmHWM") - before
    if not reason and taken > MOST_MIB:
        reason = f"took {taken:.0f} MiB for {len(damaged)} bytes"
    return reason


def _mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
