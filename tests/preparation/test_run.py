"""Captures to a prepared dataset: what it holds, the same bytes whoever makes it, and going on after a kill."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError, ImageError, ManifestError, OutputError, UnreadableError
from sdd_bench.core.storage.claims import alone_in
from sdd_bench.core.types import Progress, Split
from sdd_bench.optics.coc_map import read_coc, write_coc
from sdd_bench.preparation import load
from sdd_bench.preparation.options import PRESETS, PrepareOptions
from sdd_bench.preparation.patches import choose, sharpness, windows
from sdd_bench.preparation.plan import plan
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.prepared.open import open_dataset

Write = Callable[..., Path]
SMALL = PrepareOptions(resize="none", patch=32, overlap=0.5, pairs_per_shard=2)


def _files(out: Path) -> dict[str, str]:
    """Every file by name, as text where it is text and else as its hash, so that a difference can be read."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): _content(path) for path in files}


def _content(path: Path) -> str:
    content = path.read_bytes()
    return content.decode() if path.suffix in (".csv", ".json") else hashlib.sha256(content).hexdigest()


def _read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)


def test_a_prepared_set_holds_the_chosen_patches_of_every_pair(captures: Path, tmp_path: Path) -> None:
    report = prepare(captures, tmp_path / "out", SMALL)
    # 64x48 with stride 16: 3 columns, 2 rows; one of the six is dropped.
    assert (report.n_pairs, report.n_patches, report.problems, report.was_finished) == (5, 15, (), False)
    manifest = read_manifest(tmp_path / "out")
    assert [row.pair_id for row in manifest.pairs] == ["train/a1", "train/a2", "train/a10", "test/t1", "test/t2"]
    assert [record.name for record in manifest.splits[Split.TRAIN].shards] == ["train-00000.h5", "train-00001.h5"]
    assert [record.n_patches for record in manifest.splits[Split.TRAIN].shards] == [10, 5]
    with h5py.File(tmp_path / "out/train.h5") as file:
        data = {name: file[name][()] for name in ("blurry", "sharp", "pair", "window", "sharpness")}
    assert data["pair"].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    for row, name in enumerate(("a1", "a2", "a10")):
        blurry, sharp = (_read(captures / f"train/{side}/{name}.png") for side in ("blur", "gt"))
        candidates = windows(48, 64, patch=32, overlap=0.5)
        scores = sharpness(sharp, candidates)
        kept = choose(scores, drop=0.3)
        for index, k in zip(np.flatnonzero(data["pair"] == row), kept, strict=True):
            window = candidates[k]
            y, x = window.y, window.x
            assert data["window"][index].tolist() == [y, x, 32, 32]
            assert np.array_equal(data["blurry"][index], blurry[y : y + 32, x : x + 32])
            assert np.array_equal(data["sharp"][index], sharp[y : y + 32, x : x + 32])
            assert data["sharpness"][index] == np.float32(scores[k])


