"""SSIM against scikit-image, LPIPS against the lpips package: time, difference, peak memory.

Float32 RGB pictures of 4096x2160. LPIPS: one prediction against the three ground truths of a picture; its peak memory
is that of a process which does this alone. Both sides run in turn, the best of each counts; two threads.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import lpips
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from skimage.metrics import structural_similarity

from sdd_bench import weights
from sdd_bench.metrics.lpips import Lpips
from sdd_bench.metrics.ssim import ssim

Picture = NDArray[np.float32]
HEIGHT, WIDTH = 2160, 4096
THREADS = 2


def pictures(n_truths: int) -> tuple[Picture, list[Picture]]:
    """A soft prediction and ground truths that lie a little apart."""
    noise = np.random.default_rng(7).random((HEIGHT, WIDTH, 3), dtype=np.float32)
    sharp = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), noise, 0, 1, cv2.NORM_MINMAX)
    truths = [sharp] + [np.roll(sharp, 2 * shift, axis=1) for shift in range(1, n_truths)]
    return cv2.GaussianBlur(sharp, (0, 0), 2), truths


def side_by_side(ours: Callable[[], object], theirs: Callable[[], object], *, repeats: int) -> tuple[float, float]:
    """Best seconds of both, taken in turn."""
    best = [float("inf")] * 2
    for _ in range(repeats):
        for side, run in enumerate((ours, theirs)):
            start = time.perf_counter()
            run()
            best[side] = min(best[side], time.perf_counter() - start)
    return best[0], best[1]


def package() -> lpips.LPIPS:
    """The lpips package with the real backbone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision in a way it has deprecated
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    tensors = load_file(weights.path("alexnet"))
    slices = (network.net.slice1, network.net.slice2, network.net.slice3, network.net.slice4, network.net.slice5)
    for part in slices:
        state = {name: tensors[f"features.{name}"] for name in part.state_dict()}
        part.load_state_dict(state, strict=True)
    return network


def three_truths(metric: Lpips, prediction: Picture, truths: list[Picture]) -> list[float]:
    """One prediction against every ground truth."""
    features = metric.features(prediction)
    return [metric.distance(features, metric.features(truth)) for truth in truths]


def three_truths_package(network: lpips.LPIPS, prediction: Picture, truths: list[Picture]) -> list[float]:
    """The same with the lpips package."""
    a, *others = (torch.from_numpy(p.transpose(2, 0, 1).copy())[None] for p in (prediction, *truths))
    with torch.inference_mode():
        return [float(network(a, other, normalize=True)) for other in others]


def peak_memory() -> None:
    """Print how much one prediction and three ground truths take, features held."""
    prediction, truths = pictures(3)
    before = _peak_gib()
    metric = Lpips()
    features = [metric.features(picture) for picture in (prediction, *truths)]
    for other in features[1:]:
        metric.distance(features[0], other)
    print(f"LPIPS, features of four pictures held: peak {_peak_gib():.2f} GiB ({before:.2f} before LPIPS)")


def _peak_gib() -> float:
    """Peak resident memory since this program was started (``ru_maxrss`` would count its parent's)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 2**20


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(THREADS)
    torch.set_num_threads(THREADS)
    print(f"{'':32s}{'ours':>9s}{'theirs':>9s}{'ratio':>8s}{'difference':>13s}")

    prediction, (truth,) = pictures(1)
    theirs = lambda: structural_similarity(prediction, truth, data_range=1, channel_axis=-1)  # noqa: E731
    seconds = side_by_side(lambda: ssim(prediction, truth), theirs, repeats=3)
    exact = structural_similarity(prediction.astype(float), truth.astype(float), data_range=1, channel_axis=-1)
    _row("SSIM against scikit-image", seconds, abs(ssim(prediction, truth) - exact))

    prediction, truths = pictures(3)
    metric, network = Lpips(), package()
    ours = three_truths(metric, prediction, truths)
    difference = max(abs(a - b) for a, b in zip(ours, three_truths_package(network, prediction, truths), strict=True))
    seconds = side_by_side(
        lambda: three_truths(metric, prediction, truths),
        lambda: three_truths_package(network, prediction, truths),
        repeats=2,
    )
    _row("LPIPS x 3 against lpips", seconds, difference)
    subprocess.run([sys.executable, __file__, "--peak-memory"], check=True)


def _row(title: str, seconds: tuple[float, float], difference: float) -> None:
    ours, theirs = seconds
    print(f"{title:32s}{ours:8.3f}s{theirs:8.3f}s{theirs / ours:7.1f}x{difference:13.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peak-memory", action="store_true", help="Only measure the memory of LPIPS.")
    if parser.parse_args().peak_memory:
        torch.set_num_threads(THREADS)
        peak_memory()
    else:
        main()
