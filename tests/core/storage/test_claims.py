"""Claiming an output folder."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import signal
import threading
import warnings
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from sdd_bench.core.errors import ConfigError, OutputError
from sdd_bench.core.storage.claims import LOCK, alone_in, begin


def _hold(folder: Path, held: Event, leave: Event) -> None:
    with alone_in(folder):
        held.set()
        leave.wait(60)


def test_one_run_at_a_time_writes_into_a_folder_and_the_lock_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with alone_in(out), pytest.raises(OutputError, match="out: another run is writing here. Wait"), alone_in(out):
        pass
    assert list(out.iterdir()) == []
    with pytest.raises(ZeroDivisionError), alone_in(out):
        _ = 1 / 0
    assert list(out.iterdir()) == []
    with alone_in(out):
        pass


def test_what_is_locked_is_a_file_that_other_machines_see(tmp_path: Path) -> None:
    with alone_in(tmp_path), open(tmp_path / LOCK, "r+b") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_lock_that_cannot_be_had_is_not_told_as_another_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OutputError, match=rf"cannot be locked \({os.strerror(number)}\)"), alone_in(tmp_path):
        pass


def test_where_there_are_no_locks_of_the_system_a_file_alone_keeps_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with alone_in(tmp_path), pytest.raises(OutputError, match="another run is writing"), alone_in(tmp_path):
            pass
        assert list(tmp_path.iterdir()) == []
        with alone_in(tmp_path):
            pass


def test_a_killed_run_frees_its_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, leave = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path, held, leave))
    process.start()
    assert held.wait(60)
    with pytest.raises(OutputError, match="another run"), alone_in(tmp_path):
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with alone_in(tmp_path):
        begin(tmp_path, "seal.json", {}, what="a run")
    assert [path.name for path in tmp_path.iterdir()] == ["seal.json"]


def test_many_at_once_are_never_two_at_a_time(tmp_path: Path) -> None:
    inside, most, entered = 0, 0, 0
    guard = threading.Lock()

    def try_often() -> None:
        nonlocal inside, most, entered
        for _ in range(200):
            try:
                with alone_in(tmp_path):
                    with guard:
                        inside, entered = inside + 1, entered + 1
                        most = max(most, inside)
                    with guard:
                        inside -= 1
            except OutputError:
                pass

    threads = [threading.Thread(target=try_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)
    assert entered > 10


def test_a_folder_stays_what_it_was_begun_as(tmp_path: Path) -> None:
    ours = {"schema": 1, "seed": 3, "sizes": (1, 2), "options": {"warp": "exact", "crop": 0}, "data_sha256": "ab"}
    begin(tmp_path, "seal.json", ours, what="a run")
    content = (tmp_path / "seal.json").read_bytes()
    assert json.loads(content) == ours | {"sizes": [1, 2]}
    (tmp_path / "result.png").touch()
    assert begin(tmp_path, "seal.json", ours, what="a run") == ours | {"sizes": [1, 2]}
    with pytest.raises(ConfigError) as caught:
        other = ours | {"seed": None, "options": {"warp": "released", "crop": 0, "new": True}, "data_sha256": "cd"}
        begin(tmp_path, "seal.json", other, what="a run", digests={"data_sha256": "the data are others"})
    assert str(caught.value) == (
        f"{tmp_path}: holds a run that was begun differently (seed was 3, now None; warp was 'exact', now 'released'; "
        "new was None, now True; the data are others). Run with what it was, or choose another output folder."
    )
    assert (tmp_path / "seal.json").read_bytes() == content


def test_a_key_that_is_no_longer_there_differs_and_one_set_aside_does_not(tmp_path: Path) -> None:
    (tmp_path / "seal.json").write_text('{"seed": 1, "old": 2, "pictures": {"a": "b"}}')
    with pytest.raises(ConfigError, match=r"\(old was 2, now None\)"):
        begin(tmp_path, "seal.json", {"seed": 1}, what="a run", aside=("pictures",))
    found = begin(tmp_path, "seal.json", {"seed": 1, "old": 2}, what="a run", aside=("pictures",))
    assert found["pictures"] == {"a": "b"}


def test_differences_of_thousands_of_numbers_are_told_in_short(tmp_path: Path) -> None:
    begin(tmp_path, "seal.json", {"table": [], **{f"k{n}": 0 for n in range(50)}}, what="a run")
    with pytest.raises(ConfigError, match="and 43 more") as caught:
        begin(tmp_path, "seal.json", {"table": [0.125] * 9000, **{f"k{n}": 1 for n in range(50)}}, what="a run")
    assert len(str(caught.value)) < 1000


def test_a_folder_of_something_else_is_refused_and_what_a_killed_run_left_is_not(tmp_path: Path) -> None:
    (tmp_path / "seal.json.partial").touch()
    (tmp_path / ".parts").mkdir()
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputError, match=r"holds thesis.tex and is not a set \(has no .parts/seal.json\)"):
        begin(tmp_path, ".parts/seal.json", {"seed": 1}, what="a set")
    (tmp_path / "thesis.tex").unlink()
    begin(tmp_path, ".parts/seal.json", {"seed": 1}, what="a set")


def test_where_nothing_of_worth_was_made_other_options_take_over(tmp_path: Path) -> None:
    begin(tmp_path, "seal.json", {"seed": 1}, what="a set")
    (tmp_path / "left.h5").touch()
    begin(tmp_path, "seal.json", {"seed": 2}, what="a set", afresh=True)
    assert begin(tmp_path, "seal.json", {"seed": 2}, what="a set") == {"seed": 2}


@pytest.mark.parametrize("content", ["", "[]", "3", "{", '["ab"]', "\xff"])
def test_a_damaged_seal_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "seal.json").write_text(content, encoding="latin-1")
    with pytest.raises(OutputError, match=r"seal\.json: damaged"):
        begin(tmp_path, "seal.json", {"seed": 1}, what="a run")
