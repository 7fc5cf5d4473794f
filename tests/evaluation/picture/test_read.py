"""Predictions as they are read."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.evaluation.picture.read import read_prediction


def test_kinds_of_files_read_as_the_same_picture(tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    expected = photo[:32, :48].astype(np.float32) / 255
    cv2.imwrite(str(tmp_path / "a.png"), photo[:32, :48, ::-1])
    cv2.imwrite(str(tmp_path / "b.tif"), photo[:32, :48, ::-1].astype(np.uint16) * 257)
    np.save(tmp_path / "c.npy", expected)
    for name, depth in (("a.png", 8), ("b.tif", 16), ("c.npy", 32)):
        picture, bit_depth = read_prediction(tmp_path / name)
        np.testing.assert_allclose(picture, expected, atol=1e-6)
        assert picture.dtype == np.float32
        assert bit_depth == depth


def test_a_float_that_leaves_the_range_a_little_is_clipped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[[-0.1, 0.5, 1.2]]], dtype=np.float64))
    picture, _ = read_prediction(tmp_path / "a.npy")
    np.testing.assert_array_equal(picture, np.array([[[0, 0.5, 1]]], dtype=np.float32))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4, 3), 200.0), "got values from 200 to 200; rescale it"),
        (np.zeros((4, 4, 3), np.uint8), "got uint8"),
        (np.zeros((3, 4, 4), np.float32), "got shape (3, 4, 4)"),
        (np.zeros((0, 4, 3), np.float32), "got shape (0, 4, 3)"),
        (np.full((2, 2, 3), np.nan), "12 values are NaN or infinite"),
        (np.array([{"a": 1}]), "cannot be read"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, values: NDArray[np.generic], message: str) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(ImageError) as caught:
        read_prediction(tmp_path / "a.npy")
    assert message in str(caught.value)
    assert "a.npy" in str(caught.value)


def test_headers_that_promise_too_much_or_are_damaged_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.float32))
    data = (tmp_path / "a.npy").read_bytes()
    for damaged, reason in (
        (
            data.replace(b"(8, 8, 3), }" + 12 * b" ", b"(9000000, 9000000, 3), }"),
            "promises 972000000000000 bytes, 768 are",
        ),
        (data.replace(b"{", b"("), ""),
        (data.replace(b"'<f4'", b"'<f'("), ""),
    ):
        assert damaged != data
        (tmp_path / "a.npy").write_bytes(damaged)
        with pytest.raises(ImageError, match=f"a.npy: cannot be read .*{reason}"):
            read_prediction(tmp_path / "a.npy")


def test_truncated_and_empty_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.float32))
    data = (tmp_path / "a.npy").read_bytes()
    for cut in (0, 40, len(data) - 10):
        (tmp_path / "a.npy").write_bytes(data[:cut])
        with pytest.raises(ImageError, match="a.npy: cannot be read"):
            read_prediction(tmp_path / "a.npy")