def test_the_manifest_lists_every_file_with_its_hash_and_no_place_or_date(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(captures, out, SMALL)
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    manifest = read_manifest(out)
    listed = {record.name: (record.n_bytes, record.sha256) for record in manifest.files}
    for name, content in files.items():
        if name not in ("croissant.json", "dataset.json", "pairs.csv"):
            assert listed.pop(name) == (len(content), hashlib.sha256(content).hexdigest())
        assert str(tmp_path).encode() not in content
    assert listed == {}
    value = json.loads(files["dataset.json"])
    assert value["pairs_sha256"] == hashlib.sha256(files["pairs.csv"]).hexdigest()
    assert (value["schema"], value["name"], value["bit_depth"], value["color"]) == (1, "captures", 8, "RGB")
    assert value["options"]["patch"] == 32
    first = manifest.pairs[0]
    assert (first.scene, first.group, first.width, first.height, first.bit_depth) == ("s1", "indoor", 64, 48, 8)
    assert first.blurry_path == "train/blur/a1.png"
    assert first.blurry_sha256 == hashlib.sha256((captures / "train/blur/a1.png").read_bytes()).hexdigest()


def test_full_test_pictures_are_copied_with_their_truth_and_opened_as_pairs(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(captures, out, SMALL)
    for made, origin in (("blur/t1.png", "test/blur/t1.png"), ("aligned/t1.png", "truth/test/t1_aligned.png")):
        assert (out / "test" / made).read_bytes() == (captures / origin).read_bytes()
    found = open_dataset(out)
    assert [(pair.pair_id, pair.scene, pair.group) for pair in found.pairs] == [
        ("test/t1", "s2", "outdoor"),
        ("test/t2", "", ""),
    ]
    assert found.pairs[0].truth_path == out / "test/truth/t1.json"
    assert found.pairs[0].aligned_path == out / "test/aligned/t1.png"
    assert found.pairs[1].truth_path is None
    assert found.pairs[1].sharp_path == out / "test/gt/t2.png"


def test_maps_of_the_circle_of_confusion_come_along_at_the_pictures_size(captures: Path, tmp_path: Path) -> None:
    coc_px = np.tile(np.float32([[2, 4], [6, 8]]), (24, 32))
    write_coc(captures / "truth/test/t1_coc.tiff", coc_px)
    prepare(captures, tmp_path / "same", SMALL)
    first = open_dataset(tmp_path / "same").pairs[0]
    assert first.coc_path == tmp_path / "same/test/truth/t1_coc.tiff"
    assert first.coc_path.read_bytes() == (captures / "truth/test/t1_coc.tiff").read_bytes()
    prepare(captures, tmp_path / "half", dataclasses.replace(SMALL, resize="0.5", patch=16, resize_test=True))
    path = open_dataset(tmp_path / "half").pairs[0].coc_path
    assert path is not None
    assert np.array_equal(read_coc(path), np.full((24, 32), 2.5, np.float32))


def test_a_damaged_map_is_a_problem_of_its_pair(captures: Path, tmp_path: Path) -> None:
    (captures / "truth/test/t1_coc.tiff").write_bytes(b"no map")
    report = prepare(captures, tmp_path / "out", SMALL)
    assert ["t1_coc.tiff" in problem.reason for problem in report.problems] == [True]
    assert not (tmp_path / "out/test/blur/t1.png").exists()


def test_test_pictures_that_are_no_plain_png_are_written_anew(tmp_path: Path, write_picture: Write) -> None:
    root = tmp_path / "captures"
    blurry = write_picture(root / "source/a.png", grey=True)
    sharp = write_picture(root / "target/a.bmp")
    report = prepare(root, tmp_path / "out", SMALL)
    assert report.problems == ()
    made = cv2.imread(str(tmp_path / "out/test/blur/a.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(made, cv2.cvtColor(cv2.imread(str(blurry), cv2.IMREAD_UNCHANGED), cv2.COLOR_GRAY2BGR))
    assert np.array_equal(_read(tmp_path / "out/test/gt/a.png"), _read(sharp))
    (row,) = read_manifest(tmp_path / "out").pairs
    assert row.message.startswith("blurry: ")
    assert "grey" in row.message


def test_the_test_split_becomes_patches_or_resized_pictures_by_option(captures: Path, tmp_path: Path) -> None:
    prepare(captures, tmp_path / "patches", dataclasses.replace(SMALL, test="patches"))
    assert read_manifest(tmp_path / "patches").splits[Split.TEST].n_patches == 10
    prepare(captures, tmp_path / "half", dataclasses.replace(SMALL, resize="0.75", resize_test=True))
    assert _read(tmp_path / "half/test/blur/t1.png").shape == (36, 48, 3)
    assert _read(tmp_path / "half/test/aligned/t1.png").shape == (36, 48, 3)


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path, write_picture: Write) -> None:
    root = tmp_path / "captures"
    for split in ("train", "test"):
        for side in ("blur", "gt"):
            write_picture(root / split / side / "a.png", bits=16)
    prepare(root, tmp_path / "out", SMALL)
    with h5py.File(tmp_path / "out/train.h5") as file:
        window = file["window"][0]
        patch = file["sharp"][0]
    picture = _read(root / "train/gt/a.png")
    assert patch.dtype == np.uint16
    assert np.array_equal(patch, picture[window[0] : window[0] + 32, window[1] : window[1] + 32])
    assert _read(tmp_path / "out/test/gt/a.png").dtype == np.uint16


@pytest.mark.parametrize(("depth", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_a_mixed_set_needs_a_bit_depth(tmp_path: Path, write_picture: Write, depth: int, dtype: type) -> None:
    root = tmp_path / "captures"
    write_picture(root / "train/blur/a.png", bits=16)
    write_picture(root / "train/gt/a.png", bits=8)
    with pytest.raises(ConfigError, match=r"one bit depth, but train/gt/a.png has 8 bits, train/blur/a.png has 16"):
        prepare(root, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()
    prepare(root, tmp_path / "out", dataclasses.replace(SMALL, bit_depth=depth))
    with h5py.File(tmp_path / "out/train.h5") as file:
        y, x = file["window"][0][:2]
        blurry, sharp = file["blurry"][0], file["sharp"][0]
    assert blurry.dtype == sharp.dtype == dtype
    captured = [_read(root / f"train/{side}/a.png")[y : y + 32, x : x + 32] for side in ("blur", "gt")]
    scale = (2**depth - 1) / np.array([65535.0, 255.0])
    assert np.array_equal(blurry, np.rint(captured[0] * scale[0]))
    assert np.array_equal(sharp, np.rint(captured[1] * scale[1]))


def test_pairs_that_fail_are_rows_with_a_reason_and_the_others_go_on(
    captures: Path, tmp_path: Path, write_picture: Write
) -> None:
    (captures / "train/blur/a1.png").write_bytes(b"not a picture")
    write_picture(captures / "train/gt/a2.png", width=60)
    for side in ("blur", "gt"):
        write_picture(captures / f"train/{side}/tiny.png", height=20, width=20)
    (captures / "test/gt/t1.png").write_bytes(b"")
    write_picture(captures / "train/blur/alone.png")
    report = prepare(captures, tmp_path / "out", SMALL)
    assert (report.n_pairs, report.n_patches) == (2, 5)
    reasons = {problem.item: problem.reason for problem in report.problems}
    assert set(reasons) == {"train/blur/alone.png", "train/a1", "train/a2", "train/tiny", "test/t1"}
    assert "a1.png" in reasons["train/a1"]
    assert "64x48" in reasons["train/a2"]
    assert "60x48" in reasons["train/a2"]
    assert "32" in reasons["train/tiny"]
    rows = {row.pair_id: row for row in read_manifest(tmp_path / "out").pairs}
    assert {name: row.status for name, row in rows.items() if row.status != "ok"} == dict.fromkeys(
        ("train/a1", "train/a2", "train/tiny", "test/t1"), "failed"
    )
    assert str(tmp_path) not in (tmp_path / "out/pairs.csv").read_text()
    with h5py.File(tmp_path / "out/train.h5") as file:
        assert set(file["pair"][()].tolist()) == {2}
    again = prepare(captures, tmp_path / "out", SMALL)
    assert again == dataclasses.replace(report, was_finished=True)


def test_a_picture_that_cannot_be_read_now_is_no_failure_and_is_tried_again(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short memory, a disk that fails and rights say nothing about the bytes, so they are not sealed as damage."""
    out, read_bytes = tmp_path / "out", Path.read_bytes
    for error in (OSError(errno.EIO, "Input/output error"), MemoryError()):

        def read(path: Path, error: Exception = error) -> bytes:
            if path.name == "a10.png":
                raise error
            return read_bytes(path)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", read)
            with pytest.raises(UnreadableError, match=r"(?s)not finished, as pictures cannot be read now.*a10\.png"):
                prepare(captures, out, SMALL)
        assert not (out / "dataset.json").exists()
    assert not prepare(captures, out, SMALL).problems
    prepare(captures, tmp_path / "undisturbed", SMALL)
    assert _files(out) == _files(tmp_path / "undisturbed")


def test_the_hash_of_a_picture_is_that_of_the_bytes_in_the_set(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_picture: Write
) -> None:
    """Every picture is replaced as soon as it was read."""
    before = {path.relative_to(captures).as_posix(): _content(path) for path in captures.rglob("*.png")}
    read_pair = load.read_pair

    def read_and_replace(blurry: Path, sharp: Path, **options: object) -> object:
        pair = read_pair(blurry, sharp, **options)
        write_picture(sharp)
        return pair

    monkeypatch.setattr(load, "read_pair", read_and_replace)
    shutil.rmtree(captures / "test")
    prepare(captures, tmp_path / "out", SMALL)
    rows = read_manifest(tmp_path / "out").pairs
    assert [row.sharp_sha256 for row in rows] == [before[row.sharp_path] for row in rows]


def test_a_test_picture_replaced_while_it_is_copied_is_tried_again(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_picture: Write
) -> None:
    read_pair, original = load.read_pair, (captures / "test/gt/t1.png").read_bytes()

    def read_and_replace(blurry: Path, sharp: Path, **options: object) -> object:
        pair = read_pair(blurry, sharp, **options)
        if sharp.name == "t1.png":
            write_picture(sharp)
        return pair

    with monkeypatch.context() as patch:
        patch.setattr(load, "read_pair", read_and_replace)
        with pytest.raises(UnreadableError, match=r"t1\.png: changed while it was in use"):
            prepare(captures, tmp_path / "out", SMALL)
    (captures / "test/gt/t1.png").write_bytes(original)
    assert prepare(captures, tmp_path / "out", SMALL).n_pairs == 5


def test_a_set_of_failures_alone_is_not_sealed_and_says_why(tmp_path: Path) -> None:
    root = tmp_path / "captures"
    for side in ("blur", "gt"):
        (root / "train" / side).mkdir(parents=True)
        (root / "train" / side / "a.png").write_bytes(b"junk")
    with pytest.raises(ImageError, match=r"(?s)not sealed, as not one pair could be used.*a\.png: the suffix"):
        prepare(root, tmp_path / "out", SMALL)
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_two_processes_write_the_same_bytes_as_one(captures: Path, tmp_path: Path) -> None:
    options = dataclasses.replace(SMALL, pairs_per_shard=1)
    prepare(captures, tmp_path / "one", options, jobs=1)
    prepare(captures, tmp_path / "two", options, jobs=2)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_two_dask_workers_write_the_same_bytes(captures: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    options = dataclasses.replace(SMALL, pairs_per_shard=1)
    prepare(captures, tmp_path / "one", options)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=":0"
    ) as cluster:
        prepare(captures, tmp_path / "dask", options, dask=cluster.scheduler_address)
    assert _files(tmp_path / "one") == _files(tmp_path / "dask")


def _command(captures: Path, out: Path, *more: str) -> list[str]:
    small = ("--resize", "none", "--patch", "32", "--overlap", "0.5", "--pairs-per-shard", "1")
    return [sys.executable, "-m", "sdd_bench", "prepare", str(captures), str(out), *small, *more]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, write_picture: Write, jobs: str) -> None:
    root = tmp_path / "captures"
    for index in range(16):
        for side in ("blur", "gt"):
            write_picture(root / "train" / side / f"{index}.png", height=96, width=96)
            write_picture(root / "test" / side / f"{index}.png")
    options = dataclasses.replace(SMALL, pairs_per_shard=1)
    prepare(root, tmp_path / "undisturbed", options)
    out = tmp_path / "killed"
    begun = subprocess.Popen(_command(root, out, "--jobs", jobs), start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not list(out.glob(".parts/train-*.json")) and time.monotonic() < deadline:
            time.sleep(0.001)
    finally:
        # With two workers only the parent: what they are at goes on beside the second run.
        (os.killpg if jobs == "1" else os.kill)(begun.pid, signal.SIGKILL)
        begun.wait(timeout=30)
    assert list(out.glob(".parts/train-*.json"))
    assert not (out / "dataset.json").exists()
    (out / "train-00015.h5.partial").write_bytes(b"left behind")
    done = [out / f"{part.stem}.h5" for part in out.glob(".parts/train-*.json")]  # a shard beside may lack its part yet
    kept = {path: path.stat().st_mtime_ns for path in done}
    first = min(kept)
    prepare(root, out, options, jobs=int(jobs))
    assert _files(out) == _files(tmp_path / "undisturbed")
    assert first.stat().st_mtime_ns == kept[first]


def test_a_finished_set_is_left_alone(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = prepare(captures, out, SMALL)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = prepare(captures, out, SMALL)
    assert again == dataclasses.replace(report, was_finished=True)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times


def _change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def test_other_options_or_another_source_are_refused(captures: Path, tmp_path: Path, write_picture: Write) -> None:
    out = tmp_path / "out"
    prepare(captures, out, SMALL)
    with pytest.raises(ConfigError, match=r"a prepared set that was begun differently \(patch was 32, now 24\)"):
        prepare(captures, out, dataclasses.replace(SMALL, patch=24))
    _change_a_byte(captures / "train/gt/a2.png")
    with pytest.raises(ManifestError, match=r"a2.png: changed since .*out used it"):
        prepare(captures, out, SMALL)
    write_picture(captures / "train/gt/a2.png", width=66)
    with pytest.raises(ConfigError, match=r"files were added, removed, renamed or changed in size"):
        prepare(captures, out, SMALL)


def test_a_run_that_was_begun_refuses_other_options_and_changed_pictures(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stop(progress: Progress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    options = dataclasses.replace(SMALL, pairs_per_shard=1)
    with pytest.raises(KeyboardInterrupt):
        prepare(captures, out, options, on_progress=stop)
    assert sorted(path.name for path in out.glob("*.h5")) == ["train-00000.h5", "train-00001.h5"]
    with pytest.raises(ConfigError, match=r"begun differently \(drop was 0.3, now 0.1\)"):
        prepare(captures, out, dataclasses.replace(options, drop=0.1))
    original = (captures / "train/blur/a1.png").read_bytes()
    _change_a_byte(captures / "train/blur/a1.png")
    with pytest.raises(ManifestError, match="a1.png: changed since"):
        prepare(captures, out, options)
    (captures / "train/blur/a1.png").write_bytes(original)
    done: list[Progress] = []
    prepare(captures, out, options, on_progress=done.append)
    assert [progress.done for progress in done] == [3, 4, 5]
    assert done[-1].total == 5
    prepare(captures, tmp_path / "undisturbed", options)
    assert _files(out) == _files(tmp_path / "undisturbed")


def test_a_run_that_finished_nothing_gives_way_to_other_options(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="no Dask scheduler answers there"):
        prepare(captures, out, dataclasses.replace(SMALL, patch=24), dask="nonsense")
    for left in ("train-00007.h5", "test/blur/t9.png", "test/blur/t9.png.partial"):
        (out / left).parent.mkdir(parents=True, exist_ok=True)
        (out / left).write_bytes(b"left behind")
    prepare(captures, out, SMALL)
    prepare(captures, tmp_path / "undisturbed", SMALL)
    assert _files(out) == _files(tmp_path / "undisturbed")


def test_a_second_run_at_the_same_time_is_refused(captures: Path, tmp_path: Path) -> None:
    def run_again(progress: Progress) -> None:
        with pytest.raises(OutputError, match="another run is writing here"):
            prepare(captures, tmp_path / "out", SMALL)

    assert prepare(captures, tmp_path / "out", SMALL, on_progress=run_again).n_pairs == 5


def test_a_set_that_another_run_finishes_before_the_lock_is_had_is_not_made_again(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, told = tmp_path / "out", []

    @contextmanager
    def late(folder: Path) -> Iterator[None]:
        monkeypatch.setattr("sdd_bench.preparation.run.alone_in", alone_in)
        prepare(captures, out, SMALL)
        with alone_in(folder):
            yield

    monkeypatch.setattr("sdd_bench.preparation.run.alone_in", late)
    assert prepare(captures, out, SMALL, on_progress=told.append).was_finished
    assert told == []


def test_a_finished_set_is_recognized_without_a_lock(captures: Path, tmp_path: Path) -> None:
    prepare(captures, tmp_path / "out", SMALL)
    with alone_in(tmp_path / "out"):  # nor could one be had where the set is read-only
        assert prepare(captures, tmp_path / "out", SMALL).was_finished


def test_where_the_source_stands_and_how_it_is_named_changes_nothing(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (captures / "train/gt/a1.png").write_bytes(b"junk")
    prepare(captures, tmp_path / "one", SMALL)
    shutil.copytree(captures, tmp_path / "elsewhere/captures")
    monkeypatch.chdir(tmp_path / "elsewhere")
    prepare(Path("captures"), Path("two"), SMALL)
    assert _files(tmp_path / "one") == _files(Path("two"))


def test_a_folder_with_other_things_is_refused(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    with pytest.raises(OutputError, match=r"out: holds thesis.tex and is not a prepared set"):
        prepare(captures, out, SMALL)
    with pytest.raises(OutputError, match="in the way"):
        prepare(captures, out / "thesis.tex", SMALL)


def test_a_damaged_part_file_or_lost_shard_is_noticed(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(captures, out, SMALL)
    (out / "train-00001.h5").unlink()
    with pytest.raises(ManifestError, match=r"train-00001.h5: missing or cut short"):
        prepare(captures, out, SMALL)


_FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from sdd_bench.cli.main import main
main(sys.argv[2:])
"""


def test_a_full_disk_is_an_error_that_keeps_what_was_finished(tmp_path: Path, write_picture: Write) -> None:
    root, out = tmp_path / "captures", tmp_path / "out"
    for name, size in (("1", 48), ("2", 400)):
        for side in ("blur", "gt"):
            write_picture(root / f"train/{side}/{name}.png", height=size, width=size)
    arguments = _command(root, out)[3:]
    full = [sys.executable, "-c", _FULL_DISK, "200000", *arguments]
    failed = subprocess.run(full, capture_output=True, text=True, timeout=120)
    assert failed.returncode == 2, failed.stderr
    assert "train-00001.h5: no space left on the disk. What was finished is kept" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert sorted(path.name for path in out.glob("train*")) == ["train-00000.h5"]
    options = dataclasses.replace(SMALL, pairs_per_shard=1)
    prepare(root, out, options)
    prepare(root, tmp_path / "undisturbed", options)
    assert _files(out) == _files(tmp_path / "undisturbed")


def test_real_captures_by_csv_keep_their_exif(data_root: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(
        "blurry,sharp,scene\n"
        "focus_macro/pcb_005.jpg,focus_macro/pcb_001.jpg,board\n"
        "aperture/vabd/1_8/0001.JPG,aperture/vabd/input/0001.JPG,1\n"
    )
    report = prepare(data_root, tmp_path / "out", PRESETS["dpdd"], pairs_csv=table)
    assert (report.n_pairs, report.n_patches) == (1, 20)
    assert "would enlarge a picture of 1536x1024" in report.problems[0].reason
    board, small = read_manifest(tmp_path / "out").pairs
    assert (board.scene, board.width, board.height, board.status) == ("board", 2048, 1536, "ok")
    assert (board.blurry_f_number, board.blurry_focal_length_mm) == (1.8, 2.5)
    assert (small.status, small.n_patches) == ("failed", 0)


def test_raw_pairs_are_developed_to_sixteen_bits_and_the_way_is_written_down(data_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "captures"
    for side in ("blur", "gt"):
        (root / "train" / side).mkdir(parents=True)
        shutil.copy(data_root / "raw/colorchart.dng", root / "train" / side / "chart.dng")
    report = prepare(root, tmp_path / "out", dataclasses.replace(PRESETS["sdd"], patch=128))
    manifest = read_manifest(tmp_path / "out")
    assert (report.problems, manifest.bit_depth, manifest.pairs[0].bit_depth) == ((), 16, 16)
    assert manifest.options["raw"]["auto_bright"] is False
    assert prepare(root, tmp_path / "out", dataclasses.replace(PRESETS["sdd"], patch=128)).was_finished


def test_a_pair_of_4096x2160_gives_60_candidates_and_keeps_42(tmp_path: Path) -> None:
    for side in ("blur", "gt"):
        path = tmp_path / "captures/train" / side / "a.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.zeros((2160, 4096, 3), np.uint8))
    sdd = plan(tmp_path / "captures", PRESETS["sdd"])
    assert (sdd.n_patches, sdd.n_bytes_raw) == (42, 42 * 512 * 512 * 3 * 2)
    assert len(windows(1080, 2048, patch=512, overlap=0.7)) == 60
    assert plan(tmp_path / "captures", PRESETS["dpdd"]).n_patches == 20


def test_the_dpdd_preset_validates_on_all_12_patches_of_a_pair(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for side in ("source", "target"):
            path = tmp_path / f"captures/{split}_c" / side / "a.png"
            path.parent.mkdir(parents=True)
            cv2.imwrite(str(path), rng.integers(0, 256, (1120, 1680, 3), dtype=np.uint8))
    options = dataclasses.replace(PRESETS["dpdd"], test="patches", resize="none")
    assert plan(tmp_path / "captures", options).n_patches == 20 + 12 + 12
    prepare(tmp_path / "captures", tmp_path / "out", options)
    manifest = read_manifest(tmp_path / "out")
    assert {split: record.n_patches for split, record in manifest.splits.items()} == {
        "train": 20,
        "val": 12,
        "test": 12,
    }
    assert (manifest.options["overlap_eval"], manifest.options["drop_eval"]) == (0.01, 0.0)
    with h5py.File(tmp_path / "out/val.h5") as file:
        starts = file["window"][:, :2].tolist()
    # a stride of int(0.99 * 512), the last row and column snapped to the edge
    assert starts == [[y, x] for y in (0, 506, 608) for x in (0, 506, 1012, 1168)]


def test_a_set_without_its_own_cut_for_val_says_nothing_of_it() -> None:
    options = PRESETS["sdd"]
    assert options.cut(Split.VAL) == options.cut(Split.TRAIN)
    assert not {"overlap_eval", "drop_eval"} & set(options.as_dict())
    assert list(options.as_dict())[:4] == ["resize", "patch", "overlap", "drop"]


_PEAK = """
import resource, sys
from pathlib import Path
from sdd_bench.preparation.run import prepare
prepare(Path(sys.argv[1]), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pairs(tmp_path: Path, write_picture: Write) -> None:
    peaks_mib = []
    for n_pairs in (3, 15):
        root = tmp_path / f"captures{n_pairs}"
        for side in ("blur", "gt"):
            first = write_picture(root / f"train/{side}/0.png", height=1200, width=2000)
            for index in range(1, n_pairs):
                shutil.copy(first, root / f"train/{side}/{index}.png")
        arguments = [sys.executable, "-c", _PEAK, str(root), str(tmp_path / f"out{n_pairs}")]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120)
        peaks_mib.append(int(done.stdout))
    # A pair takes 14 MiB decoded; twelve more of them would take 165.
    assert peaks_mib[1] < peaks_mib[0] + 42


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"patch": 0}, "patch is 0; expected 1 to 32768"),
        ({"overlap": 1.0}, "overlap is 1.0; expected 0 or more and less than 1"),
        ({"drop": -0.1}, "drop is -0.1"),
        ({"overlap": 0.99, "patch": 32}, "leaves patches of 32 pixels no stride"),
        ({"pairs_per_shard": 0}, "pairs_per_shard is 0"),
        ({"test": "some"}, "test is 'some'; expected full or patches"),
        ({"bit_depth": 12}, "bit_depth is 12; expected 8 or 16"),
    ],
)
def test_options_out_of_range_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PrepareOptions(**values)  # type: ignore[arg-type]


def test_swapped_roles_are_said_in_the_manifest(tmp_path: Path, photo: np.ndarray) -> None:
    for number, (blurry, sharp) in enumerate(((photo, _defocused(photo)), (_defocused(photo), photo), (photo, photo))):
        for folder, picture in (("source", blurry), ("target", sharp)):
            (tmp_path / "captures" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "captures" / folder / f"{number}.png"), picture)
    prepare(tmp_path / "captures", tmp_path / "out", SMALL)
    messages = [row.message for row in read_manifest(tmp_path / "out").pairs]
    assert "the two are probably swapped" in messages[0]
    assert messages[1] == ""
    assert "the same picture" in messages[2]


def _defocused(picture: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 3))


def test_a_part_of_a_killed_run_that_was_changed_is_made_again(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("sdd_bench.preparation.run._seal", killed)
        prepare(captures, out, SMALL)
    part = next(path for path in sorted((out / ".parts").glob("*.json")) if path.name != "plan.json")
    part.write_text(part.read_text().replace('"status": "ok"', '"status": "failed"'))
    prepare(captures, out, SMALL)
    prepare(captures, tmp_path / "undisturbed", SMALL)
    assert _files(out) == _files(tmp_path / "undisturbed")
