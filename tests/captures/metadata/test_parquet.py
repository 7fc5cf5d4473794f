"""Sets in Parquet: pictures come out byte for byte, and what cannot be used is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from prepared_sets import pictures

from sdd_bench.captures.layouts import PairList, read_layout
from sdd_bench.captures.pairing import Pairing
from sdd_bench.core.errors import ImageError, PairingError
from sdd_bench.core.types import Split
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import read_photograph

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def encoded(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return bytes(cv2.imencode(suffix, pixels[..., ::-1])[1].tobytes())


def write(
    path: Path, rows: list[dict[str, Any]], names: tuple[str, str] = ("blurry", "sharp"), kind: Any = PICTURE
) -> Path:
    others = [key for key in rows[0] if key not in names]
    columns = {name: pa.array([row[name] for row in rows], kind) for name in names}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns | {key: [row[key] for row in rows] for key in others}), path)
    return path


def row(number: int, *, depth: int = 8, suffix: str = ".png", **others: Any) -> dict[str, Any]:
    pair = pictures(number, 2, depth=depth)
    cells = [{"bytes": encoded(each, suffix), "path": f"{number:03d}{suffix}"} for each in pair]
    return {"blurry": cells[0], "sharp": cells[1], **others}


def notes(found: PairList) -> str:
    return "\n".join(found.notes)


def test_pictures_of_16_bits_come_out_as_they_went_in(tmp_path: Path) -> None:
    rows = [row(n, depth=16, scene=f"s{n}", f_number=2.8) for n in range(5)]
    write(tmp_path / "set/data/train-00000-of-00001.parquet", rows[:3])
    write(tmp_path / "set/data/validation-00000-of-00001.parquet", rows[3:])
    found = read_layout(tmp_path / "set")
    assert found.layout == "hf-parquet"
    assert [pair.pair_id for pair in found.pairs] == ["train/000", "train/001", "train/002", "val/003", "val/004"]
    for number, pair in enumerate(found.pairs):
        for path, expected in zip((pair.blurry_path, pair.sharp_path), pictures(number, 2, depth=16), strict=True):
            np.testing.assert_array_equal(read_photograph(path).pixels, expected)
        assert (pair.scene, pair.f_number) == (f"s{number}", 2.8)
    assert "JPEG" not in notes(found)
    assert str(found.root) in notes(found)


def test_plain_bytes_other_names_and_one_file(tmp_path: Path) -> None:
    cells = [{"input": encoded(a), "target": encoded(b)} for a, b in (pictures(n, 2) for n in range(2))]
    path = write(tmp_path / "test.parquet", cells, ("input", "target"), pa.binary())
    found = read_layout(path, default_split=Split.TRAIN)
    assert [pair.pair_id for pair in found.pairs] == ["test/000000", "test/000001"]
    assert [p.pair_id for p in read_layout(path, pairing=Pairing(columns=("target", "input"))).pairs] == [
        "test/000000",
        "test/000001",
    ]


def test_jpeg_is_said(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [row(0, suffix=".jpg"), row(1)])
    assert "2 of 4 pictures are JPEG, so they are not lossless" in notes(read_layout(tmp_path))


def test_unpacking_goes_on_where_it_stopped_and_is_done_once(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [row(n) for n in range(3)])
    first = read_layout(tmp_path)
    (first.root / "unpacked.json").unlink()
    kept, gone = first.pairs[0].blurry_path, first.pairs[1].blurry_path
    before = kept.stat().st_mtime_ns
    gone.unlink()
    assert read_layout(tmp_path).pairs == first.pairs
    assert gone.is_file()
    assert kept.stat().st_mtime_ns == before
    gone.unlink()  # a finished folder is not written again
    assert [problem.reason for problem in read_layout(tmp_path).problems] == ["train/blurry/001.png does not exist"]


def test_rows_without_pictures_are_listed_and_names_lead_nowhere(tmp_path: Path) -> None:
    good = row(0)
    rows = [
        good,
        {**good, "blurry": {"bytes": b"no picture at all", "path": "x.png"}},
        {**good, "sharp": {"bytes": None, "path": "elsewhere.png"}},
        {**good, "sharp": None},
        {**good, "blurry": {**good["blurry"], "path": "../../../etc/passwd"}},
        {**good, "blurry": {**good["blurry"], "path": "a\n\0b.png"}},
        good,
    ]
    write(tmp_path / "set/train.parquet", rows)
    found = read_layout(tmp_path / "set")
    assert [problem.item for problem in found.problems] == [f"train.parquet row {n}" for n in (1, 2, 3)]
    assert "no picture format that is known" in found.problems[0].reason
    assert "it names the file elsewhere.png" in found.problems[1].reason
    assert [pair.name for pair in found.pairs] == ["000", "passwd", "a_b", "000_train_000006"]
    assert all(pair.blurry_path.is_relative_to(found.root) for pair in found.pairs)
    assert "1 row(s) have the name of another row" in notes(found)


def test_other_types_and_damage_are_named(tmp_path: Path) -> None:
    table = pa.table({"blurry": ["a.png"], "sharp": [1], "text": [pa.scalar("x").as_py()]})
    (tmp_path / "a").mkdir()
    pq.write_table(table, tmp_path / "a/train.parquet")
    with pytest.raises(PairingError, match="expected a blurry column .*; it has none"):
        read_layout(tmp_path / "a")
    write(tmp_path / "b/train.parquet", [row(0)], kind=PICTURE)
    whole = (tmp_path / "b/train.parquet").read_bytes()
    for content in (whole[:-20], b"", b"PAR1" + b"\xff" * 100 + b"PAR1"):
        (tmp_path / "b/train.parquet").write_bytes(content)
        with pytest.raises(PairingError, match="damaged, cut short or not Parquet"):
            read_layout(tmp_path / "b")
    at = whole.index(b"IDAT") + 50
    (tmp_path / "b/train.parquet").write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40 :])
    pair = read_layout(tmp_path / "b").pairs[0]
    with pytest.raises(ImageError, match=r"000\.png"):  # the picture says it, as any damaged picture does
        read_pair(pair.blurry_path, pair.sharp_path)
