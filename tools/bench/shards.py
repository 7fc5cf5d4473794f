"""Size and speed of a shard's patches: Blosc2 as sdd-bench uses it, against HDF5's own way with other filters, and PNG.

Every HDF5 row has one 512x512 RGB patch a chunk and Fletcher32. "by HDF5" rows let the HDF5 library call the filter;
"sdd-bench" packs whole pixels (shuffle by pixel, bytedelta, Zstandard 1) in two threads and hands HDF5 the chunks.
Times are wall seconds, best of interleaved repeats, for writing and for reading whole patches through HDF5 itself.
Then random 256x256 crops through the reader of training, from the shard as it is and from a copy whose chunks are not
bound to their places, as earlier versions wrote it: what the check of the place costs.
With SDD_BENCH_DATA set, patches are cut from the real photographs there, else made here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import h5py
import hdf5plugin
import numpy as np
from _pictures import natural_pictures
from numpy.typing import NDArray

from sdd_bench.core.types import Window
from sdd_bench.prepared.shards import PairPatches, ShardReader, write_shard
from sdd_bench.prepared.shards.places import ATTRIBUTE

PATCH, N, REPEATS = 512, 20, 2
CROP, CROPS, ROUNDS = 256, 30, 9
Pictures = list[NDArray[np.generic]]


def blosc2(level: int, filters: int, codec: str = "zstd") -> dict[str, Any]:
    """Options of h5py for Blosc2 as HDF5 itself applies it."""
    return dict(hdf5plugin.Blosc2(cname=codec, clevel=level, filters=filters))


BY_HDF5: dict[str, dict[str, Any]] = {
    "none": {},
    "lzf": {"compression": "lzf"},
    "gzip 1": {"compression": "gzip", "compression_opts": 1},
    "gzip 4": {"compression": "gzip", "compression_opts": 4},
    "blosc2 lz4 5 bitshuffle": blosc2(5, hdf5plugin.Blosc2.BITSHUFFLE, "lz4"),
    "blosc2 zstd 1": blosc2(1, hdf5plugin.Blosc2.NOFILTER),
    "blosc2 zstd 1 shuffle": blosc2(1, hdf5plugin.Blosc2.SHUFFLE),
    "blosc2 zstd 1 bitshuffle": blosc2(1, hdf5plugin.Blosc2.BITSHUFFLE),
    "blosc2 zstd 3 bitshuffle": blosc2(3, hdf5plugin.Blosc2.BITSHUFFLE),
    "blosc2 zstd 5 bitshuffle": blosc2(5, hdf5plugin.Blosc2.BITSHUFFLE),
    "blosc2 zstd 1 delta": blosc2(1, hdf5plugin.Blosc2.DELTA),
}


def write_hdf5(path: Path, pictures: Pictures, options: dict[str, Any]) -> None:
    """One dataset, compressed by HDF5."""
    shape = pictures[0].shape
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "blurry",
            (len(pictures), *shape),
            pictures[0].dtype,
            chunks=(1, *shape),
            fletcher32=True,
            **options,
        )
        for number, picture in enumerate(pictures):
            dataset[number] = picture


def write_ours(path: Path, pictures: Pictures) -> None:
    """A shard; it takes pairs, so the second half of the pictures is the sharp one."""
    half = len(pictures) // 2
    window = [Window(0, 0, PATCH, PATCH)]
    pairs = [PairPatches(i, pictures[i], pictures[half + i], window, np.zeros(1)) for i in range(half)]
    write_shard(path, pairs, split="train", bit_depth=8 * pictures[0].itemsize, resize="none", threads=2)


def write_png(folder: Path, pictures: Pictures) -> None:
    """One PNG file per patch, with OpenCV's own settings."""
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number}.png"), picture[..., ::-1])


def read(path: Path) -> None:
    """Every patch of a file or folder."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        return
    with h5py.File(path) as file:
        for name in ("blurry", "sharp"):
            for number in range(len(file[name]) if name in file else 0):
                file[name][number]


def n_bytes(path: Path) -> int:
    """Size on disk."""
    return sum(f.stat().st_size for f in path.iterdir()) if path.is_dir() else path.stat().st_size


def compare(depth: int, root: Path) -> None:
    """Print one row per way to store patches of this bit depth."""
    pictures = natural_pictures(depth, N)
    raw = sum(picture.nbytes for picture in pictures)
    writers: dict[str, Any] = {"PNG files": lambda p: write_png(p, pictures)}
    for name, options in BY_HDF5.items():
        writers[f"{name}, by HDF5"] = lambda p, o=options: write_hdf5(p, pictures, o)
    writers["blosc2, sdd-bench"] = lambda p: write_ours(p, pictures)
    best = {name: [float("inf"), float("inf")] for name in writers}
    for _ in range(REPEATS):
        for name, write in writers.items():
            path = root / name.replace(" ", "_")
            for column, work in enumerate((write, read)):
                start = time.perf_counter()
                work(path)
                best[name][column] = min(best[name][column], time.perf_counter() - start)
    print(f"{depth} bit, {len(pictures)} patches, {raw / 1e6:.0f} MB")
    print(f"  {'':<38} {'size':>6} {'write':>10} {'read':>10}")
    for name, (write_s, read_s) in best.items():
        share = n_bytes(root / name.replace(" ", "_")) / raw
        print(f"  {name:<38} {share:6.3f} {raw / write_s / 1e6:5.0f} MB/s {raw / read_s / 1e6:5.0f} MB/s")


def compare_places(depth: int, root: Path) -> None:
    """Print the processor time of a crop with and without the check of its place, the median of interleaved rounds."""
    bound, unbound = root / "bound.h5", root / "unbound.h5"
    write_ours(bound, natural_pictures(depth, N))
    shutil.copy(bound, unbound)
    with h5py.File(unbound, "r+") as file:
        for dataset in file.values():
            del dataset.attrs[ATTRIBUTE]
    readers = {path.stem: ShardReader(path) for path in (bound, unbound)}
    rng = np.random.default_rng(0)
    crops = [(int(rng.integers(N // 2)), *map(int, rng.integers(PATCH - CROP, size=2))) for _ in range(CROPS)]
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(ROUNDS):
        for name, reader in list(readers.items())[:: -1 if number % 2 else 1]:
            start = time.process_time()
            for index, y, x in crops:
                reader.read_crop(index, y, x, CROP, CROP)
            seconds[name].append((time.process_time() - start) / CROPS)
    medians = {name: float(np.median(values[1:])) for name, values in seconds.items()}
    print(
        f"{depth} bit, crops of both pictures: bound {medians['bound'] * 1e3:.2f} ms, not bound "
        f"{medians['unbound'] * 1e3:.2f} ms, {medians['bound'] / medians['unbound']:.3f} times"
    )


def main() -> None:
    """Run the comparison for both bit depths."""
    print(f"pictures: {'real' if os.environ.get('SDD_BENCH_DATA') else 'made'}")
    for depth in (8, 16):
        with tempfile.TemporaryDirectory() as folder:
            compare(depth, Path(folder))
            compare_places(depth, Path(folder))


if __name__ == "__main__":
    main()
