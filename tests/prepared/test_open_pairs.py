"""Training straight from folders and Parquet: the items are those of a prepared set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from prepared_sets import make_prepared, pictures
from torch.utils.data import DataLoader

from sdd_bench.captures.pairing import Pairing
from sdd_bench.core.errors import ConfigError, ImageError, PairingError
from sdd_bench.prepared.export.options import ExportOptions
from sdd_bench.prepared.export.run import export
from sdd_bench.prepared.open_pairs import FolderPairs, ParquetPairs, open_pairs
from sdd_bench.prepared.torch_dataset import PairDataset


def as_float(pixels: np.ndarray) -> torch.Tensor:
    full = 255 if pixels.dtype == np.uint8 else 65535
    return torch.from_numpy((pixels.transpose(2, 0, 1) / np.float64(full)).astype(np.float32))


@pytest.mark.parametrize("depth", [8, 16])
def test_whole_pictures_of_folders_are_the_captured_ones(tmp_path: Path, depth: int) -> None:
    make_prepared(tmp_path, depth=depth)
    found = open_pairs(tmp_path / "captures", crop=None, augment=False)
    assert isinstance(found, FolderPairs)
    assert len(found) == 3
    for number in range(3):
        for side, pixels in zip(("blurry", "sharp"), pictures(number, 2, size=96, depth=depth), strict=True):
            torch.testing.assert_close(found[number][side], as_float(pixels), rtol=0, atol=1e-7)


def test_parquet_gives_the_items_of_the_prepared_set(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    prepared = make_prepared(tmp_path, depth=16)
    export(prepared, tmp_path / "out", ExportOptions("parquet"))
    ours, theirs = (open_pairs(path, crop=None, augment=False) for path in (tmp_path / "out", prepared))
    assert isinstance(ours, ParquetPairs)
    assert isinstance(theirs, PairDataset)
    assert len(ours) == len(theirs) == 12
    for index in (0, 5, 11, 1):
        for side in ("blurry", "sharp"):
            assert torch.equal(ours[index][side], theirs[index][side])
    assert len(open_pairs(tmp_path / "out", "test", crop=None)) == 2


def test_crops_of_both_sides_are_at_one_place_and_depend_on_seed_and_epoch(tmp_path: Path) -> None:
    make_prepared(tmp_path)
    for name in ("a0", "a1", "a2"):
        path = tmp_path / "captures/train"
        (path / "blur" / f"{name}.png").write_bytes((path / "gt" / f"{name}.png").read_bytes())
    found = open_pairs(tmp_path / "captures", crop=40, seed=7)
    first = [found[n]["blurry"] for n in range(3)]
    assert all(torch.equal(found[n]["blurry"], found[n]["sharp"]) for n in range(3))
    assert all(torch.equal(a, b["blurry"]) for a, b in zip(first, map(found.__getitem__, range(3)), strict=True))
    found.set_epoch(1)
    assert not all(torch.equal(a, b["blurry"]) for a, b in zip(first, map(found.__getitem__, range(3)), strict=True))


@pytest.mark.parametrize("kind", ["folders", "parquet"])
def test_workers_give_the_same_batches(tmp_path: Path, kind: str) -> None:
    prepared, source = make_prepared(tmp_path), tmp_path / "captures"
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        export(prepared, tmp_path / "out", ExportOptions("parquet"))
        source = tmp_path / "out"
    batches = []
    for workers in (0, 1):
        loader = DataLoader(open_pairs(source, crop=32, seed=1), batch_size=3, num_workers=workers)
        batches.append(next(iter(loader)))
    assert torch.equal(batches[0]["blurry"], batches[1]["blurry"])
    assert batches[0]["sharp"].shape == (3, 3, 32, 32)


def test_two_folders_are_named_by_hand(tmp_path: Path) -> None:
    make_prepared(tmp_path)
    found = open_pairs(tmp_path / "captures", crop=32, pairing=Pairing(("train/blur",), ("train/gt",)))
    assert len(found) == 3


def test_what_cannot_be_trained_on_is_said(tmp_path: Path) -> None:
    make_prepared(tmp_path)
    with pytest.raises(PairingError, match="no pairs in the split val; splits with some: test, train"):
        open_pairs(tmp_path / "captures", "val")
    with pytest.raises(ConfigError, match="crop is 0"):
        open_pairs(tmp_path / "captures", crop=0)
    with pytest.raises(ImageError, match="is 96x96, smaller than the crop of 256"):
        open_pairs(tmp_path / "captures")[0]
    with pytest.raises(IndexError):
        open_pairs(tmp_path / "captures")[3]


def test_bytes_that_are_no_picture_name_their_row(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array([{"bytes": b"nothing", "path": "a"}, {"bytes": None, "path": "b"}], picture)
    pq.write_table(pa.table({"blurry": cells, "sharp": cells}), tmp_path / "train.parquet")
    found = open_pairs(tmp_path, crop=8)
    for index, reason in ((0, "no picture format"), (1, "no bytes of a picture; it names the file b")):
        with pytest.raises(ImageError, match=f"row {index} of row group 0: .*{reason}"):
            found[index]
    with pytest.raises(PairingError, match="no rows in the split test"):
        open_pairs(tmp_path, "test")
