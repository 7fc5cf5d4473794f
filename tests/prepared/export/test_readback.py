"""Every export is read back by the library that it is for, to the exact pixels."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from prepared_sets import make_prepared, pictures

from sdd_bench.captures.layouts import read_layout
from sdd_bench.captures.recognise import recognise
from sdd_bench.core.types import Split
from sdd_bench.images.photograph import read_photograph
from sdd_bench.prepared.export.options import ExportOptions
from sdd_bench.prepared.export.run import export

pytest.importorskip("pyarrow")
TRAIN = [f"a{pair}_{patch:04d}" for pair in range(3) for patch in range(4)]


@pytest.fixture(autouse=True)
def quiet_and_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Libraries of others warn, and keep caches; nothing is fetched."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def captured(name: str, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Blurry and sharp picture of a record of ``make_prepared``."""
    seed = {"a": 0, "t": 3}[name[0]] + int(name[1]) - (name[0] == "t")
    blurry, sharp = pictures(seed, 2, size=96, depth=depth)
    if "_" not in name:
        return blurry, sharp
    y, x = divmod(int(name[-1]), 2)
    window = np.s_[48 * y : 48 * y + 48, 48 * x : 48 * x + 48]
    return blurry[window], sharp[window]


def decoded(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]


def exported(tmp_path: Path, form: str, *, depth: int = 8, **options: Any) -> Path:
    prepared = make_prepared(tmp_path, depth=depth)
    report = export(prepared, tmp_path / "out", ExportOptions(form, **options))
    assert report.problems == ()
    return tmp_path / "out"


@pytest.mark.parametrize("form", ["parquet", "imagefolder"])
def test_load_dataset_reads_the_folder_and_both_columns_are_the_pixels(tmp_path: Path, form: str) -> None:
    datasets = pytest.importorskip("datasets")
    out = exported(tmp_path, form)
    found = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in found.items()} == {"train": 12, "test": 2}
    for name, split in (("a0_0000", "train"), ("a2_0003", "train"), ("t2", "test")):
        row = next(row for row in found[split] if row["name"] == name)
        for side, expected in zip(("blurry", "sharp"), captured(name, 8), strict=True):
            np.testing.assert_array_equal(np.asarray(row[side]), expected)
        assert row["pair_id"] == f"{split}/{name.partition('_')[0]}"


