"""Peak memory of `evaluate` on a 4096x2160 picture, and where its time goes.

Each figure comes from a fresh process with torch in it. The limit is 6 GiB of resident memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT_GIB = 6.0


def make_set(root: Path, width: int, height: int) -> None:
    """One pair that is shifted by (3, -2) px, and a prediction, in the SDD layout; textured at all scales."""
    import cv2

    rng = np.random.default_rng(7)
    scene = np.zeros((height + 8, width + 8, 3), np.float32)
    for step in (1, 4, 16, 64, 256):
        size = (-(-scene.shape[0] // step), -(-scene.shape[1] // step), 3)
        noise = rng.standard_normal(size).astype(np.float32)
        scene += step**0.5 * cv2.resize(noise, scene.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    scene = np.clip(128 + 5 * scene, 0, 255)
    aligned = scene[4 : 4 + height, 4 : 4 + width]
    pictures = {
        "set/test/gt": scene[6 : 6 + height, 1 : 1 + width],
        "set/test/blur": cv2.GaussianBlur(aligned, (0, 0), 3),
        "net": cv2.GaussianBlur(aligned, (0, 0), 1),
    }
    for folder, picture in pictures.items():
        (root / folder).mkdir(parents=True)
        cv2.imwrite(str(root / folder / "a.png"), picture.astype(np.uint8))


def peak_gib() -> float:
    """Largest resident memory of this process so far (since exec, unlike ru_maxrss)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    raise SystemExit("this bench reads /proc/self/status, so it needs Linux")


def child_evaluate(root: Path, metrics: str) -> dict[str, float]:
    from sdd_bench.evaluation.options import EvaluateOptions
    from sdd_bench.evaluation.picture.cache import open_cache
    from sdd_bench.evaluation.run import evaluate
    from sdd_bench.prepared.open import open_dataset

    options = EvaluateOptions(metrics=tuple(metrics.split(",")))
    start = time.perf_counter()
    cache = open_cache(root / "cache")  # empty: nothing of an earlier bench is used
    evaluate(open_dataset(root / "set"), root / "net", root / "run", options=options, cache=cache)
    return {"seconds": time.perf_counter() - start, "gib": peak_gib()}


def child_split(root: Path, metrics: str) -> dict[str, float]:
    import torch

    from sdd_bench.evaluation.picture.scorer import to_tensor
    from sdd_bench.flow.estimator import load_flow
    from sdd_bench.flow.warp import backwarp
    from sdd_bench.geometry.fit import fit_similarity
    from sdd_bench.images.pair import read_pair
    from sdd_bench.images.photograph import to_float
    from sdd_bench.metrics.mae import mae
    from sdd_bench.metrics.psnr import psnr
    from sdd_bench.metrics.ssim import ssim

    seconds: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        seconds[name] = time.perf_counter() - start
        return result

    blurry_path, sharp_path = root / "set/test/blur/a.png", root / "set/test/gt/a.png"
    photographs = timed("read a pair", lambda: read_pair(blurry_path, sharp_path))
    blurry, sharp = (to_float(photograph.pixels) for photograph in photographs)
    estimator = load_flow()
    with torch.no_grad():
        flow = timed("one flow (pwcnet)", lambda: estimator.estimate(to_tensor(blurry), to_tensor(sharp)))
        timed("similarity fit", lambda: fit_similarity(flow[0], robust=True))
        timed("one warp", lambda: backwarp(to_tensor(sharp), flow))
    for name, function in (("psnr", psnr), ("ssim", ssim), ("mae", mae)):
        timed(name, lambda function=function: function(blurry, sharp))
    if "lpips" in metrics:
        from sdd_bench.metrics.lpips import Lpips

        lpips = Lpips()
        features: list[NDArray[Any]] = []
        timed("lpips features", lambda: features.append(lpips.features(blurry)))
        other = lpips.features(sharp)
        timed("lpips distance", lambda: lpips.distance(features[0], other))
    return seconds


def in_a_process(*arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--height", type=int, default=2160)
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "ROOT", "METRICS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, root, metrics = arguments.child
        print(json.dumps((child_split if what == "split" else child_evaluate)(Path(root), metrics)))
        return
    metrics = "psnr,ssim,mae,lpips"
    with tempfile.TemporaryDirectory() as folder:
        make_set(Path(folder), arguments.width, arguments.height)
        print(f"one {arguments.width}x{arguments.height} picture and its identity baseline, {metrics}, one process:")
        figures = in_a_process("--child", "evaluate", folder, metrics)
        print(f"  {'evaluate (3 flows)':32}{figures['seconds']:9.2f} s")
        print("of which:")
        for name, seconds in in_a_process("--child", "split", folder, metrics).items():
            print(f"  {name:32}{seconds:9.2f} s")
    peak = figures["gib"]
    print(f"peak {peak:.2f} GiB of {LIMIT_GIB:.0f} allowed: {'ok' if peak < LIMIT_GIB else 'TOO MUCH'}")


if __name__ == "__main__":
    main()
