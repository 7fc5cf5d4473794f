"""Whatever is damaged is found and named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from prepared_sets import flip_byte, make_prepared
from safetensors.numpy import save_file

from sdd_bench.core.errors import ManifestError
from sdd_bench.core.types import Progress
from sdd_bench.images.write import write_png
from sdd_bench.inspect.describe import describe
from sdd_bench.inspect.kinds import Kind
from sdd_bench.inspect.validate import validate
from sdd_bench.prepared.shards import write_flows


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set; copy it before you spoil it."""
    return make_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def prepared(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "set"))


def _flip_in_chunk(root: Path) -> None:
    with h5py.File(root / "train-00001.h5") as file:
        where = file["sharp"].id.get_chunk_info(3)
    flip_byte(root / "train-00001.h5", where.byte_offset + where.size // 2)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _edit_attribute(root: Path) -> None:
    with h5py.File(root / "train-00000.h5", "r+") as file:
        file.attrs["resize"] = "0.5"


def test_a_sound_set_has_no_problems(finished: Path) -> None:
    seen: list[Progress] = []
    result = validate(finished, on_progress=seen.append)
    assert (result.kind, result.problems) == (Kind.DATASET, ())
    assert result.n_checked == 2 + 1 + 4, "shards, virtual dataset, full pictures"
    assert (seen[-1].done, seen[-1].total) == (7, 7)
    assert validate(finished / "dataset.json").problems == ()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            _flip_in_chunk,
            [("train-00001.h5:/sharp", "chunk 3 is damaged"), ("train-00001.h5", "was changed: sha256 is")],
        ),
        (_edit_attribute, [("train-00000.h5", "changed")]),
        (
            lambda root: _truncate(root / "train-00000.h5"),
            [
                ("train-00000.h5", "damaged, cut short or not HDF5"),
                ("train-00000.h5", "bytes, expected"),
                ("train.h5", "its shard"),
            ],
        ),
        (
            lambda root: (root / "train-00001.h5").unlink(),
            [("train-00001.h5", "is missing"), ("train.h5", "its shard")],
        ),
        (lambda root: (root / "train.h5").unlink(), [("train.h5", "is missing")]),
        (lambda root: flip_byte(root / "test/gt/t1.png", 60), [("test/gt/t1.png", "was changed")]),
        (lambda root: (root / "test/blur/t2.png").unlink(), [("test/blur/t2.png", "is missing")]),
        (
            lambda root: shutil.copy(root / "test/gt/t1.png", root / "test/gt/t3.png"),
            [("test/gt/t3.png", "is not listed in dataset.json")],
        ),
        (
            lambda root: shutil.copy(root / "train-00001.h5", root / "train-00002.h5"),
            [("train-00002.h5", "is not listed in dataset.json")],
        ),
        (lambda root: (root / "train-00000.h5.partial").touch(), [("train-00000.h5.partial", "is not listed")]),
        (lambda root: shutil.copy(root / "train-00001.h5", root / "train-00000.h5"), None),
        (lambda root: (root / "pairs.csv").unlink(), [("", "pairs.csv")]),
        (lambda root: flip_byte(root / "pairs.csv", 200), [("", "pairs.csv: changed or cut short")]),
        (lambda root: (root / "dataset.json").write_text("{"), [("", "dataset.json: damaged")]),
    ],
)
def test_damage_of_a_set_is_named(
    prepared: Path, spoil: Callable[[Path], object], expected: list[tuple[str, str]] | None
) -> None:
    spoil(prepared)
    problems = validate(prepared).problems
    if expected is None:
        assert {problem.item for problem in problems} >= {str(prepared / "train-00000.h5")}
        return
    assert [problem.item for problem in problems] == [str(prepared / name) for name, _ in expected]
    for problem, (_, reason) in zip(problems, expected, strict=True):
        assert reason in problem.reason


def test_workers_find_the_same(prepared: Path) -> None:
    _flip_in_chunk(prepared)
    (prepared / "test/blur/t2.png").unlink()
    assert validate(prepared, jobs=2) == validate(prepared)


