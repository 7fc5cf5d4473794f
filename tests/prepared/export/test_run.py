"""A prepared set goes back to the pictures it was made of."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from prepared_sets import flip_byte, make_prepared, pictures

from sdd_bench.captures.layouts import read_layout
from sdd_bench.core.errors import ConfigError, ManifestError, OutputError
from sdd_bench.core.types import Progress, Split
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.export.run import export
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize


def _contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("depth", [8, 16])
def test_patches_and_full_pictures_are_what_was_captured(tmp_path: Path, depth: int) -> None:
    prepared = make_prepared(tmp_path, depth=depth)
    report = export(prepared, tmp_path / "out")
    assert (report.n_written, report.n_kept, report.problems) == (2 * 12 + 4, 0, ())
    blurry, sharp = pictures(1, 2, size=96, depth=depth)
    for side, picture in (("blur", blurry), ("gt", sharp)):
        path = tmp_path / f"out/train_patches/{side}/a1_0002.png"
        read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]
        assert read.dtype == picture.dtype
        np.testing.assert_array_equal(read, picture[48:, :48])
    for side in ("blur", "gt"):
        name = f"test/{side}/t1.png"
        assert (tmp_path / "out" / name).read_bytes() == (prepared / name).read_bytes()


def test_the_export_is_a_readable_layout(tmp_path: Path) -> None:
    export(make_prepared(tmp_path), tmp_path / "out")
    found = read_layout(tmp_path / "out")
    assert (found.layout, found.problems) == ("sdd-patches", ())
    assert len(found.pairs) == 12 + 2


def test_scenes_and_truth_come_along(tmp_path: Path) -> None:
    synthesize(tmp_path / "captures", SynthOptions(width=96, height=96, n_train=1, n_test=1, truth="full"))
    options = PrepareOptions(resize="none", patch=48, overlap=0.0, drop=0.0)
    prepare(tmp_path / "captures", tmp_path / "set", options)
    export(tmp_path / "set", tmp_path / "out")
    captured, exported = (read_layout(tmp_path / name) for name in ("captures", "out"))
    before, after = (next(pair for pair in found.pairs if pair.split is Split.TEST) for found in (captured, exported))
    assert (after.scene, after.group) == (before.scene, before.group) != ("", "")
    for one, other in ((before.truth_path, after.truth_path), (before.aligned_path, after.aligned_path)):
        assert one is not None
        assert other is not None
        assert one.read_bytes() == other.read_bytes()
    assert {pair.scene for pair in exported.pairs if pair.split is Split.TRAIN} == {"train-0000"}


def test_an_interrupted_export_is_continued_and_workers_do_the_same(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path)
    export(prepared, tmp_path / "out")
    whole = _contents(tmp_path / "out")
    (tmp_path / "out/train_patches/gt/a2_0001.png").unlink()
    (tmp_path / "out/test/blur/t1.png").write_bytes(b"half")
    report = export(prepared, tmp_path / "out")
    assert (report.n_written, report.n_kept) == (2 + 1, 22 + 3)
    assert _contents(tmp_path / "out") == whole
    assert export(prepared, tmp_path / "two", jobs=2).n_written == 28
    assert _contents(tmp_path / "two") == whole


def test_what_a_kill_left_half_written_is_in_no_list(tmp_path: Path) -> None:
    prepared, out = make_prepared(tmp_path), tmp_path / "out"
    export(prepared, out)
    whole = _contents(out)
    for name in whole:
        (out / f"{name}.partial").write_bytes(b"half")
    (out / "SHA256SUMS").unlink()
    export(prepared, out)
    assert (out / "SHA256SUMS").read_bytes() == whole["SHA256SUMS"]


def test_a_second_export_at_the_same_time_is_refused_and_what_a_kill_leaves_is_no_hindrance(tmp_path: Path) -> None:
    prepared, out = make_prepared(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "export.json.partial").touch()

    def export_again(progress: Progress) -> None:
        with pytest.raises(OutputError, match="another run is writing here"):
            export(prepared, out)

    assert export(prepared, out, on_progress=export_again).problems == ()


def test_what_is_damaged_is_listed_and_the_rest_is_written(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path)
    with h5py.File(prepared / "train-00001.h5") as file:
        where = file["blurry"].id.get_chunk_info(1)
    flip_byte(prepared / "train-00001.h5", where.byte_offset + where.size // 2)
    flip_byte(prepared / "test/gt/t1.png", 60)
    (prepared / "test/gt/t2.png").unlink()
    problems = export(prepared, tmp_path / "out").problems
    assert [Path(problem.item).name for problem in problems] == ["t1.png", "t2.png", "train-00001.h5"]
    for problem, reason in zip(problems, ("was changed", "missing", "chunk 1 of /blurry is damaged"), strict=True):
        assert reason in problem.reason
    assert not (tmp_path / "out/test/gt/t1.png").exists()
    assert (tmp_path / "out/train_patches/gt/a0_0003.png").exists()


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "diary.txt").touch()
    with pytest.raises(OutputError, match=r"holds diary\.txt and is not an export"):
        export(prepared, other)
    assert [path.name for path in other.iterdir()] == ["diary.txt"]
    another = make_prepared(tmp_path / "another", n_train=1)
    export(another, tmp_path / "out")
    with pytest.raises(ConfigError, match="it is of another prepared set"):
        export(prepared, tmp_path / "out")
    (tmp_path / "out/export.json").write_text("[]")
    with pytest.raises(OutputError, match=r"export\.json: damaged"):
        export(prepared, tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="in the way"):
        export(prepared, tmp_path / "file" / "out")
    with pytest.raises(ManifestError, match=r"dataset\.json: missing"):
        export(tmp_path / "captures", tmp_path / "new")
