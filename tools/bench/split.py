"""`evaluate --report` of a test split of 2048x1080 pictures, beside an older commit, each command on its own.

    python tools/bench/split.py [--against cd2338d] [--pictures 35] [--size 2048x1080]

This tree does the whole split, from nothing kept to the page with pictures. The older commit does one picture, then
three, and is scaled: what it took for one, and for each further picture half of what two more took. A small picture
comes first and is not counted: with it each tree compiles what it compiles.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from evaluate import make_set
from speed import REPOSITORY, Cost, checked_out, measure_first, warm_up

FEW, MORE = 1, 3


def make_split(root: Path, count: int, width: int, height: int) -> None:
    """``count`` made pairs and predictions, each the first one rolled further to the side."""
    make_set(root, width, height)
    for folder in ("set/test/gt", "set/test/blur", "net"):
        picture = cv2.imread(str(root / folder / "a.png"))
        for number in range(1, count):
            cv2.imwrite(str(root / folder / f"a{number}.png"), np.roll(picture, 16 * number, axis=1))


def line(name: str, seconds: float, cpu_s: float, note: str) -> None:
    """Print one line of the table."""
    print(f"{name:10}{seconds / 60:8.1f} min{cpu_s / 60:8.1f} min of processor  {note}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="cd2338d")
    parser.add_argument("--pictures", type=int, default=35)
    parser.add_argument("--size", default="2048x1080")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    print(f"{options.pictures} pictures of {options.size}, evaluate --report, all metrics, nothing kept")
    with checked_out(options.against) as old, tempfile.TemporaryDirectory() as folder:

        def measured(tree: Path, count: int) -> Cost:
            root = Path(folder) / f"{tree.name}{count}"
            make_split(root, count, width, height)
            return measure_first(tree, root, "--report")

        warm_up({"old": old, "new": REPOSITORY}, Path(folder))
        new = measured(REPOSITORY, options.pictures)
        line("this tree", new.seconds, new.cpu_s, f"peak {new.peak_gib:.2f} GiB")
        few, more = measured(old, FEW), measured(old, MORE)
        further = (options.pictures - FEW) / (MORE - FEW)
        seconds = few.seconds + further * (more.seconds - few.seconds)
        cpu_s = few.cpu_s + further * (more.cpu_s - few.cpu_s)
        line(
            options.against,
            seconds,
            cpu_s,
            f"scaled from {FEW} picture, {few.seconds:.0f} s, and {MORE}, {more.seconds:.0f} s",
        )
        print(f"{seconds / new.seconds:.1f} x on the clock, {cpu_s / new.cpu_s:.1f} x of processor")


if __name__ == "__main__":
    main()
