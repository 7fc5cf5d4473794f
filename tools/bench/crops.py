"""Random 256 crops per second on one core: HDF5 shards against a folder of PNG patches read with OpenCV.

Both sides do the same work to the same patches: blurry and sharp, one random crop, flips and turns, float32
channels-first. Shards also compare the Fletcher32 checksum of each chunk. Files are in the page cache.
With SDD_BENCH_DATA set, patches are cut from the real photographs there, else made here.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from _pictures import natural_pictures

from sdd_bench.core.types import Window
from sdd_bench.prepared.shards import COMPRESSIONS, PairPatches, write_shard
from sdd_bench.prepared.torch_dataset import PairDataset
from sdd_bench.prepared.transforms import random_transform

PATCH, CROP, REPEATS = 512, 256, 5


class PngFolder:
    """What people use today: one PNG file per patch."""

    def __init__(self, root: Path, n: int, depth: int) -> None:
        self.root, self.n, self.scale = root, n, np.float32(2**depth - 1)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        transform = random_transform(np.random.default_rng((0, 0, index)), PATCH, CROP)
        return {name: self._read(f"{name}/{index:05d}.png", transform) for name in ("blurry", "sharp")}

    def _read(self, name: str, transform: object) -> torch.Tensor:
        pixels = cv2.imread(str(self.root / name), cv2.IMREAD_UNCHANGED)[..., ::-1]
        planes = np.empty((3, CROP, CROP), np.float32)
        np.divide(transform.apply(pixels).transpose(2, 0, 1), self.scale, out=planes)  # type: ignore[attr-defined]
        return torch.from_numpy(planes)


def seconds(read: Callable[[int], object], n: int) -> float:
    """CPU seconds of one pass over ``n`` items."""
    start = time.process_time()
    for index in range(n):
        read(index)
    return time.process_time() - start


def compare(depth: int, root: Path) -> None:
    """Print one row per way to store patches of this bit depth."""
    pictures = natural_pictures(depth)
    windows = [Window(0, 0, PATCH, PATCH)]
    pairs = [PairPatches(i, pictures[i], pictures[i - 1], windows, np.zeros(1)) for i in range(len(pictures))]
    for name in ("blurry", "sharp"):
        (root / name).mkdir(parents=True)
    for i, pair in enumerate(pairs):
        for name, pixels in (("blurry", pair.blurry), ("sharp", pair.sharp)):
            cv2.imwrite(str(root / name / f"{i:05d}.png"), pixels[..., ::-1])
    readers: dict[str, Callable[[int], object]] = {"PNG files, OpenCV": PngFolder(root, len(pairs), depth).__getitem__}
    for compression in COMPRESSIONS:
        path = root / f"{compression}.h5"
        write_shard(path, pairs, split="train", bit_depth=depth, resize="none", compression=compression)
        readers[f"shard, {compression}"] = PairDataset(path, crop=CROP).__getitem__
    best = dict.fromkeys(readers, float("inf"))
    for _ in range(REPEATS):
        for name, read in readers.items():
            best[name] = min(best[name], seconds(read, len(pairs)))
    png = best["PNG files, OpenCV"]
    for name, time_s in best.items():
        print(f"{depth:>2} bit  {name:<20} {1e3 * time_s / len(pairs):7.2f} ms/pair {png / time_s:6.2f}x")


def main() -> None:
    """Run the comparison for both bit depths."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    source = "real" if os.environ.get("SDD_BENCH_DATA") else "made"
    print(f"{CROP} crops of {PATCH} patches, blurry and sharp; pictures: {source}")
    for depth in (8, 16):
        with tempfile.TemporaryDirectory() as folder:
            compare(depth, Path(folder))


if __name__ == "__main__":
    main()