def test_sixteen_bits_are_in_the_bytes_of_parquet(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    out = exported(tmp_path, "parquet", depth=16)
    found = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"), split="train")
    raw = found.cast_column("blurry", datasets.Image(decode=False)).cast_column("sharp", datasets.Image(decode=False))
    assert [row["name"] for row in raw] == TRAIN
    for row in raw:
        for side, expected in zip(("blurry", "sharp"), captured(row["name"], 16), strict=True):
            np.testing.assert_array_equal(decoded(row[side]["bytes"]), expected)


def test_pandas_reads_parquet(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    out = exported(tmp_path, "parquet")
    table = pandas.read_parquet(out / "data")
    assert sorted(table["name"]) == sorted([*TRAIN, "t1", "t2"])
    row = table[table["name"] == "a1_0002"].iloc[0]
    assert (row["patch_y"], row["patch_x"]) == (48, 0)
    np.testing.assert_array_equal(decoded(row["blurry"]["bytes"]), captured("a1_0002", 8)[0])


def test_webdataset_reads_the_archives(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    out = exported(tmp_path, "webdataset")
    found = webdataset.WebDataset(str(out / "train-000000.tar"), shardshuffle=False).decode("rgb8")
    rows = list(found.to_tuple("blurry.png", "sharp.png", "json"))
    assert [facts["name"] for _, _, facts in rows] == TRAIN
    for blurry, sharp, facts in rows:
        for pixels, expected in zip((blurry, sharp), captured(facts["name"], 8), strict=True):
            np.testing.assert_array_equal(pixels, expected)


def test_webdataset_keeps_sixteen_bits(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    out = exported(tmp_path, "webdataset", depth=16)
    for sample in webdataset.WebDataset(str(out / "test-000000.tar"), shardshuffle=False):
        name = json.loads(sample["json"])["name"]
        np.testing.assert_array_equal(decoded(sample["sharp.png"]), captured(name, 16)[1])


def test_mlcroissant_reads_the_pixels(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    out = exported(tmp_path, "parquet", license="cc-by-4.0", citation="@misc{rig}", published="2026-11-29")
    dataset = mlcroissant.Dataset(jsonld=str(out / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    records = {record["records/name"].decode(): record for record in dataset.records("records")}
    assert set(records) == {*TRAIN, "t1", "t2"}
    for name in ("a0_0001", "t1"):
        for side, expected in zip(("blurry", "sharp"), captured(name, 8), strict=True):
            np.testing.assert_array_equal(np.asarray(records[name][f"records/{side}"]), expected)


@pytest.mark.parametrize(
    ("form", "patches", "frames"),
    [
        ("sdd", "train_patches", "test"),
        ("imagefolder", "train", "test"),
        ("basicsr", "train", "test"),
    ],
)
def test_mlcroissant_reads_patches_and_full_pictures_of_folders(
    tmp_path: Path, form: str, patches: str, frames: str
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    out = exported(tmp_path, form, license="cc-by-4.0", citation="@misc{rig}", published="2026-11-29")
    dataset = mlcroissant.Dataset(jsonld=str(out / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert not [warning for warning in dataset.metadata.ctx.issues.warnings if "recommended" in warning]
    described = json.loads((out / "croissant.json").read_text())
    told = (described["license"], described["citeAs"], described["datePublished"])
    assert told == ("cc-by-4.0", "@misc{rig}", "2026-11-29")
    for split, names in ((patches, TRAIN), (frames, ["t1", "t2"])):
        for number, side in enumerate((f"{split}-blurry", f"{split}-sharp")):
            records = {record[f"{side}/name"].decode(): record[f"{side}/picture"] for record in dataset.records(side)}
            assert sorted(records) == names
            for name, picture in records.items():
                np.testing.assert_array_equal(np.asarray(picture), captured(name, 8)[number])


def test_archives_are_listed_with_their_digests(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    out = exported(tmp_path, "webdataset", license="cc-by-4.0")
    dataset = mlcroissant.Dataset(jsonld=str(out / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    listed = {item.uuid: item.sha256 for item in dataset.metadata.distribution}
    assert listed == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.glob("*.tar")}
    assert len(listed) == 2


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("form", ["imagefolder", "basicsr", "parquet"])
def test_an_export_is_a_layout_of_its_own(tmp_path: Path, form: str, depth: int) -> None:
    out = exported(tmp_path, form, depth=depth)
    expected = {"imagefolder": "hf-imagefolder", "basicsr": "basicsr", "parquet": "hf-parquet"}[form]
    assert recognise(out).layout == expected
    found = read_layout(out)
    assert found.problems == ()
    assert [pair.name for pair in found.pairs] == [*TRAIN, "t1", "t2"]
    assert [pair.split for pair in found.pairs] == [Split.TRAIN] * 12 + [Split.TEST] * 2
    for pair in (found.pairs[1], found.pairs[-1]):
        for path, pixels in zip((pair.blurry_path, pair.sharp_path), captured(pair.name, depth), strict=True):
            np.testing.assert_array_equal(read_photograph(path).pixels, pixels)


def test_basicsr_gets_its_lists(tmp_path: Path) -> None:
    out = exported(tmp_path, "basicsr")
    lines = (out / "train/meta_info.txt").read_text().splitlines()
    assert lines[0] == "a0_0000.png (48,48,3)"
    assert len(lines) == len(list((out / "train/lq").iterdir())) == len(list((out / "train/gt").iterdir())) == 12


@pytest.mark.parametrize("form", ["sdd", "imagefolder", "parquet", "webdataset", "basicsr"])
def test_the_sums_are_of_every_file(tmp_path: Path, form: str) -> None:
    out = exported(tmp_path, form)
    listed = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    there = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert set(listed) == set(there) - {"SHA256SUMS"}
    assert all(hashlib.sha256(there[name].read_bytes()).hexdigest() == listed[name] for name in listed)


def test_the_pictures_of_the_archive_are_whole(tmp_path: Path) -> None:
    import tarfile

    out = exported(tmp_path, "webdataset", only="frames")
    assert not (out / "train-000000.tar").exists()
    with tarfile.open(fileobj=io.BytesIO((out / "test-000000.tar").read_bytes())) as archive:
        members = archive.getmembers()
    assert [member.name.partition(".")[2] for member in members] == ["blurry.png", "sharp.png", "json"] * 2
    assert {(member.mtime, member.uid, member.uname) for member in members} == {(0, 0, "")}
