"""What preparing a 4096x2160 PNG pair costs, against OpenCV decoding its two files; one process, train split.

The pictures have natural amplitudes (1/f), one is blurred, and both have sensor noise of 2 grey levels, so that their
PNGs are as large as a camera's. ``prepare`` reads, checks and hashes the files, resizes, rates 60 windows, compresses
2 x 42 patches and seals the shard. The two are timed in turn; the best of each counts.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.storage.files import sha256_of
from sdd_bench.images.pair import read_pair
from sdd_bench.images.resize import parse_resize, resize_area
from sdd_bench.preparation.options import PRESETS
from sdd_bench.preparation.patches import choose, sharpness, windows
from sdd_bench.preparation.run import prepare

HEIGHT, WIDTH = 2160, 4096
N_PAIRS, REPEATS = 4, 3
LIMIT = 2.5


def scene(rng: np.random.Generator) -> NDArray[np.float32]:
    """A picture with natural amplitudes and correlated colours, (H, W, 3), 0 to 255."""
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None])
    frequency[0, 0] = 1.0
    planes = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((3, HEIGHT, WIDTH))) / frequency, s=(HEIGHT, WIDTH))
    planes = np.stack([planes[0], planes[0] + 0.3 * planes[1], planes[0] + 0.3 * planes[2]], axis=-1)
    return (128 + 48 * (planes - planes.mean()) / planes.std()).astype(np.float32)


def write(path: Path, pixels: NDArray[np.float32], rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noisy = pixels + rng.normal(0, 2, pixels.shape)
    cv2.imwrite(str(path), np.clip(noisy, 0, 255).astype(np.uint8))


def make_captures(root: Path) -> None:
    rng = np.random.default_rng(0)
    sharp = scene(rng)
    write(root / "train/gt/0.png", sharp, rng)
    write(root / "train/blur/0.png", cv2.GaussianBlur(sharp, (0, 0), 6), rng)
    for number in range(1, N_PAIRS):
        for side in ("blur", "gt"):
            shutil.copy(root / f"train/{side}/0.png", root / f"train/{side}/{number}.png")


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) / N_PAIRS


def stages(root: Path) -> list[tuple[str, float]]:
    """The steps by themselves, seconds a pair."""
    blurry_path, sharp_path = root / "train/blur/0.png", root / "train/gt/0.png"
    blurry, sharp = read_pair(blurry_path, sharp_path)
    resize = parse_resize("0.5")
    small = resize_area(sharp.pixels, resize)
    candidates = windows(*small.shape[:2])
    calls: list[tuple[str, Callable[[], object]]] = [
        ("hash both files", lambda: [sha256_of(path) for path in (blurry_path, sharp_path)]),
        ("read, check and decode both", lambda: read_pair(blurry_path, sharp_path)),
        ("resize both", lambda: [resize_area(photo.pixels, resize) for photo in (blurry, sharp)]),
        ("rate 60 windows", lambda: choose(sharpness(small, candidates))),
    ]
    return [(name, min(seconds(call) for _ in range(REPEATS)) * N_PAIRS) for name, call in calls]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_captures(root / "captures")
        files = sorted((root / "captures").rglob("*.png"))
        megabytes = sum(path.stat().st_size for path in files) / N_PAIRS / 1e6

        def decode() -> None:
            for path in files:
                cv2.imread(str(path), cv2.IMREAD_UNCHANGED)

        decoding, preparing, again = [], [], []
        for repeat in range(REPEATS):
            out = root / f"out{repeat}"
            decoding.append(seconds(decode))
            preparing.append(seconds(lambda out=out: prepare(root / "captures", out, PRESETS["sdd"])))
            again.append(seconds(lambda out=out: prepare(root / "captures", out, PRESETS["sdd"])))
            stored = sum(path.stat().st_size for path in out.glob("train-*.h5")) / N_PAIRS / 1e6
            shutil.rmtree(out)
        print(f"{N_PAIRS} PNG pairs of {WIDTH}x{HEIGHT}, {megabytes:.0f} MB a pair; {stored:.0f} MB a pair stored;")
        print(f"seconds a pair, best of {REPEATS}, in turn:")
        ratio = min(preparing) / min(decoding)
        print(f"  OpenCV decodes two files   {min(decoding):6.3f}")
        print(f"  sdd-bench prepare          {min(preparing):6.3f}   {ratio:.2f}x (target: at most {LIMIT}x)")
        print(f"  the same again (no-op)     {min(again):6.3f}")
        print("steps by themselves:")
        for name, value in stages(root / "captures"):
            print(f"  {name:<27}{value:6.3f}")
        return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
