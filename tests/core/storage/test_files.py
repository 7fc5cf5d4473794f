"""Files are never half-written."""

import errno
import json
import os
from pathlib import Path

import pytest

from sdd_bench.core.errors import OutputError
from sdd_bench.core.storage.files import (
    output_errors,
    sealed,
    sha256_of,
    write_json,
    write_text,
)


def test_a_sealed_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.bin"
    with sealed(target) as partial:
        partial.write_bytes(b"abc")
        assert not target.exists()
    assert target.read_bytes() == b"abc"
    assert os.listdir(target.parent) == ["file.bin"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    flush, rename = os.fsync, os.replace

    def flushing(descriptor: int) -> None:
        steps.append(("flushed", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        flush(descriptor)

    def renaming(old: Path, new: Path) -> None:
        steps.append(("renamed", Path(new).name))
        rename(old, new)

    monkeypatch.setattr(os, "fsync", flushing)
    monkeypatch.setattr(os, "replace", renaming)
    with sealed(tmp_path / "file.txt") as partial:
        partial.write_text("whole")
    assert steps == [("flushed", "file.txt.partial"), ("renamed", "file.txt"), ("flushed", tmp_path.name)]


def test_an_error_leaves_what_stood_there(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), sealed(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_file_in_the_way_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    with pytest.raises(OutputError, match=r"in the way.*Remove it or choose another output"):
        write_text(tmp_path / "folder" / "file.txt", "x")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left.*free space and run again"),
        (errno.EROFS, "not writable"),
        (errno.EACCES, "not writable"),
        (errno.ENAMETOOLONG, "the name is too long"),
    ],
)
def test_the_systems_refusals_say_what_to_do(number: int, words: str) -> None:
    with pytest.raises(OutputError, match=f"out.h5: {words}"), output_errors(Path("out.h5")):
        raise OSError(number, os.strerror(number))


def test_a_name_too_long_is_said_and_not_hidden_by_cleaning_up(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="too long"):
        write_text(tmp_path / ("n" * 250), "x")


def test_two_that_write_one_file_at_once_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "new" / "shared.bin"
    with sealed(target, shared=True) as first, sealed(target, shared=True) as second:
        first.write_bytes(b"same")
        second.write_bytes(b"sa")
        assert first.read_bytes() == b"same"
        second.write_bytes(b"same")
    assert [(path.name, path.read_bytes()) for path in target.parent.iterdir()] == [("shared.bin", b"same")]
    with pytest.raises(ZeroDivisionError), sealed(target, shared=True) as partial:
        partial.write_bytes(bytes([1 // 0]))
    assert [path.name for path in target.parent.iterdir()] == ["shared.bin"]


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "value.json"
    write_json(target, {"b": 1, "a": 2})
    with pytest.raises(ValueError):
        write_json(target, float("nan"))
    assert target.read_text() == '{\n  "b": 1,\n  "a": 2\n}\n'


def test_sha256_is_the_known_one(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("kind", ["pipe", "device", "link"])
def test_what_is_no_regular_file_is_not_hashed(tmp_path: Path, kind: str) -> None:
    """It may never end."""
    path = tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        sha256_of(Path("/dev/zero") if kind == "device" else path)


def test_json_holds_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xc3\xa9")
    write_json(tmp_path / "a.json", {"name": name})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": name}
    assert "\\udce9 é" in (tmp_path / "a.json").read_text(encoding="utf-8")
