"""A store of files that can be made again: what it takes for whole, and what leaves."""

import os
from pathlib import Path

import pytest

from sdd_bench.core.storage.store import Store, open_store

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
CONTENT = bytes(range(256)) * 4
FILE_BYTES = 1024 + len('{"kind": "flow", "key": "", "sha256": ""}\n') + 2 * 64


def _names(store: Store) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def _used_before(store: Store, *keys: str) -> None:
    """Set the last use of files an hour and more back, the first key the longest."""
    for number, key in enumerate(keys):
        seconds = store.begun_ns // 10**9 - 3600 * (len(keys) - number)
        os.utime(store.folder / f"{key}.flow", (seconds, seconds))


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    store = open_store(tmp_path / "deep/store", 10**6)
    store.keep("flow", A, CONTENT)
    assert store.read("flow", A, at_most=1024) == CONTENT
    assert store.read("flow", B, at_most=1024) is None
    assert store.read("scores", A, at_most=1024) is None
    assert _names(store) == [f"{A}.flow"]


def test_a_change_of_any_byte_makes_the_file_count_as_missing(tmp_path: Path) -> None:
    store = open_store(tmp_path, 10**6)
    store.keep("flow", A, CONTENT)
    path = tmp_path / f"{A}.flow"
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert store.read("flow", A, at_most=1024) is None, position
    for part in (b"", whole[:50], whole[:-1], whole + b"\n", b"\n" + whole):
        path.write_bytes(part)
        assert store.read("flow", A, at_most=1024) is None
    store.keep("flow", A, CONTENT)
    assert path.read_bytes() == whole


def test_a_file_under_the_name_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    store = open_store(tmp_path, 10**6)
    store.keep("flow", A, CONTENT)
    (tmp_path / f"{A}.flow").rename(tmp_path / f"{B}.flow")
    assert store.read("flow", B, at_most=1024) is None


def test_only_regular_files_of_a_plausible_size_are_opened(tmp_path: Path) -> None:
    store = open_store(tmp_path, 10**6)
    os.mkfifo(tmp_path / f"{A}.flow")  # to open it would wait for ever
    (tmp_path / f"{B}.flow").symlink_to("/dev/zero")
    (tmp_path / f"{C}.flow").mkdir()
    store.keep("scores", A, CONTENT)
    assert [store.read("flow", key, at_most=1024) for key in (A, B, C)] == [None] * 3
    assert store.read("scores", A, at_most=1024) == CONTENT
    assert store.read("scores", A, at_most=4) is None
    store.keep("flow", C, CONTENT)
    assert (tmp_path / f"{C}.flow").is_dir()


def test_the_least_recently_used_leave_first(tmp_path: Path) -> None:
    store = open_store(tmp_path, 2 * FILE_BYTES)
    for key in (A, B):
        store.keep("flow", key, CONTENT)
    assert sum(entry.n_bytes for entry in store.entries()) == store.limit
    _used_before(store, A, B)
    assert store.read("flow", A, at_most=1024) == CONTENT  # now B is the one that was not used for longest
    later = open_store(tmp_path, 2 * FILE_BYTES)
    _used_before(later, B, A)
    later.keep("flow", C, CONTENT)
    assert _names(later) == [f"{A}.flow", f"{C}.flow"]


def test_what_the_running_work_has_used_does_not_leave(tmp_path: Path) -> None:
    store = open_store(tmp_path, 2 * FILE_BYTES)
    for key in (A, B):
        store.keep("flow", key, CONTENT)
    _used_before(store, A, B)
    for key in (A, B):
        assert store.read("flow", key, at_most=1024) == CONTENT
    store.keep("flow", C, CONTENT)
    assert _names(store) == [f"{A}.flow", f"{B}.flow"]
    store.keep("flow", A, CONTENT)
    assert len(_names(store)) == 2, "a file makes room for itself"


def test_nothing_leaves_for_a_file_that_does_not_fit_at_all(tmp_path: Path) -> None:
    store = open_store(tmp_path, 2 * FILE_BYTES)
    store.keep("flow", A, CONTENT)
    _used_before(store, A)
    store.keep("flow", B, CONTENT * 4)
    assert _names(store) == [f"{A}.flow"]


def test_other_files_in_the_folder_are_let_be(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(CONTENT)
    (tmp_path / f"{A[:-1]}.flow").write_bytes(CONTENT)
    store = open_store(tmp_path, FILE_BYTES)
    store.keep("flow", A, CONTENT)
    removed, problems = store.clear()
    assert ([entry.path.name for entry in removed], problems) == ([f"{A}.flow"], [])
    assert _names(store) == [f"{A[:-1]}.flow", "photo.png"]


def test_clear_leaves_no_folder_and_needs_none(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", 10**6)
    store.keep("flow", A, CONTENT)
    assert len(store.clear()[0]) == 1
    assert not store.folder.exists()
    assert store.clear() == ([], [])
    store.keep("flow", A, CONTENT)
    assert store.read("flow", A, at_most=1024) == CONTENT, "it may be cleared while it is used"


def test_what_a_killed_process_left_goes_after_an_hour(tmp_path: Path) -> None:
    old, new = (tmp_path / f".{digit * 32}.partial" for digit in "01")
    for path in (old, new):
        path.write_bytes(CONTENT)
    seconds = old.stat().st_mtime - 3700
    os.utime(old, (seconds, seconds))
    open_store(tmp_path, 10**6)
    assert list(tmp_path.iterdir()) == [new]


def test_a_folder_that_cannot_be_written_to_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path, 10**6).keep("flow", A, CONTENT)

    def refuse(folder: Path) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("sdd_bench.core.storage.store._time_of", refuse)
    store = open_store(tmp_path, 10**6)
    assert not store.writable
    assert store.read("flow", A, at_most=1024) == CONTENT
    store.keep("flow", B, CONTENT)
    assert _names(store) == [f"{A}.flow"]


def test_a_folder_that_cannot_be_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, reason in (
        (tmp_path / "file", "File exists"),
        (tmp_path / "file/below", "Not a directory"),
        (Path("/proc/none"), "No such file"),
    ):
        with pytest.raises(OSError, match=reason):
            open_store(folder, 1)


def test_a_failure_to_write_is_no_error(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", 10**6)
    store.folder.rmdir()
    store.folder.touch()
    store.keep("flow", A, CONTENT)
    assert store.read("flow", A, at_most=1024) is None
