"""How long a synthetic 4096x2160 pair takes, in units of writing its four PNGs.

Side by side, best of a few repeats: making a pair as ``sdd-bench synth --truth full`` does (scene, optics, sensor, all
files), and writing its four pictures (blurry, sharp, aligned, blur map as 16-bit grey stored as RGB) with the same
``write_png``. The target is a ratio of at most 10.

    python tools/bench/synth.py [--repeats N]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from sdd_bench.core.executors import reuse_memory
from sdd_bench.images.photograph import read_photograph
from sdd_bench.images.write import write_png
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize

TARGET = 10.0
CASES = {
    "default": {},
    "blur up to 60 px": {"coc_range": (60.0, 60.0)},
    "16 bit": {"bit_depth": 16},
    "parallax 10 px": {"parallax_range": (10.0, 10.0)},
}


def make(out: Path, seed: int, changes: dict[str, object]) -> float:
    """Seconds for one pair and its truth."""
    options = SynthOptions(n_train=1, n_test=0, seed=seed, truth="full", **changes)
    start = time.perf_counter()
    synthesize(out, options)
    return time.perf_counter() - start


def write_four(pair: Path, out: Path) -> float:
    """Seconds for writing the four pictures of a pair."""
    names = ("train/blur/0000.png", "train/gt/0000.png", "truth/train/0000_aligned.png")
    pictures = [read_photograph(pair / name).pixels for name in names]
    coc = np.rint(tifffile.imread(pair / "truth/train/0000_coc.tiff") * 256).astype(np.uint16)
    pictures.append(np.repeat(coc[..., None], 3, axis=2))
    start = time.perf_counter()
    for number, pixels in enumerate(pictures):
        write_png(out / f"{number}.png", pixels)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2)
    repeats = parser.parse_args().repeats
    reuse_memory()  # as the command does
    worst = 0.0
    print(f"{'4096x2160 pair':<20} {'make s':>8} {'write 4 PNG s':>14} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "warm", 0, {"width": 160, "height": 96})
        for case, changes in CASES.items():
            times = []
            for repeat in range(repeats):
                pair = Path(folder) / f"{case} {repeat}"
                times.append((make(pair, repeat, changes), write_four(pair, pair / "again")))
            made, written = (min(column) for column in zip(*times, strict=True))
            worst = max(worst, made / written)
            print(f"{case:<20} {made:8.2f} {written:14.2f} {made / written:6.1f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"worst ratio {worst:.1f}, target at most {TARGET:g}; peak memory {peak:.1f} GB")
    return 0 if worst <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
