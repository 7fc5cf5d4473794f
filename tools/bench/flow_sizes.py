"""End-point error of ``pwcnet`` on large photographs by the longest side that the network sees, and its time.

    python tools/bench/flow_sizes.py PHOTOGRAPHS [--sides 1024,896,768] [--size 2048x1080]

Takes the photographs of a folder that are large enough, moves them as ``flow_sets.py`` does and puts them out of focus.
A line per circle of confusion and side: means over the photographs, and the error over that of the first side, as a
geometric mean.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from flow_sets import Picture, read, warped_case

from sdd_bench.evaluation.picture.scorer import to_tensor
from sdd_bench.flow.estimator import load_flow
from sdd_bench.flow.pwcnet import refined

_MARGIN = 24
_SEED = 1000


def photographs(folder: Path, width: int, height: int) -> list[Picture]:
    """The middle of every photograph that is large enough, which may be turned for it."""
    found = []
    for path in sorted(folder.iterdir()):
        picture = read(path)
        if picture.shape[0] > picture.shape[1]:
            picture = picture.transpose(1, 0, 2)
        top, left = ((have - want) // 2 - _MARGIN for have, want in zip(picture.shape, (height, width), strict=False))
        if min(top, left) >= 0:
            found.append(picture[top : top + height + 2 * _MARGIN, left : left + width + 2 * _MARGIN])
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--sides", default="1024,896,768")
    parser.add_argument("--size", default="2048x1080")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pictures = photographs(options.photographs, *(int(side) for side in options.size.split("x")))
    if not pictures:
        raise SystemExit(f"{options.photographs}: no photograph of {options.size} and {2 * _MARGIN} pixels more")
    estimator, sides = load_flow(), [int(side) for side in options.sides.split(",")]
    print(f"{len(pictures)} photographs; EPE px, over that of {sides[0]}, s of processor")
    for coc in (0, 10, 20):
        errors, seconds = np.empty((2, len(sides), len(pictures)))
        for place, picture in enumerate(pictures):
            case = warped_case(picture, coc, np.random.default_rng(_SEED + place), _MARGIN)
            pair = to_tensor(case.reference), to_tensor(case.moving)
            for number, side in enumerate(sides):
                refined._NETWORK_SIDE_PX = side
                start = time.process_time()
                flow = estimator.estimate(*pair)[0].numpy()
                seconds[number, place] = time.process_time() - start
                errors[number, place] = np.hypot(*(flow - case.flow)).mean()
        ratios = np.exp(np.log(errors / errors[0]).mean(axis=1))
        for side, error, ratio, spent in zip(sides, errors.mean(axis=1), ratios, seconds.mean(axis=1), strict=True):
            print(f"CoC {coc:2} px, {side:4} px  {error:.3f}  {ratio:.3f}  {spent:.2f} s", flush=True)


if __name__ == "__main__":
    main()
