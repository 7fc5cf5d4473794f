"""Where the time of ``evaluate`` goes for a later method of a set: one 4096x2160 picture, the registered flow cached.

    python tools/bench/where.py [--size 4096x2160] [--threads 2]

Every few milliseconds the threads of the command are looked at: what each one works on, and what processor it took
since. Columns: seconds of processor, by part. Below them: for how much of the time on the clock no thread was at work,
one, or more; on a quiet machine with two cores, what is not ``more`` is a core that waits.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from evaluate import make_set

_EVERY_S = 0.01
_PARTS = (  # what a thread works on, by the first of these that is on its stack
    ("importlib", "imports"),
    ("picture/read", "reading"),
    ("metrics/lpips", "LPIPS"),
    ("metrics/", "PSNR, SSIM, MAE"),
    ("flow/evidence", "flow: evidence"),
    ("pwcnet/network", "flow: network"),
    ("pwcnet/plain", "flow: network"),
    ("pwcnet/refinement", "flow: refinement and choice"),
    ("pwcnet/", "flow: other"),
    ("evaluation/regions", "regions"),
    ("flow/warp", "warps"),
    ("storage/", "files and cache"),
    ("picture/cache", "files and cache"),
)


def part_of(frame: FrameType | None) -> str:
    """What a thread works on, by its stack."""
    files: list[str] = []
    while frame is not None:
        files.append(frame.f_code.co_filename.replace("<frozen importlib", "importlib"))
        frame = frame.f_back
    for name, part in _PARTS:
        if any(name in file for file in files):
            return part
    return "rest"


def child(arguments: list[str]) -> None:
    """The command, looked at; the last line of the output is JSON."""
    seconds: Counter[str] = Counter()
    at_work: Counter[str] = Counter()
    stop = threading.Event()
    known: dict[int, float] = {}

    def look() -> None:
        me, before = threading.get_native_id(), time.perf_counter()
        while not stop.wait(_EVERY_S):
            now, frames, busy = time.perf_counter(), sys._current_frames(), 0
            idents = {thread.native_id: thread.ident for thread in threading.enumerate()}
            for task in Path("/proc/self/task").iterdir():
                number = int(task.name)
                try:
                    taken = int((task / "schedstat").read_text().split()[0]) / 1e9
                    state = (task / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:  # it has ended
                    continue
                spent, known[number] = taken - known.get(number, 0.0), taken
                if number != me:
                    busy += state in "RD"
                    ident = idents.get(number)
                    seconds["threads of libraries" if ident is None else part_of(frames.get(ident))] += spent
            at_work["more" if busy > 1 else "one" if busy else "none"] += now - before
            before = now

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    from sdd_bench.cli.main import main as command

    command(arguments, standalone_mode=False)
    stop.set()
    looking.join()
    print(json.dumps({"seconds": seconds, "at work": at_work}))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="4096x2160")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        child(options.child)
        return
    width, height = (int(side) for side in options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_set(root, width, height)
        os.environ |= {"SDD_BENCH_CACHE": str(root / "cache"), "OMP_NUM_THREADS": str(options.threads)}
        for method in ("first", "later"):
            run = [str(root / "set"), "--predictions", str(root / "net"), "-o", str(root / method), "--json"]
            command = [sys.executable, __file__, "--child", "evaluate", *run, "--method", method]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output.splitlines()[-1])
    total = sum(found["seconds"].values())
    print(f"evaluate, later method, {options.size}, {options.threads} threads: {total:.1f} s of processor")
    for part, seconds in sorted(found["seconds"].items(), key=lambda item: -item[1]):
        print(f"  {part:30}{seconds:7.1f} s{100 * seconds / total:6.0f} %")
    clock = sum(found["at work"].values())
    shares = ", ".join(
        f"{name} {100 * found['at work'].get(name, 0) / clock:.0f} %" for name in ("none", "one", "more")
    )
    print(f"threads at work, of the time on the clock: {shares}")


if __name__ == "__main__":
    main()
