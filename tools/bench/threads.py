"""Processor's time of `predict` and `evaluate` on two pictures of 384x256, by the number of threads.

    python tools/bench/threads.py [--repeats 3] [--size 384x256]

Each command is a process of its own, in turn; nothing is cached. "awake" lets threads wait for each other without
sleep, as OpenMP does by default (OMP_WAIT_POLICY=ACTIVE). Columns: seconds on the clock and of processor, best of the
repeats. On a busy machine only the latter mean something.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS: dict[str, tuple[list[str], dict[str, str]]] = {
    "--threads 1": (["--threads", "1"], {}),
    "--threads 2": (["--threads", "2"], {}),
    "as it chooses": ([], {}),
    "two, whatever the size": (["--threads", "2"], {"SDD_BENCH_PIXELS_PER_THREAD": "1"}),
    "two, awake": (["--threads", "2"], {"SDD_BENCH_PIXELS_PER_THREAD": "1", "OMP_WAIT_POLICY": "ACTIVE"}),
}
"""Arguments and environment of each way."""
PROGRAM = """
import os, sys
from sdd_bench.core import threads
threads.PIXELS_PER_THREAD = int(os.environ.get("SDD_BENCH_PIXELS_PER_THREAD", threads.PIXELS_PER_THREAD))
from sdd_bench.cli.main import main
main(sys.argv[1:])
"""


def cost(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds on the clock and of processor of one command."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=given | environment, check=True, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each command and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", default="384x256")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data, made = str(root / "set"), str(root / "made")
        cost(["synth", data, "--size", options.size, "--train", "0", "--test", "2"], {})
        cost(["predict", data, "-o", made], {})  # compiles, or loads what was compiled
        cost(["evaluate", data, "--predictions", made, "-o", str(root / "first"), "--no-cache"], {})
        commands = {
            "predict": ["predict", data],
            "evaluate": ["evaluate", data, "--predictions", made, "--no-cache"],
        }
        for name, command in commands.items():
            costs: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
            for repeat in range(options.repeats):
                for way, (arguments, environment) in WAYS.items():
                    out = str(root / f"{name}-{way}-{repeat}".replace(" ", "_"))
                    costs[way].append(cost([*command, "-o", out, *arguments], environment))
            for way, values in costs.items():
                clock, cpu = (min(column) for column in zip(*values, strict=True))
                print(f"{name:10}{way:24}{clock:7.1f} s on the clock{cpu:7.1f} s of processor", flush=True)


if __name__ == "__main__":
    main()
