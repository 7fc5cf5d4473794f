"""Sharpness of all patches of a picture against the recipe computed directly, patch by patch.

Direct: four Sobels in x and y on each patch by itself. Ours: each kernel size once over the picture, and border strips.
One 2048x1080 picture (8 and 16 bit), 60 windows of the ``sdd`` preset, and 1680x1120 with 28 of ``dpdd``; interleaved,
best of several. Run: ``python tools/bench/patches.py``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import cv2
import numpy as np

from sdd_bench.core.types import Window
from sdd_bench.preparation.patches import SOBEL_SIZES, choose, gradient_sums, sharpness, windows

REPEATS = 5


def direct_sums(sharp: np.ndarray, boxes: Sequence[Window]) -> np.ndarray:
    """DPDNet's recipe as written."""
    sums = np.empty((len(boxes), len(SOBEL_SIZES)))
    for index, w in enumerate(boxes):
        grey = cv2.cvtColor(sharp[w.y : w.y + w.height, w.x : w.x + w.width], cv2.COLOR_RGB2GRAY)
        for column, size in enumerate(SOBEL_SIZES):
            dx = cv2.Sobel(grey, cv2.CV_64F, 1, 0, ksize=size)
            dy = cv2.Sobel(grey, cv2.CV_64F, 0, 1, ksize=size)
            sums[index, column] = cv2.magnitude(dx, dy).sum()
    return sums


def picture(height: int, width: int, bits: int) -> np.ndarray:
    """Blurred noise with blur growing to the right, so that patches differ."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    ramp = np.linspace(0, 1, width)[None, :, None]
    mixed = (1 - ramp) * cv2.GaussianBlur(noise, (0, 0), 1) + ramp * cv2.GaussianBlur(noise, (0, 0), 4)
    return mixed.astype(np.uint8) if bits == 8 else (mixed * 257).astype(np.uint16)


def main() -> None:
    """Print the table; fail when the two disagree."""
    print(f"{'picture':24} {'windows':>7} {'direct ms':>10} {'ours ms':>8} {'ratio':>6} {'largest difference':>19}")
    agree = True
    for height, width, overlap, bits in ((1080, 2048, 0.7, 8), (1080, 2048, 0.7, 16), (1120, 1680, 0.6, 8)):
        sharp, boxes = picture(height, width, bits), windows(height, width, overlap=overlap)
        best = {direct_sums: np.inf, gradient_sums: np.inf}
        results = {}
        for _ in range(REPEATS):
            for function in best:
                start = time.perf_counter()
                results[function] = function(sharp, boxes)
                best[function] = min(best[function], time.perf_counter() - start)
        direct, ours = results[direct_sums], results[gradient_sums]
        difference = np.abs(ours / direct - 1).max()
        span = direct.max(axis=0) - direct.min(axis=0)
        recipe = choose(((direct - direct.min(axis=0)) / span).prod(axis=1))
        agree &= difference < 1e-12 and choose(sharpness(sharp, boxes)).tolist() == recipe.tolist()
        slow, fast = (1e3 * best[function] for function in (direct_sums, gradient_sums))
        name = f"{width}x{height}, {bits} bit"
        print(f"{name:24} {len(boxes):7} {slow:10.1f} {fast:8.1f} {slow / fast:6.1f} {difference:19.1e}")
    print(f"{cv2.getNumThreads()} threads; chosen sets {'equal' if agree else 'DIFFER'}")
    sys.exit(not agree)


if __name__ == "__main__":
    main()
