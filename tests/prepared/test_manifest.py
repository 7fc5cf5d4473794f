"""The manifest comes back as it was written, and a damaged one is named."""

import dataclasses
import json
from pathlib import Path

import pytest

from sdd_bench.core.errors import ManifestError
from sdd_bench.core.types import Problem, Split
from sdd_bench.prepared.manifest import (
    FileRecord,
    Manifest,
    PairRow,
    SourceRecord,
    SplitRecord,
    is_prepared,
    read_manifest,
    write_manifest,
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    shard, virtual, frame = (FileRecord(name, 10, "ab" * 32) for name in ("train-00000.h5", "train.h5", "test/a.png"))
    written = Manifest(
        root=tmp_path / "set",
        name="set",
        tool_version="0.1.0",
        bit_depth=16,
        options={"resize": "0.5", "limit": None},
        source=SourceRecord("csv", 2, "cd" * 32, "ef" * 32),
        splits={
            Split.TRAIN: SplitRecord(1, 42, (shard,), virtual),
            Split.TEST: SplitRecord(0, 0, frames=(frame,)),
        },
        pairs=(
            PairRow(
                "train/a", "train", "s, 1", "in", "a.png", "b.png", "00", "11", 64, 48, 16, 1.8, 22.0, n_patches=42
            ),
            PairRow(
                "test/b", "test", "=1+1", "", "-c.png", "d.png", status="failed", message='it says "no",\nand means it'
            ),
        ),
        problems=(Problem("x.txt", "not a picture"),),
    )
    write_manifest(written)
    return written


def test_a_manifest_comes_back_as_written(manifest: Manifest) -> None:
    assert read_manifest(manifest.root) == manifest
    assert read_manifest(manifest.root / "dataset.json") == manifest
    assert is_prepared(manifest.root)
    assert not is_prepared(manifest.root.parent)


def test_failures_are_what_was_left_out_and_what_failed(manifest: Manifest) -> None:
    assert [problem.item for problem in manifest.failures] == ["x.txt", "test/b"]
    assert [record.name for record in manifest.files] == ["train-00000.h5", "train.h5", "test/a.png"]


def test_no_cell_is_a_formula(manifest: Manifest) -> None:
    assert ",'=1+1,,'-c.png," in (manifest.root / "pairs.csv").read_text()


def test_unknown_values_are_empty_cells(manifest: Manifest) -> None:
    header, first = (manifest.root / "pairs.csv").read_text().splitlines()[:2]
    cells = dict(zip(header.split(","), first.replace('"s, 1"', "s").split(","), strict=True))
    assert (cells["blurry_f_number"], cells["sharp_f_number"], cells["blurry_exposure_s"]) == ("1.8", "22.0", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: "", "dataset.json: damaged: Expecting value"),
        (lambda value: json.dumps(value)[:100], "dataset.json: damaged: Unterminated string"),
        (lambda value: "[1]", r"dataset.json: damaged: expected an object, got \[1\]"),
        (lambda value: json.dumps(value | {"schema": 7}), "schema is 7, expected 1"),
        (lambda value: json.dumps({"name": "x"}), "schema is None, expected 1"),
        (lambda value: json.dumps({k: v for k, v in value.items() if k != "splits"}), "splits: expected an object"),
        (lambda value: json.dumps(value | {"splits": {"dev": {}}}), "incomplete or damaged"),
        (lambda value: json.dumps(value | {"splits": 3}), "incomplete or damaged"),
        (lambda value: json.dumps(value | {"pairs_sha256": "00"}), "pairs.csv: changed or cut short"),
    ],
)
def test_a_damaged_dataset_json_is_named(manifest: Manifest, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = manifest.root / "dataset.json"
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(ManifestError, match=message):
        read_manifest(manifest.root)


def test_missing_or_cut_files_are_named(manifest: Manifest) -> None:
    table = manifest.root / "pairs.csv"
    table.write_text(table.read_text()[:-10])
    with pytest.raises(ManifestError, match="pairs.csv: changed or cut short"):
        read_manifest(manifest.root)
    table.unlink()
    with pytest.raises(ManifestError, match="pairs.csv: cannot be read"):
        read_manifest(manifest.root)
    (manifest.root / "dataset.json").unlink()
    with pytest.raises(ManifestError, match="dataset.json: missing, so .* is no finished prepared set"):
        read_manifest(manifest.root)


@pytest.mark.parametrize(
    "pair_id", ["test/../../escaped/t1", "test//etc/t1", "test/a/b", "test/..", "test/", "val/b", "b"]
)
def test_a_pair_whose_name_leads_elsewhere_is_refused(manifest: Manifest, pair_id: str) -> None:
    row = dataclasses.replace(manifest.pairs[1], pair_id=pair_id)
    write_manifest(dataclasses.replace(manifest, pairs=(manifest.pairs[0], row)))
    with pytest.raises(ManifestError, match="pairs.csv: pair_id is .*; expected test/NAME"):
        read_manifest(manifest.root)


@pytest.mark.parametrize("name", ["a..b", "sub__a", ".a", "-a", "ä 1", "a:b"])
def test_any_name_of_a_file_will_do(manifest: Manifest, name: str) -> None:
    row = dataclasses.replace(manifest.pairs[1], pair_id=f"test/{name}")
    write_manifest(dataclasses.replace(manifest, pairs=(manifest.pairs[0], row)))
    assert read_manifest(manifest.root).pairs[1].pair_id == f"test/{name}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, "outside the set") for name in ("../evil.sh", "/etc/passwd", "test/../../evil", "")),
        *((name, "no file can be called") for name in ("x" * 10_000, "ä" * 128, "a/" * 1001)),
    ],
)
def test_a_file_outside_the_set_or_of_no_possible_name_is_refused(manifest: Manifest, name: str, said: str) -> None:
    path = manifest.root / "dataset.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    value["splits"]["test"]["frames"][0]["name"] = name
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(ManifestError, match=said) as refused:
        read_manifest(manifest.root)
    assert len(str(refused.value)) < 400
