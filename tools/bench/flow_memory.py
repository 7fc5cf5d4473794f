"""Peak resident memory of flow estimation, measured in a process of its own that imports everything and runs once.

    python tools/bench/flow_memory.py [--size 4096x2160]

The target is under 4 GiB for a 4096x2160 pair, one direction or both, whole process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

CASES = [
    ("import torch and cv2 alone", []),
    ("pwcnet (refined), one direction", ["pwcnet", "one", "32"]),
    ("pwcnet (refined), both directions", ["pwcnet", "both", "32"]),
    ("pwcnet-plain, one direction", ["pwcnet-plain", "one", "32"]),
    ("pwcnet-plain, both directions", ["pwcnet-plain", "both", "32"]),
    ("pwcnet-plain, both directions, bf16", ["pwcnet-plain", "both", "bf16"]),
    ("published PWC-Net (dense), one direction", ["dense", "one", "32"]),
    ("dis, one direction", ["dis", "one", "32"]),
]
LIMIT_GIB = 4.0


def child(size: str, case: list[str]) -> None:
    """Run one case and print its peak resident memory in GiB and its seconds."""
    import cv2
    import torch

    from sdd_bench.flow.estimator import load_flow
    from sdd_bench.flow.pwcnet.network import PWCNet

    assert cv2.__version__
    torch.set_num_threads(2)
    seconds = 0.0
    if case:
        name, direction, precision = case
        width, height = (int(side) for side in size.split("x"))
        estimator = load_flow("pwcnet-plain" if name == "dense" else name, precision=precision)  # type: ignore[arg-type]
        if name == "dense":
            estimator.network = PWCNet().eval()  # type: ignore[attr-defined]  # memory does not depend on the weights
        generator = torch.Generator().manual_seed(0)
        a, b = (torch.rand(1, 3, height, width, generator=generator) for _ in range(2))
        start = time.perf_counter()
        flow = estimator.estimate(a, b) if direction == "one" else estimator.estimate_both(a, b)[0]
        seconds = time.perf_counter() - start
        assert flow.shape == (1, 2, height, width)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, seconds)


def main() -> None:
    """Measure every case, print the table, fail when a case is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="4096x2160")
    parser.add_argument("--child", nargs="*")
    options = parser.parse_args()
    if options.child is not None:
        child(options.size, options.child)
        return
    print(f"{'peak resident memory at ' + options.size:45} {'GiB':>6} {'s':>6}")
    worst = 0.0
    for title, case in CASES:
        command = [sys.executable, __file__, "--size", options.size, "--child", *case]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        gib, seconds = (float(value) for value in output.split())
        worst = max(worst, gib)
        print(f"{title:45} {gib:6.2f} {seconds:6.1f}", flush=True)
    verdict = "under" if worst < LIMIT_GIB else "OVER"
    print(f"largest: {worst:.2f} GiB, {verdict} the limit of {LIMIT_GIB:g} GiB")
    sys.exit(worst >= LIMIT_GIB)


if __name__ == "__main__":
    main()
