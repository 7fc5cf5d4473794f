"""Sets in and out: memory and time of many small pairs, and how much slower training without preparing is.

    python tools/bench/sets.py growth --pairs 1000 10000     # peak memory of every step, at two sizes
    python tools/bench/sets.py items --size 1536x1024        # items per second: prepared, folders, Parquet

Each step of ``growth`` runs in a process of its own; its peak of resident memory is the operating system's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

PATCH = 32


def make_captures(root: Path, n: int, *, width: int, height: int) -> None:
    """``n`` pairs in ``{input,target}``: smooth colours with noise, each another."""
    rng = np.random.default_rng(0)
    for side in ("input", "target"):
        (root / "train" / side).mkdir(parents=True)
    for number in range(n):
        small = rng.integers(0, 255, (2, 8, 12, 3), np.uint8)
        for side, seed in zip(("input", "target"), small, strict=True):
            pixels = cv2.resize(seed, (width, height), interpolation=cv2.INTER_CUBIC)
            noise = rng.integers(0, 8, pixels.shape, np.uint8)
            cv2.imwrite(str(root / "train" / side / f"{number:06d}.png"), cv2.add(pixels, noise))


def prepare_step(root: Path) -> None:
    """Captures to a prepared set, one patch per pair."""
    from sdd_bench.preparation.options import PrepareOptions
    from sdd_bench.preparation.run import prepare

    options = PrepareOptions(resize="none", patch=PATCH, overlap=0.0, drop=0.0, pairs_per_shard=64)
    prepare(root / "captures", root / "set", options)


def export_step(form: str) -> Callable[[Path], None]:
    """Export of the set in a format."""
    return {"parquet": _parquet, "webdataset": _webdataset, "imagefolder": _imagefolder}[form]


def _export(root: Path, form: str) -> None:
    from sdd_bench.prepared.export.options import ExportOptions
    from sdd_bench.prepared.export.run import export

    export(root / "set", root / form, ExportOptions(form))


def _parquet(root: Path) -> None:
    _export(root, "parquet")


def _webdataset(root: Path) -> None:
    _export(root, "webdataset")


def _imagefolder(root: Path) -> None:
    _export(root, "imagefolder")


def read_parquet_step(root: Path) -> None:
    """The pairs of the Parquet export, unpacked."""
    from sdd_bench.captures.layouts import read_layout

    os.environ["SDD_BENCH_CACHE"] = str(root / "cache")
    read_layout(root / "parquet")


def iterate_step(root: Path) -> None:
    """Every item of the Parquet export, in order."""
    from sdd_bench.prepared.open_pairs import open_pairs

    items = open_pairs(root / "parquet", crop=None, augment=False)
    for index in range(len(items)):
        items[index]


def _run(step: Callable[[Path], None], root: Path, queue: multiprocessing.Queue[tuple[float, float, float]]) -> None:
    begun = time.monotonic()
    step(root)
    used = resource.getrusage(resource.RUSAGE_SELF)
    queue.put((used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, time.monotonic() - begun))


def growth(counts: list[int]) -> None:
    """Print peak memory and processor seconds of every step for every number of pairs."""
    context = multiprocessing.get_context("spawn")
    steps: list[tuple[str, Callable[[Path], None]]] = [
        ("prepare", prepare_step),
        ("export parquet", export_step("parquet")),
        ("export webdataset", export_step("webdataset")),
        ("export imagefolder", export_step("imagefolder")),
        ("read parquet (unpack)", read_parquet_step),
        ("iterate parquet", iterate_step),
    ]
    print("| step | pairs | peak, MiB | processor, s |\n|---|---|---|---|")
    for n in counts:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            make_captures(root / "captures", n, width=PATCH, height=PATCH)
            for name, step in steps:
                queue = context.Queue()
                process = context.Process(target=_run, args=(step, root, queue))
                process.start()
                peak, processor, _ = queue.get()
                process.join()
                print(f"| {name} | {n} | {peak:.0f} | {processor:.1f} |", flush=True)


def items(width: int, height: int, n: int, crop: int) -> None:
    """Print items per processor second of a prepared set, of folders and of Parquet, in random order."""
    import torch

    from sdd_bench.preparation.options import PrepareOptions
    from sdd_bench.preparation.run import prepare
    from sdd_bench.prepared.export.options import ExportOptions
    from sdd_bench.prepared.export.run import export
    from sdd_bench.prepared.open_pairs import open_pairs

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_captures(root / "captures", n, width=width, height=height)
        prepare(root / "captures", root / "set", PrepareOptions(resize="none", patch=512, overlap=0.0, drop=0.0))
        prepare(root / "captures", root / "full", PrepareOptions(resize="none", train="full"))
        for name in ("set", "full"):
            export(root / name, root / f"{name}-parquet", ExportOptions("parquet"))
        print(f"{width}x{height}, crop {crop}\n\n| source | items/s of processor | against prepared |\n|---|---|---|")
        first = None
        for name, path in (
            ("prepared patches", root / "set"),
            ("Parquet of patches", root / "set-parquet"),
            ("folders of full pictures", root / "captures"),
            ("Parquet of full pictures", root / "full-parquet"),
        ):
            found = open_pairs(path, crop=crop)
            order = np.random.default_rng(0).integers(0, len(found), 3 * n)
            found[int(order[0])]
            begun = time.process_time()
            for index in order:
                found[int(index)]
            rate = len(order) / (time.process_time() - begun)
            first = first or rate
            print(f"| {name} | {rate:.1f} | {first / rate:.1f} x slower |", flush=True)


def main() -> None:
    """Parse, and run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("growth", "items"))
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--size", default="1536x1024")
    parser.add_argument("--n", type=int, default=12, help="pairs of `items`")
    parser.add_argument("--crop", type=int, default=256)
    given = parser.parse_args()
    if given.what == "growth":
        growth(given.pairs)
    else:
        width, height = map(int, given.size.split("x"))
        items(width, height, given.n, given.crop)


if __name__ == "__main__":
    main()
