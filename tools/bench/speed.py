"""Speed of this tree beside an older commit, each in processes of its own, in turn.

    [OMP_NUM_THREADS=1] python tools/bench/speed.py [--against cd2338d] [--size 4096x2160] [--what flow,first,later]

The old commit is checked out into a temporary git worktree. ``flow``: one ``pwcnet`` flow, imports and reading left
out. ``first``: ``evaluate`` of one picture with all metrics, nothing cached, the whole command. ``later``: a second
method, the registered flow cached. Columns: seconds on the clock, seconds of processor, share of it in the system,
peak resident memory; the best of the repeats, after a small picture that compiles what is compiled. The last line:
largest difference of PSNR between both trees. On a busy machine only the processor's seconds mean something, and only
with one thread: more of them wait for each other awake.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluate import make_set

from sdd_bench import weights

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cost:
    """What a piece of work took."""

    seconds: float
    cpu_s: float
    system_s: float
    peak_gib: float


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A folder with the tree of ``commit``."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(REPOSITORY), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def child_flow(root: Path) -> None:
    """One flow in this process; prints its cost as JSON."""
    import cv2
    import numpy as np
    import torch

    from sdd_bench.flow.estimator import load_flow

    def read(path: Path) -> torch.Tensor:
        pixels = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1].transpose(2, 0, 1))
        return torch.from_numpy(pixels)[None].float() / 255

    blurry, sharp = (read(root / "set" / "test" / name / "a.png") for name in ("blur", "gt"))
    estimator = load_flow()
    estimator.estimate(blurry[..., :256, :256], sharp[..., :256, :256])  # compiles, or loads what was compiled
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    estimator.estimate(blurry, sharp)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    system = after.ru_stime - before.ru_stime
    cost = Cost(seconds, after.ru_utime - before.ru_utime + system, system, after.ru_maxrss / 2**20)
    print(json.dumps(vars(cost)))


def run(tree: Path, root: Path, *arguments: str) -> tuple[Cost, str]:
    """Run ``python ARGUMENTS`` with the package of ``tree``, its cache in ``root``; its cost and its output."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "SDD_BENCH_CACHE": str(root / "cache")}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=output, cwd=tree)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if status:
        raise SystemExit(f"{tree}: python {' '.join(arguments)} failed.")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(seconds, cpu, usage.ru_stime, usage.ru_maxrss / 2**20), text


def measure_flow(tree: Path, root: Path) -> Cost:
    """One flow."""
    _, text = run(tree, root, str(Path(__file__)), "--child", str(root))
    return Cost(**json.loads(text.splitlines()[-1]))


def measure_first(tree: Path, root: Path, *more: str) -> Cost:
    """``evaluate`` of a set that nothing is known of, with ``more`` options."""
    for kept in (root / "set" / "registered", root / "cache", root / "first"):  # by the old commit and by this one
        shutil.rmtree(kept, ignore_errors=True)
    (root / "cache").mkdir()
    shutil.copy(weights.path("alexnet"), root / "cache")  # where the old commit looks for it
    return evaluate(tree, root, "first", *more)


def measure_later(tree: Path, root: Path) -> Cost:
    """``evaluate`` of another method; the set's registered flow and baselines are there from ``first``."""
    if not (root / "first").is_dir():
        measure_first(tree, root)
    shutil.rmtree(root / "later", ignore_errors=True)
    return evaluate(tree, root, "later")


def evaluate(tree: Path, root: Path, run_name: str, *more: str) -> Cost:
    """The command, as a user gives it."""
    predictions, out = str(root / "net"), str(root / run_name)
    command = ["-m", "sdd_bench", "evaluate", str(root / "set"), "--predictions", predictions, "-o", out, "--json"]
    return run(tree, root, *command, "--method", run_name, *more)[0]


def warm_up(trees: Mapping[str, Path], folder: Path) -> None:
    """``evaluate`` of a small picture by each tree, so that no compiling is measured."""
    for name, tree in trees.items():
        make_set(folder / "small" / name, 640, 360)
        measure_first(tree, folder / "small" / name)


WORK: dict[str, Callable[[Path, Path], Cost]] = {
    "flow": measure_flow,
    "first": measure_first,
    "later": measure_later,
}


def psnrs(run_folder: Path) -> dict[str, float]:
    """Every PSNR of a run, by method, picture and ground truth."""
    with open(run_folder / "per_image.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {f"{row['method']}, {row['ground_truth']}": float(row["psnr"]) for row in rows if row["psnr"]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="cd2338d")
    parser.add_argument("--size", default="4096x2160")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--what", default=",".join(WORK))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child_flow(options.child)
        return
    width, height = (int(side) for side in options.size.split("x"))
    with checked_out(options.against) as old, tempfile.TemporaryDirectory() as folder:
        trees = {"old": old, "new": REPOSITORY}
        roots = {name: Path(folder) / name for name in trees}
        for root in roots.values():
            make_set(root, width, height)
        warm_up(trees, Path(folder))
        print(f"{options.size}, {options.against} beside this tree, best of {options.repeats}")
        print(f"{'':8}{'':5}{'clock':>9}{'processor':>11}{'system':>8}{'peak':>10}")
        for what in options.what.split(","):
            costs: dict[str, list[Cost]] = {name: [] for name in trees}
            for _ in range(options.repeats):
                for name, tree in trees.items():
                    costs[name].append(WORK[what](tree, roots[name]))
            best = {name: min(values, key=lambda cost: cost.cpu_s) for name, values in costs.items()}
            clock = {name: min(cost.seconds for cost in values) for name, values in costs.items()}
            for name, cost in best.items():
                share = 100 * cost.system_s / cost.cpu_s
                print(
                    f"{what:8}{name:5}{clock[name]:7.1f} s{cost.cpu_s:9.1f} s{share:6.0f} %{cost.peak_gib:6.2f} GiB",
                    flush=True,
                )
            faster = clock["old"] / clock["new"], best["old"].cpu_s / best["new"].cpu_s
            print(f"{what:8}{'':5}{faster[0]:7.1f} x{faster[1]:9.1f} x", flush=True)
        if "first" in options.what.split(","):
            old_psnr, new_psnr = (psnrs(root / "first") for root in roots.values())
            shared = old_psnr.keys() & new_psnr.keys()  # a ground truth may have come since
            key = max(shared, key=lambda name: abs(new_psnr[name] - old_psnr[name]))
            print(f"largest difference of PSNR: {new_psnr[key] - old_psnr[key]:+.4f} dB ({key})")


if __name__ == "__main__":
    main()
