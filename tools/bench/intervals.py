"""Whether 95 % intervals of zoom, shift and rotation hold the truth, whatever the camera made of light.

``python tools/bench/intervals.py [--scenes 9] [--half 0|1] [--data ../shared/data]``

Every scene (photographs of ``data/photos`` and dead leaves, 480x320) is defocused by discs of 7, 15 and 25 px and
developed by four tone models: sRGB; an S-curve on top of it; a log-like curve; and a blur computed on display values.
Columns: share of the numbers whose interval holds the truth, mean width of the intervals, 95 % quantile of the errors
(zoom and rotation in pixels at a quarter of the diagonal), and width over that. The constants of the intervals were
chosen on every second photograph and its dead leaves (half 0); half 1 is held out.
"""

from __future__ import annotations

import argparse
import math
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from trust_sets import HEIGHT, WIDTH, Canvas, Picture, blurred, canvases, inner, moved, photographs, random_similarity

from sdd_bench.flow.estimator import FlowEstimator, load_flow
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import add_noise, linear_to_srgb, srgb_to_linear
from sdd_bench.registration.measure import measure

TONES = ("sRGB", "S-curve", "log-like", "on display")
COC_PX = (7, 15, 25)
_REACH = math.hypot(WIDTH, HEIGHT) / 4


def toned(light: Picture, tone: str) -> Picture:
    """Display values of linear light."""
    if tone == "log-like":
        return np.log1p(30 * np.clip(light, 0, 1)) / np.float32(math.log(31))
    value = linear_to_srgb(light)
    return 0.4 * value + 0.6 * value**2 * (3 - 2 * value) if tone == "S-curve" else value


def pair(
    canvas: Canvas, tone: str, coc_px: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, Similarity]:
    """Blurry, sharp and the truth between them."""
    truth = random_similarity(rng, 0.01, 3)
    if tone == "on display":
        blurry = srgb_to_linear(blurred(linear_to_srgb(canvas.light), coc_px))
    else:
        blurry = blurred(canvas.light, coc_px)
    pictures = []
    for light, gain in ((blurry, rng.uniform(0.85, 1.15)), (moved(canvas.light, truth), 1.0)):
        noisy = add_noise(np.ascontiguousarray(np.float32(gain) * inner(light)), rng, shot=0.01, read=0.001)
        pictures.append(np.rint(255 * toned(noisy, tone)).astype(np.uint8))
    return pictures[0], pictures[1], truth


def numbers(similarity: Similarity) -> np.ndarray:
    """The four numbers in pixels, the zoom as it is."""
    turn = math.radians(similarity.rotation_deg)
    return np.array([_REACH * similarity.zoom, _REACH * turn, similarity.shift_x_px, similarity.shift_y_px])


def judged(canvas: Canvas, tone: str, coc_px: float, seed: int, flow: FlowEstimator) -> tuple[np.ndarray, np.ndarray]:
    """Absolute errors and half-widths of the intervals, px."""
    blurry, sharp, truth = pair(canvas, tone, coc_px, np.random.default_rng([seed, coc_px]))
    found = measure(blurry, sharp, flow)
    return np.abs(numbers(found.similarity) - numbers(truth)), 1.96 * numbers(found.standard_error)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=9, help="of each half: two photographs, then dead leaves")
    parser.add_argument("--half", type=int, choices=(0, 1), help="only this half of the photographs")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SDD_BENCH_DATA", "../shared/data")))
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    flow = load_flow("dis")
    for half in (0, 1) if options.half is None else (options.half,):
        print(f"\n{('tuned on', 'held out')[half]:20}{'pairs':>7}{'held':>8}{'width':>9}{'95 % error':>12}{'ratio':>7}")
        show(rows_of(canvases(photographs(options.data / "photos", half), options.scenes, 200 + half), flow))


def rows_of(scenes: Iterable[Canvas], flow: FlowEstimator) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Errors and half-widths by row of the table."""
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for seed, canvas in enumerate(scenes):
        for tone in TONES:
            for coc_px in COC_PX:
                found = judged(canvas, tone, coc_px, seed, flow)
                for name in (f"{tone}, CoC {coc_px}", tone, "all"):
                    rows[name].append(found)
    return rows


def show(rows: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    """Print one table."""
    for name, found in rows.items():
        errors, halves = (np.concatenate(part) for part in zip(*found, strict=True))
        known = np.isfinite(halves)
        width, error = 2 * float(halves[known].mean()), float(np.quantile(errors[known], 0.95))
        held = float(np.mean(errors[known] < halves[known]))
        print(f"{name:20}{len(found):7}{held:8.1%}{width:9.3f}{error:12.3f}{width / error:7.1f}")


if __name__ == "__main__":
    main()
