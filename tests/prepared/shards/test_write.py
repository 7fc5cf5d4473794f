"""Writing shards and joining them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from prepared_sets import make_shard, pictures

from sdd_bench.core.errors import ConfigError, OutputError, ShardError
from sdd_bench.core.types import Window
from sdd_bench.prepared.shards import COMPRESSIONS, PairPatches, build_virtual, shard_info, write_shard


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_any_hdf5_reader_gets_the_patches_back(tmp_path: Path, compression: str, depth: int) -> None:
    blurry, sharp = pictures(1, 3, depth=depth), pictures(2, 3, depth=depth)
    path = make_shard(tmp_path / "s.h5", blurry, sharp, compression=compression, resize="0.5")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["blurry"][:], blurry)
        np.testing.assert_array_equal(file["sharp"][:], sharp)
        assert file["blurry"].chunks == (1, 48, 48, 3)
        assert all(file[name].fletcher32 for name in ("blurry", "sharp", "pair", "window", "sharpness"))
        assert [(file[n].dtype, file[n].shape) for n in ("pair", "window", "sharpness")] == [
            (np.int32, (3,)),
            (np.int32, (3, 4)),
            (np.float32, (3,)),
        ]
        assert file["pair"][:].tolist() == [10, 11, 12]
        assert file["window"][1].tolist() == [0, 0, 48, 48]
        assert dict(file.attrs) == {
            "schema": 1,
            "split": "train",
            "color": "RGB",
            "bit_depth": depth,
            "resize": "0.5",
        }
    info = shard_info(path)
    assert (info.n_patches, info.compression, info.bit_depth) == (3, compression, depth)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_same_patches_give_the_same_bytes_whatever_the_threads(tmp_path: Path, compression: str) -> None:
    blurry, sharp = pictures(1, 5), pictures(2, 5)
    a = make_shard(tmp_path / "a.h5", blurry, sharp, compression=compression, threads=1)
    b = make_shard(tmp_path / "b.h5", blurry, sharp, compression=compression, threads=4)
    assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_bytes_do_not_depend_on_when_a_dataset_is_released(
    tmp_path: Path, hold_datasets: Callable[[], None], compression: str
) -> None:
    released = make_shard(tmp_path / "a.h5", pictures(1, 5), pictures(2, 5), compression=compression)
    hold_datasets()
    held = make_shard(tmp_path / "b.h5", pictures(1, 5), pictures(2, 5), compression=compression)
    assert held.read_bytes() == released.read_bytes()


def test_windows_are_cut_from_the_pictures_in_order(tmp_path: Path) -> None:
    blurry, sharp = pictures(1, 2, size=96)
    windows = [Window(0, 48, 48, 48), Window(30, 7, 48, 48)]
    pairs = [PairPatches(row, blurry, sharp, windows, np.array([0.5, 2.5])) for row in (4, 7)]
    assert write_shard(tmp_path / "s.h5", pairs, split="val", bit_depth=8, resize="none", patch=48) == 4
    with h5py.File(tmp_path / "s.h5") as file:
        np.testing.assert_array_equal(file["sharp"][3], sharp[30:78, 7:55])
        assert file["window"][:].tolist() == 2 * [[0, 48, 48, 48], [30, 7, 48, 48]]
        assert file["pair"][:].tolist() == [4, 4, 7, 7]
        assert file["sharpness"][:].tolist() == [0.5, 2.5, 0.5, 2.5]


def test_a_shard_without_patches_is_a_shard(tmp_path: Path) -> None:
    assert write_shard(tmp_path / "s.h5", [], split="train", bit_depth=8, resize="none") == 0
    assert shard_info(tmp_path / "s.h5").n_patches == 0


@pytest.mark.parametrize(
    ("window", "dtype"),
    [
        (Window(0, 0, 47, 48), np.uint8),
        (Window(1, 0, 48, 48), np.uint8),
        (Window(-1, 0, 48, 48), np.uint8),
        (Window(0, 0, 48, 48), np.uint16),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path, window: Window, dtype: type) -> None:
    picture = np.zeros((48, 48, 3), dtype)
    with pytest.raises(ShardError, match="takes 48x48 windows of uint8 pictures"):
        write_shard(
            tmp_path / "s.h5",
            [PairPatches(0, picture, picture, [window], np.zeros(1))],
            split="train",
            bit_depth=8,
            resize="none",
            patch=48,
        )
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_compression_or_depth_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'zip': expected one of blosc2, gzip, lzf, none"):
        write_shard(tmp_path / "s.h5", [], split="train", bit_depth=8, resize="none", compression="zip")
    with pytest.raises(ConfigError, match="bit depth 12: expected 8 or 16"):
        write_shard(tmp_path / "s.h5", [], split="train", bit_depth=12, resize="none")


def test_a_failure_half_way_leaves_what_stood_there(tmp_path: Path) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 1), pictures(2, 1))
    before = path.read_bytes()

    def broken():  # type: ignore[no-untyped-def]
        yield from ()
        raise ShardError("no more")

    with pytest.raises(ShardError, match="no more"):
        write_shard(path, broken(), split="train", bit_depth=8, resize="none")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


_FULL_DISK = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
sys.path.insert(0, sys.argv[2])
from prepared_sets import make_shard, pictures
from sdd_bench.core.errors import OutputError
try:
    make_shard(Path(sys.argv[1]) / "s.h5", pictures(1, 20), pictures(2, 20), compression=sys.argv[3])
except OutputError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("compression", ["blosc2", "gzip"])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, compression: str) -> None:
    tests = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path), tests, compression],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "refused: " in done.stdout
    assert "no space left on the disk" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OutputError, match="something else is in the way"):
        make_shard(tmp_path / "out" / "s.h5", pictures(1, 1), pictures(2, 1))


def test_a_virtual_dataset_moves_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blurry, sharp = pictures(1, 5), pictures(2, 5)
    shards = [
        make_shard(tmp_path / "old/train-00000.h5", blurry[:2], sharp[:2]),
        make_shard(tmp_path / "old/train-00001.h5", blurry[2:], sharp[2:]),
    ]
    build_virtual(tmp_path / "old/train.h5", shards)
    assert str(tmp_path).encode() not in (tmp_path / "old/train.h5").read_bytes()
    shutil.move(tmp_path / "old", tmp_path / "new")
    monkeypatch.chdir("/")
    with h5py.File(tmp_path / "new/train.h5") as file:
        np.testing.assert_array_equal(file["blurry"][:], blurry)
        np.testing.assert_array_equal(file["sharp"][3], sharp[3])
        assert file["pair"][:].tolist() == [10, 11, 10, 11, 12]
        assert file.attrs["bit_depth"] == 8
    info = shard_info(tmp_path / "new/train.h5")
    assert (info.n_patches, info.sources) == (5, ("train-00000.h5", "train-00001.h5"))


def test_shards_that_differ_are_not_joined(tmp_path: Path) -> None:
    a = make_shard(tmp_path / "a.h5", pictures(1, 1), pictures(2, 1))
    b = make_shard(tmp_path / "b.h5", pictures(1, 1), pictures(2, 1), split="val")
    with pytest.raises(ShardError, match="b.h5: split, patch, bit depth and resize are"):
        build_virtual(tmp_path / "v.h5", [a, b])
    with pytest.raises(ShardError, match="no shards to join"):
        build_virtual(tmp_path / "v.h5", [])
    assert not (tmp_path / "v.h5").exists()
