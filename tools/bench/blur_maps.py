"""Blur maps against the truth of synthetic captures: error and rank correlation per method and level of blur.

    python tools/bench/blur_maps.py
    python tools/bench/blur_maps.py --dmenet DMENet_BDCS.npz --jnb dict128Blur.mat --pictures 6
    python tools/bench/blur_maps.py --steps
    python tools/bench/blur_maps.py --memory dmenet

A map's circle of confusion is four times its sigma. ``constant`` is the best that says the same of every pixel (the
median of the truth): a map that is worse knows less than nothing about the amount. Rank correlation (Spearman) asks
for the order alone. ``--steps`` measures EBDB's edges on steps blurred by a known Gaussian, in eight directions, by
contrast and noise. ``--memory`` prints the peak of a map of a 4096x2160 picture; DMENet's weights are random then.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from _captures import COC_LEVELS, Capture, captures
from _memory import peak_mib
from _pictures import natural_pictures
from numpy.typing import NDArray
from scipy.special import erf
from scipy.stats import spearmanr

from sdd_bench.defocus.dmenet.network import DMENet
from sdd_bench.defocus.dmenet.released import dmenet
from sdd_bench.defocus.edges import edge_blur
from sdd_bench.defocus.spec import load_blur_map

Map = NDArray[np.float32]
_SIGMAS = (1, 1.5, 2, 3, 4)
_ANGLES = (0, 10, 22.5, 33, 45, 60, 90, 135)
_SIDE = 160
WIDTH, HEIGHT = 4096, 2160
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


def print_steps() -> None:
    """How far the median of a step's sigmas is off, mean and worst of eight directions, in percent."""
    rng = np.random.default_rng(0)
    print(f"{'contrast':>8s}{'noise':>8s}" + "".join(f"{f'sigma {sigma:g}':>16s}" for sigma in _SIGMAS))
    for contrast in (0.05, 0.2, 0.6):
        for noise in (0.0, 0.002, 0.005, 0.01):
            cells = ""
            for sigma in _SIGMAS:
                off = [100 * _step_error(sigma, angle, contrast, noise, rng) for angle in _ANGLES]
                cells += f"{f'{np.mean(off):+.1f} ({np.abs(off).max():.1f})':>16s}"
            print(f"{contrast:8g}{noise:8g}{cells}", flush=True)


def _step_error(sigma: float, angle_deg: float, contrast: float, noise: float, rng: np.random.Generator) -> float:
    """Relative error of the median sigma near the middle of a step."""
    y, x = np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2
    angle = np.radians(angle_deg)
    across = (x - 0.3) * np.cos(angle) + y * np.sin(angle)
    plane = 0.5 + contrast / 2 * erf(across / np.sqrt(2) / sigma) + noise * rng.standard_normal(x.shape)
    blur = edge_blur(plane.astype(np.float32))
    at = blur.rows, blur.columns
    own = (np.abs(across[at]) < 3) & (np.abs(x[at]) < _SIDE / 3) & (np.abs(y[at]) < _SIDE / 3)
    return float(np.median(blur.sigma_px[own])) / sigma - 1


def print_memory(name: str) -> None:
    """Peak memory and processor time of a map of a large picture."""
    if name == "dmenet":
        network = DMENet().eval().requires_grad_(False)
        estimate = partial(dmenet, network=network)
    else:
        estimate = load_blur_map(name).estimate
    side = natural_pictures(8, 1)[0].astype(np.float32) / 255
    picture = np.tile(side, (-(-HEIGHT // side.shape[0]), -(-WIDTH // side.shape[1]), 1))[:HEIGHT, :WIDTH]
    start = time.process_time()
    peak = peak_mib(lambda: estimate(picture))
    seconds = time.process_time() - start
    print(f"{name}, {WIDTH}x{HEIGHT}: {peak / 1024:.2f} GiB beside the picture, processor {seconds:.0f} s")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=3, help="per level and kind of scene")
    parser.add_argument("--dmenet", type=Path, help="the authors' DMENet_BDCS.npz")
    parser.add_argument("--jnb", type=Path, help="the authors' dict128Blur.mat")
    parser.add_argument("--steps", action="store_true", help="only steps of known blur")
    parser.add_argument("--memory", metavar="METHOD", help="only the peak memory of a method at 4096x2160")
    arguments = parser.parse_args()
    if arguments.memory:
        print_memory(arguments.memory)
        return
    if arguments.steps:
        print_steps()
        return
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
