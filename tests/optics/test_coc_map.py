"""Maps of circles of confusion: written, read, made smaller, refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from sdd_bench.core.errors import ImageError
from sdd_bench.images.resize import Resize
from sdd_bench.optics.coc_map import read_coc, resize_coc, write_coc


def test_a_map_comes_back_and_equal_maps_are_equal_bytes(tmp_path: Path) -> None:
    coc_px = np.random.default_rng(0).random((7, 9), np.float32) * 12
    for name in ("a.tiff", "b.tiff"):
        write_coc(tmp_path / name, coc_px)
    assert np.array_equal(read_coc(tmp_path / "a.tiff"), coc_px)
    assert (tmp_path / "a.tiff").read_bytes() == (tmp_path / "b.tiff").read_bytes()


def test_a_smaller_picture_has_smaller_circles() -> None:
    coc_px = np.repeat(np.float32([[3, 9]]), 6, axis=0).repeat(6, axis=1)
    assert np.allclose(resize_coc(coc_px, Resize(width=4, height=2)), np.float32([[1, 1, 3, 3]] * 2))
    assert np.array_equal(resize_coc(coc_px, Resize()), coc_px)


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "rgb.tiff", np.zeros((4, 5, 3), np.uint8))
    (tmp_path / "damaged.tiff").write_bytes(b"II*\0")
    for name in ("rgb.tiff", "damaged.tiff", "missing.tiff"):
        with pytest.raises(ImageError, match=name):
            read_coc(tmp_path / name)


def test_a_map_that_says_to_be_huge_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "0001_coc.tiff"
    write_coc(path, np.full((32, 48), 3, np.float32))
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["ImageWidth"].overwrite(2**28)
    with pytest.raises(ImageError, match=r"sides up to 16384, got \(32, 268435456\)"):
        read_coc(path)
