"""Analysis of two arrays: known shifts, every type of pixel, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sdd_bench import analyze_pair
from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.core.errors import ImageError

FAST = AnalyzeOptions(flow="dis")


@pytest.fixture
def moved(photo: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """sharp(p + (3, -2)) = blurry(p)."""
    return photo[2:-10, 11:-3], photo[4:-8, 8:-6]


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "float64"])
def test_a_known_shift_is_found_from_every_type(moved: Any, kind: str) -> None:
    scale = {"uint8": 1, "uint16": 257}.get(kind, 1 / 255)
    blurry, sharp = ((picture.astype(float) * scale).astype(kind) for picture in moved)
    found = analyze_pair(blurry, sharp, options=FAST)
    similarity = found.measured.similarity
    assert (similarity.shift_x_px, similarity.shift_y_px) == pytest.approx((3.0, -2.0), abs=0.02)
    assert found.figures["zoom"] == pytest.approx(1.0, abs=1e-3)


def test_the_result_is_a_frame_and_a_table(moved: Any) -> None:
    found = analyze_pair(*moved, options=FAST)
    frame = found.to_frame()
    assert (len(frame), frame["kind"][0]) == (1, "shift")
    assert "<td>shift_x_px</td>" in found._repr_html_()


@pytest.mark.parametrize(
    ("blurry", "sharp", "message"),
    [
        (np.zeros((80, 80, 3), np.uint8), np.zeros((80, 80, 3), np.uint16), "blurry is uint8 but sharp is uint16"),
        (np.zeros((80, 80, 3), int), np.zeros((80, 80, 3), int), "expected uint8, uint16, or floats"),
        (np.full((80, 80, 3), 200.0), np.zeros((80, 80, 3)), "values from 200 to 200; expected"),
        (np.full((80, 80, 3), np.nan), np.zeros((80, 80, 3)), "expected"),
        (np.zeros((80, 80, 3)), np.zeros((80, 70, 3)), "of one size"),
        (np.zeros((40, 80, 3)), np.zeros((40, 80, 3)), "too small"),
    ],
)
def test_bad_input_is_an_error(blurry: Any, sharp: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        analyze_pair(blurry, sharp, options=FAST)
