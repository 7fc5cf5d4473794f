"""Store of files that can be made again: each is checked when it is read, the least recently used leave first.

``FOLDER/KEY.KIND`` is one line of JSON (kind, key, sha256 of the content), then the content. The key is a digest of all
that the content was made from. A reader makes the line anew from what it asks for and what it finds, and compares it
as a whole: after a change of any byte, the file counts as missing.

Nothing is locked, since on some file systems a lock fails or waits for ever. A file appears whole under its name, and
processes that make the same file write the same content.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.core.errors import OutputError, reason_of
from sdd_bench.core.storage.files import sealed
from sdd_bench.core.types import Problem

_NAME = re.compile(r"[0-9a-f]{64}\.(?P<kind>[a-z]+)")
_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.partial")
_HEAD_BYTES = 1024
"""More than the first line ever has: 64 digits twice, and three names."""
_ABANDONED_NS = 3600 * 10**9
"""An hour: no file takes that long to write, so the process that wrote such a partial file was killed."""


@dataclass(frozen=True, order=True)
class Entry:
    """One file of a store."""

    used_ns: int
    """Time of the last use (POSIX, nanoseconds), by the clock of the file system."""
    n_bytes: int
    path: Path
    kind: str
    """Empty for what a killed process left."""


@dataclass(frozen=True)
class Store:
    """A folder of checked files; any number of processes read and write it at once."""

    folder: Path
    limit: int
    """Bytes that the files may take; each process that writes at the same time may exceed it by one file."""
    begun_ns: int = 0
    """What was used from this time on does not leave."""
    writable: bool = True

    def read(self, kind: str, key: str, *, at_most: int) -> bytes | None:
        """The content kept for ``key``.

        Args:
            kind: What the content is: lower-case letters.
            key: Digest (64 hex digits) of all that the content depends on.
            at_most: Bytes; a longer file is not opened.

        Returns:
            None where there is no such file, or it is not what was written.
        """
        path = self._path(kind, key)
        try:
            state = path.stat()
            if not stat.S_ISREG(state.st_mode) or state.st_size > at_most + _HEAD_BYTES:
                return None
            head, _, content = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        if head != _head(kind, key, content):
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def has(self, kind: str, key: str) -> bool:
        """Whether there is a file for ``key``; :meth:`read` says whether it is what was written."""
        return self._path(kind, key).is_file()

    def keep(self, kind: str, key: str, content: bytes) -> None:
        """Keep ``content`` where there is room for it; others leave before it. A failure to write is no error."""
        path = self._path(kind, key)
        data = _head(kind, key, content) + b"\n" + content
        with suppress(OSError, OutputError):
            if self.writable and self._make_room(len(data), path):
                with sealed(path, shared=True) as partial:
                    partial.write_bytes(data)

    def entries(self) -> list[Entry]:
        """All files of the store, the least recently used first; other files in the folder are let be."""
        return sorted(_entries(self.folder))

    def clear(self) -> tuple[list[Entry], list[Problem]]:
        """Remove all files of the store.

        Returns:
            What was removed, and what could not be.
        """
        removed, problems = [], []
        for entry in self.entries():
            try:
                entry.path.unlink(missing_ok=True)
                removed.append(entry)
            except OSError as error:
                problems.append(Problem(str(entry.path), f"cannot be removed ({reason_of(error)})"))
        with suppress(OSError):
            self.folder.rmdir()
        return removed, problems

    def _path(self, kind: str, key: str) -> Path:
        return self.folder / f"{key}.{kind}"

    def _make_room(self, n_bytes: int, path: Path) -> bool:
        """Whether a file of ``n_bytes`` may be written at ``path``, after others have left where needed."""
        others = [entry for entry in self.entries() if entry.path != path]
        in_use = sum(entry.n_bytes for entry in others if entry.used_ns >= self.begun_ns)
        if in_use + n_bytes > self.limit:
            return False
        total = sum(entry.n_bytes for entry in others) + n_bytes
        for entry in others:
            if total <= self.limit:
                break
            entry.path.unlink(missing_ok=True)
            total -= entry.n_bytes
        return total <= self.limit


def open_store(folder: Path, limit: int) -> Store:
    """Open the store in ``folder``, which is made where missing; what killed processes left there goes.

    Where the folder cannot be written to, the store is read only.

    Raises:
        OSError: The folder cannot be used at all.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        begun_ns = _time_of(folder)
    except OSError:
        if not os.access(folder, os.R_OK | os.X_OK) or not folder.is_dir():
            raise
        return Store(folder, limit, writable=False)
    for entry in _entries(folder):
        if not entry.kind and entry.used_ns < begun_ns - _ABANDONED_NS:
            with suppress(OSError):
                entry.path.unlink()
    return Store(folder, limit, begun_ns)


def _time_of(folder: Path) -> int:
    """The present time by the clock of the folder's file system, which may be another machine's."""
    probe = folder / f".{uuid.uuid4().hex}.partial"
    try:
        probe.touch(exist_ok=False)
        return probe.stat().st_mtime_ns
    finally:
        with suppress(OSError):
            probe.unlink()


def _entries(folder: Path) -> Iterator[Entry]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None and not _PARTIAL.fullmatch(name):
            continue
        with suppress(OSError):
            state = os.lstat(folder / name)
            if stat.S_ISREG(state.st_mode):
                yield Entry(state.st_mtime_ns, state.st_size, folder / name, match["kind"] if match else "")


def _head(kind: str, key: str, content: bytes) -> bytes:
    values = {"kind": kind, "key": key, "sha256": hashlib.sha256(content).hexdigest()}
    return json.dumps(values).encode("ascii")
