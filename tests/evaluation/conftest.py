"""Small captures with known geometry, and predictions of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sdd_bench.captures.layouts import PairList
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.prepared.open import open_dataset

SHIFT = (3, -2)
"""Of every pair, (x, y) in pixels: ``sharp(p + SHIFT) = aligned(p)``."""
FAST = EvaluateOptions(flow="dis", metrics=("psnr", "ssim", "mae"))
MakeSet = Callable[..., PairList]


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[..., ::-1])


def blur(picture: NDArray[np.uint8], sigma: float = 1.5) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)


def capture(photo: NDArray[np.uint8], number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Sharp and aligned sharp picture, (96, 128, 3), of the ``number``-th part of ``photo``."""
    top, left = 8 + 40 * (number % 4), 8 + 60 * (number % 4)
    sharp = photo[top : top + 96, left : left + 128]
    aligned = photo[top + SHIFT[1] : top + SHIFT[1] + 96, left + SHIFT[0] : left + SHIFT[0] + 128]
    return sharp, aligned


@pytest.fixture
def fast() -> EvaluateOptions:
    return FAST


@pytest.fixture
def triple(photo: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Blurry, sharp and aligned picture as float32 in [0, 1]; the sharp one is shifted by :data:`SHIFT`."""
    sharp, aligned = capture(photo, 1)
    return tuple((x / np.float32(255)).astype(np.float32) for x in (blur(aligned), sharp, aligned))  # type: ignore[return-value]


@pytest.fixture
def make_set(tmp_path: Path, photo: NDArray[np.uint8]) -> MakeSet:
    """Makes a set of ``n`` pairs in the SDD layout, and predictions that lie between blurry and aligned truth."""

    def make(n: int = 3, *, truth: bool = True) -> PairList:
        root = tmp_path / "captures"
        for number in range(n):
            sharp, aligned = capture(photo, number)
            name = f"p{number}"
            write_picture(root / f"test/blur/{name}.png", blur(aligned))
            write_picture(root / f"test/gt/{name}.png", sharp)
            write_picture(tmp_path / f"ours/{name}.png", blur(aligned, 0.8))
            if truth:
                write_picture(root / f"truth/test/{name}_aligned.png", aligned)
                values = {"width": 128, "height": 96, "zoom": 1.0, "rotation_deg": 0.0}
                values |= {"shift_x_px": SHIFT[0], "shift_y_px": SHIFT[1]}
                values["coc_diameter_px"] = {"mean": 1.0 + 4 * (number % 2), "max": 9.0}
                (root / f"truth/test/{name}.json").write_text(json.dumps(values))
        lines = [f"test,p{number},s{number},{'indoor' if number % 2 else 'outdoor'}" for number in range(n)]
        (root / "scenes.csv").write_text("\n".join(["split,name,scene,group", *lines]) + "\n")
        return open_dataset(root)

    return make


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Where :func:`make_set` puts predictions."""
    return tmp_path / "ours"
