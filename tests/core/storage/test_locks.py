"""One process at a time; who waits long says for what, and a file system without locks is an error, not a wait."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from sdd_bench.core.errors import OutputError
from sdd_bench.core.storage import locks
from sdd_bench.core.storage.locks import LockedError, locked


def test_a_long_wait_says_once_for_what_and_then_gets_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locks, "_SILENT_S", 0.05)
    held, end = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(tmp_path / ".lock", "the table"):
            held.set()
            end.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.3, end.set).start()
    with caplog.at_level(logging.WARNING), locked(tmp_path / ".lock", "the table x.csv"):
        assert end.is_set()
    holder.join()
    (record,) = caplog.records
    assert record.getMessage() == (
        f"waiting for another process that holds the table x.csv (lock {tmp_path / '.lock'})"
    )


def test_a_lock_that_is_free_is_taken_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with locked(tmp_path / "new" / ".lock", "the folder"):
        pass
    assert caplog.records == []


def test_who_does_not_wait_is_told_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    begun = time.monotonic()
    lock, held = tmp_path / ".lock", "another process holds a"
    with locked(lock, "a"), pytest.raises(LockedError, match=held), locked(lock, "a", at_most_s=0):
        pass
    assert time.monotonic() - begun < locks._SILENT_S
    assert caplog.records == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_an_error_at_once(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    message = r"cannot be locked \(.*\)\. Choose a folder on a file system with locks"
    with pytest.raises(OutputError, match=message), locked(tmp_path / ".lock", "a"):
        pass


def test_every_lock_of_the_package_is_this_one() -> None:
    package = Path(locks.__file__).parents[2]
    users = [path for path in package.rglob("*.py") if "filelock" in path.read_text(encoding="utf-8")]
    assert [path.relative_to(package).as_posix() for path in users] == ["core/storage/locks.py"]