def test_flow_beside_a_set_is_checked_too_and_other_things_are_let_be(prepared: Path) -> None:
    path = prepared / "flow-ab.h5"
    write_flows(path, {"train": np.random.default_rng(0).normal(size=(12, 2, 12, 12))}, signature="s", patch=48)
    (prepared / "registered").mkdir()
    (prepared / "registered/t1.png").touch()
    assert validate(prepared).problems == ()
    assert validate(path).kind is Kind.FLOW
    with h5py.File(path) as file:
        where = file["train"].id.get_chunk_info(2)
    flip_byte(path, where.byte_offset + where.size // 2)
    assert [problem.item for problem in validate(prepared).problems] == [f"{path}:/train"]


def test_a_shard_is_checked_by_itself(prepared: Path) -> None:
    _flip_in_chunk(prepared)
    assert validate(prepared / "train-00000.h5").problems == ()
    damaged = Path(shutil.copy(prepared / "train-00001.h5", prepared.parent / "alone.h5"))
    (problem,) = validate(damaged).problems
    assert problem.item.endswith("alone.h5:/sharp")


def test_a_shard_whose_patches_changed_places_is_found_alone_and_by_the_sets_manifest(prepared: Path) -> None:
    """Every chunk is sound, and two are not where they belong."""
    shard = next(prepared.glob("train-*.h5"))
    with h5py.File(shard, "r+") as file:
        first, second = file["blurry"][0], file["blurry"][1]
        assert not np.array_equal(first, second)
        file["blurry"][0], file["blurry"][1] = second, first
    *misplaced, changed = validate(shard).problems
    assert [problem.reason[:8] for problem in misplaced] == ["chunk 0:", "chunk 1:"]
    assert "changed" in changed.reason
    alone = Path(shutil.copy(shard, prepared.parent / "alone.h5"))
    assert [problem.reason[:8] for problem in validate(alone).problems] == ["chunk 0:", "chunk 1:"]


def test_a_run_is_checked_against_its_seal(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "per_image.csv").write_text("a\n")
    files = {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("per_image.csv", "summary.json")
    }
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "files": files}))
    assert validate(tmp_path).problems == ()
    (tmp_path / "per_image.csv").write_text("b\n")
    (tmp_path / "summary.json").unlink()
    assert [(p.item, p.reason[:11]) for p in validate(tmp_path / "run.json").problems] == [
        (str(tmp_path / "per_image.csv"), "was changed"),
        (str(tmp_path / "summary.json"), "is missing"),
    ]
    (tmp_path / "run.json").write_text("[]")
    (problem,) = validate(tmp_path).problems
    assert problem.item == str(tmp_path / "run.json")


def test_damaged_weights_are_found(tmp_path: Path) -> None:
    save_file({"a.weight": np.arange(12.0).reshape(3, 4)}, tmp_path / "w.safetensors")
    torch.save({"model": {"w": torch.arange(1000.0)}, "epoch": 3}, tmp_path / "w.ckpt")
    for name, kind in (("w.safetensors", Kind.SAFETENSORS), ("w.ckpt", Kind.CHECKPOINT)):
        path = tmp_path / name
        assert validate(path).kind is kind
        assert validate(path).problems == ()
        _truncate(path)
        (problem,) = validate(path).problems
        assert "opy it again" in problem.reason
    torch.save({"w": torch.arange(1000.0)}, tmp_path / "x.pt")
    at = (tmp_path / "x.pt").read_bytes().index(np.float32([500, 501]).tobytes())
    flip_byte(tmp_path / "x.pt", at)
    (problem,) = validate(tmp_path / "x.pt").problems
    assert "is damaged (CRC)" in problem.reason


def test_what_is_nothing_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for path, message in ((tmp_path / "none", "does not exist"), (tmp_path, "expected a prepared set")):
        with pytest.raises(ManifestError, match=message):
            validate(path)
    with pytest.raises(ManifestError, match="expected a prepared set"):
        validate(tmp_path / "notes.txt")


def test_a_scene_in_two_splits_is_a_warning(tmp_path: Path) -> None:
    make_prepared(tmp_path, n_train=2, n_val=1, test=("t1",), scenes={"a0": "hall", "v0": "hall"})
    result = validate(tmp_path / "set")
    assert result.problems == ()
    assert [problem.reason for problem in result.warnings] == ["scene hall is in train and val: train/a0, val/v0"]
    assert describe(tmp_path / "set")["warnings"] == ["train/a0: scene hall is in train and val: train/a0, val/v0"]


@pytest.mark.parametrize("sha256", [1, 2.5, True, None, {}, []])
def test_a_seal_of_a_run_with_a_hash_that_is_no_text_is_a_problem(sha256: object, tmp_path: Path) -> None:
    (tmp_path / "per_image.csv").write_text("method\n")
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "files": {"per_image.csv": sha256}}))
    (problem,) = validate(tmp_path).problems
    assert "files.per_image.csv: expected text, got" in problem.reason


def test_an_archive_whose_names_are_no_text_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.ones(3)}, path)
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x01\x02")  # the last entry of the directory; its name follows 46 bytes
    data[end + 8 : end + 10] = (1 << 11).to_bytes(2, "little")  # the name is said to be UTF-8
    data[end + 46] = 0xE5
    path.write_bytes(data)
    (problem,) = validate(path).problems
    assert "not a checkpoint of torch.save" in problem.reason


def test_what_cannot_be_read_of_one_folder_keeps_no_other_of_a_collection_from_it(
    finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "set")
    write_png(tmp_path / "captures/input/0001.png", np.zeros((32, 32, 3), np.uint8))  # without a target
    result = validate(tmp_path)
    assert (result.kind, result.n_checked) == (Kind.COLLECTION, validate(finished).n_checked + 1)
    assert [problem.item for problem in result.problems] == [str(tmp_path / "captures")]
    assert "no pair was found" in result.problems[0].reason
