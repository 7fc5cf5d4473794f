"""One `pwcnet` flow of 768x416 with two threads that wait for each other awake (OpenMP's default) or asleep, in turn.

    python tools/bench/waiting.py [--repeats 2]

Seconds on the clock and of processor, the best of the repeats. The commands of sdd-bench wait asleep, unless
OMP_WAIT_POLICY says otherwise.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

POLICIES = {"awake": {}, "asleep": {"OMP_WAIT_POLICY": "PASSIVE"}}


def child() -> None:
    """One flow in this process."""
    import torch

    from sdd_bench.flow.estimator import load_flow

    torch.set_num_threads(2)
    torch.manual_seed(0)
    first = torch.nn.functional.interpolate(torch.rand(1, 3, 52, 96), (416, 768), mode="bicubic").clamp(0, 1)
    estimator = load_flow()
    estimator.estimate(first[..., :256, :256], first[..., :256, :256])  # compiles, or loads what was compiled
    clock, cpu = time.perf_counter(), time.process_time()
    estimator.estimate(first, first.roll((3, 3), (2, 3)))
    print(time.perf_counter() - clock, time.process_time() - cpu)


def main() -> None:
    """Print a line for each way of waiting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child()
        return
    given = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    costs: dict[str, list[list[float]]] = {name: [] for name in POLICIES}
    for _ in range(options.repeats):
        for name, policy in POLICIES.items():
            command = [sys.executable, __file__, "--child"]
            output = subprocess.run(command, env=given | policy, check=True, capture_output=True, text=True).stdout
            costs[name].append([float(value) for value in output.split()])
    for name, values in costs.items():
        clock, cpu = (min(column) for column in zip(*values, strict=True))
        print(f"{name:8}{clock:7.1f} s on the clock{cpu:7.1f} s of processor")


if __name__ == "__main__":
    main()
