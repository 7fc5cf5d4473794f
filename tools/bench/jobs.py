"""`evaluate --jobs 1` beside `--jobs 2` on made pictures, in turn, each command from a fresh start.

    python tools/bench/jobs.py [--pictures 6] [--size 1024x540] [--repeats 2]

Nothing is cached. Best of the repeats: seconds on the clock, seconds of processor of all processes, pictures a minute.
On a busy machine the clock compares the two only as far as others leave both the same share.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evaluate import make_set

JOBS = (1, 2)


def make_pictures(root: Path, count: int, width: int, height: int) -> None:
    """``count`` copies of one made pair and its prediction, under names of their own."""
    make_set(root, width, height)
    for folder in ("set/test/gt", "set/test/blur", "net"):
        for number in range(1, count):
            shutil.copy(root / folder / "a.png", root / folder / f"a{number}.png")


def measure(root: Path, jobs: int) -> tuple[float, float]:
    """Seconds on the clock and of processor of one command."""
    shutil.rmtree(root / "run", ignore_errors=True)
    command = [sys.executable, "-m", "sdd_bench", "evaluate", str(root / "set"), "--predictions", str(root / "net")]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    options = ["-o", str(root / "run"), "--no-cache", "--json", "--jobs", str(jobs)]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--size", default="1024x540")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_pictures(root, options.pictures, width, height)
        costs: dict[int, list[tuple[float, float]]] = {jobs: [] for jobs in JOBS}
        for _ in range(options.repeats):
            for jobs in JOBS:
                costs[jobs].append(measure(root, jobs))
                print(f"--jobs {jobs}: {costs[jobs][-1][0]:.1f} s, {costs[jobs][-1][1]:.1f} s of processor", flush=True)
    print(f"{options.pictures} pictures of {options.size}, {os.cpu_count()} cores, best of {options.repeats}")
    for jobs, values in costs.items():
        clock, cpu = (min(column) for column in zip(*values, strict=True))
        print(f"--jobs {jobs}: {clock:6.1f} s{cpu:8.1f} s of processor{60 * options.pictures / clock:7.1f} a minute")


if __name__ == "__main__":
    main()
