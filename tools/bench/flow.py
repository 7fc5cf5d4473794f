"""End-point error and time of flow estimators on pairs with known flow (``flow_sets.py`` fixes the distributions).

    python tools/bench/flow.py [--pairs 6] [--photographs 4] [--full] [--weights FILE] [--methods pwcnet] [--rows half]

Needs SDD_BENCH_DATA for all but the pairs made here. ``--full``: 60 pairs, 12 photographs, and TV-L1, which takes
most of the hour. Columns: EPE in px (mean over the picture, median over pairs), share of pixels off by over 1 px,
seconds per pair. The last rows: mean magnitude of the flow of a picture to itself, to noisy, JPEG-coded and blurred
copies, and its mean drift.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from flow_sets import (
    CAMERAS,
    COC_PX,
    Case,
    Picture,
    defocused,
    half_out_of_focus,
    homographies,
    in_light,
    made,
    middlebury,
    photographs,
    tiles,
)

from sdd_bench.flow.dis import DisFlow
from sdd_bench.flow.estimator import FlowEstimator, load_flow

Estimate = Callable[[Picture, Picture], Picture]


def ours(estimator: FlowEstimator) -> Estimate:
    """One of the package's estimators on arrays."""

    def estimate(reference: Picture, moving: Picture) -> Picture:
        first, second = (torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1)[None] for x in (reference, moving))
        return estimator.estimate(first, second)[0].numpy()

    return estimate


def grey(picture: Picture) -> np.ndarray:
    """8-bit luma."""
    return cv2.cvtColor((picture.clip(0, 1) * 255).round().astype(np.uint8), cv2.COLOR_RGB2GRAY)


def farneback(reference: Picture, moving: Picture) -> Picture:
    """OpenCV's Farneback, five levels, window 15."""
    flow = cv2.calcOpticalFlowFarneback(grey(reference), grey(moving), None, 0.5, 5, 15, 5, 7, 1.5, 0)
    return flow.transpose(2, 0, 1)


def tv_l1(reference: Picture, moving: Picture) -> Picture:
    """TV-L1 of scikit-image; its rows come first."""
    from skimage.registration import optical_flow_tvl1

    down, right = optical_flow_tvl1(grey(reference) / 255, grey(moving) / 255)
    return np.stack((right, down)).astype(np.float32)


def estimators(weights: Path | None) -> dict[str, Estimate]:
    """What can be measured, by name."""
    methods = {
        "pwcnet": ours(load_flow("pwcnet", weights=weights, refine=True)),
        "pwcnet-plain": ours(load_flow("pwcnet-plain", weights=weights)),
        "DIS medium": ours(DisFlow("medium")),
        "DIS ultrafast": ours(DisFlow("ultrafast")),
        "Farneback": farneback,
        "TV-L1": tv_l1,
    }
    if importlib.util.find_spec("ptlflow") and (checkpoint := os.environ.get("PTLFLOW_RAFT")):
        methods["ptlflow:raft"] = ours(load_flow("ptlflow:raft", weights=Path(checkpoint)))
    return methods


def measure(title: str, cases: Iterable[Case], methods: dict[str, Estimate], rows: tuple[str, ...]) -> None:
    """One row of the table, if it is asked for: every method on the same pairs, one after the other."""
    if not title.startswith(rows):
        return
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in methods}
    for case in cases:
        for name, method in methods.items():
            start = time.perf_counter()
            flow = method(case.reference, case.moving)
            seconds = time.perf_counter() - start
            error = np.linalg.norm(flow - case.flow, axis=0)[case.known]
            found[name].append((float(error.mean()), float((error > 1).mean()), seconds))
    cells = []
    for values in found.values():
        error, off, seconds = np.median(values, axis=0)
        cells.append(f"{error:6.3f} {100 * off:4.0f}% {seconds:5.2f}s")
    print(f"{title:22}" + " |".join(cells), flush=True)


def copies(picture: Picture) -> dict[str, Picture]:
    """A picture, and itself with noise, JPEG artefacts, defocus."""
    rng = np.random.default_rng(0)
    code = cv2.imencode(".jpg", (picture[..., ::-1] * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return {
        "itself": picture,
        "with 1 % noise": (picture + rng.normal(0, 0.01, picture.shape)).clip(0, 1).astype(np.float32),
        "JPEG 95": cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255,
        "blurred, CoC 10 px": defocused(picture, 10),
    }


def measure_still(pictures: list[Picture], methods: dict[str, Estimate]) -> None:
    """Mean magnitude and length of the mean vector where nothing moved."""
    for kind in copies(pictures[0]):
        cells = []
        for method in methods.values():
            flows = [method(copies(picture)[kind], picture) for picture in pictures]
            magnitude = np.mean([np.linalg.norm(flow, axis=0).mean() for flow in flows])
            drift = np.mean([np.linalg.norm(flow.mean(axis=(1, 2))) for flow in flows])
            cells.append(f"{magnitude:6.3f} {drift:12.3f}")
        print(f"{kind:22}" + " |".join(cells), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--photographs", type=int, default=4)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--methods", help="names of the table's head, with commas between")
    parser.add_argument("--rows", default="", help="beginnings of the rows to measure, with commas between")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    pairs, photos = (60, 12) if options.full else (options.pairs, options.photographs)
    methods = estimators(options.weights)
    if options.methods:
        methods = {name: methods[name] for name in options.methods.split(",")}
    elif not options.full:
        del methods["TV-L1"]
    rows = tuple(options.rows.split(","))
    print(f"{'EPE px, > 1 px, s':22}" + " |".join(f"{name:>19}" for name in methods))
    for coc in COC_PX:
        measure(f"made, CoC {coc} px", made(pairs, coc), methods, rows)
    for coc in (6, 10, 20):
        measure(f"tiles, CoC {coc} px", tiles(pairs, coc), methods, rows)
    root = Path(os.environ.get("SDD_BENCH_DATA", ""))
    if not (root / "flow").is_dir():
        print("SDD_BENCH_DATA names no folder of real pictures: the rest is left out.")
        return
    for coc in COC_PX:
        measure(f"photographs, CoC {coc} px", photographs(root, photos, coc), methods, rows)
    for name, camera in CAMERAS.items():
        for coc in (0, 10, 30):
            measure(f"light {name}, {coc} px", in_light(root, photos, coc, camera), methods, rows)
    for coc in (30, 40, 60, 80):
        measure(f"half at CoC {coc} px", half_out_of_focus(root, photos, coc), methods, rows)
        measure(f"light half, {coc} px", half_out_of_focus(root, photos, coc, light=True), methods, rows)
    for name in ("RubberWhale", "Dimetrodon"):
        measure(name, middlebury(root, name), methods, rows)
    for number in range(2, 7):
        measure(f"bikes 1 to {number}", homographies(root, number), methods, rows)
    if options.rows:
        return
    print("\nNothing moved: mean magnitude px, mean drift px; the copy is the reference")
    measure_still([case.moving for case in photographs(root, 2, 0)], methods)


if __name__ == "__main__":
    main()
