"""Blur maps against the truth of synthetic captures: error and rank correlation per method and level of blur.

    python tools/bench/blur_maps.py
    python tools/bench/blur_maps.py --dmenet DMENet_BDCS.npz --jnb dict128Blur.mat --pictures 6

A map's circle of confusion is four times its sigma. ``constant`` is the best that says the same of every pixel (the
median of the truth): a map that is worse knows less than nothing about the amount. Rank correlation (Spearman) asks
for the order alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _captures import COC_LEVELS, Capture, captures
from numpy.typing import NDArray
from scipy.stats import spearmanr

from sdd_bench.defocus.spec import load_blur_map

Map = NDArray[np.float32]
_EVERY = 7
"""Pixels from one to the next that enter the rank correlation."""


def constant(found: list[Capture]) -> Callable[[Capture], Map]:
    """The median of each level's truth."""
    medians = {
        level: float(np.median(np.concatenate([one.coc_px.ravel() for one in found if one.level == level])))
        for level in range(len(COC_LEVELS))
    }
    return lambda one: np.full(one.coc_px.shape, medians[one.level] / 4, np.float32)


def scores(maps: list[Map], found: list[Capture]) -> tuple[float, float]:
    """Mean absolute error of the circle of confusion in pixels, and mean rank correlation within a picture."""
    errors = [float(np.abs(4 * sigma - one.coc_px).mean()) for sigma, one in zip(maps, found, strict=True)]
    ranks = [
        float(spearmanr(sigma.ravel()[::_EVERY], one.coc_px.ravel()[::_EVERY]).statistic)
        for sigma, one in zip(maps, found, strict=True)
        if np.ptp(sigma) > 0 and np.ptp(one.coc_px) > 0
    ]
    return float(np.mean(errors)), float(np.mean(ranks)) if ranks else float("nan")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=3, help="per level and kind of scene")
    parser.add_argument("--dmenet", type=Path, help="the authors' DMENet_BDCS.npz")
    parser.add_argument("--jnb", type=Path, help="the authors' dict128Blur.mat")
    arguments = parser.parse_args()
    methods = {"ebdb": load_blur_map("ebdb"), "jnb-style": load_blur_map("jnb-style")}
    for name, weights in (("jnb", arguments.jnb), ("dmenet", arguments.dmenet)):
        if weights is not None:
            methods[name] = load_blur_map(name, weights)
    for title, photographs in (("made scenes", False), ("photographs", True)):
        found = captures(arguments.pictures, photographs=photographs)
        if not found:
            continue
        head = "".join(f"{f'CoC to {low:g}..{high:g}':>20s}" for low, high in COC_LEVELS)
        print(f"\n{title:14s}{head}{'seconds':>10s}\n{'':14s}" + f"{'error, px':>12s}{'rank':>8s}" * len(COC_LEVELS))
        estimators: dict[str, Callable[[Capture], Map]] = {"constant": constant(found)}
        for name, method in methods.items():
            estimators[name] = lambda one, estimate=method.estimate: estimate(one.blurry)
        for name, estimate in estimators.items():
            start = time.perf_counter()
            maps = [estimate(one) for one in found]
            seconds = (time.perf_counter() - start) / len(found)
            cells = ""
            for level in range(len(COC_LEVELS)):
                chosen = [index for index, one in enumerate(found) if one.level == level]
                error, rank = scores([maps[index] for index in chosen], [found[index] for index in chosen])
                cells += f"{error:12.2f}{rank:8.2f}"
            print(f"{name:14s}{cells}{seconds:10.2f}", flush=True)


if __name__ == "__main__":
    main()
