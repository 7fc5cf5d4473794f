"""Spatially varying deconvolution: the published recipe's time against ours, and the sweep that chose the options.

    python tools/bench/deconvolution.py                    time and cost in one run, 1024x540
    python tools/bench/deconvolution.py --size 2048 1080   the same, larger
    python tools/bench/deconvolution.py --memory           peak memory at 4096x2160
    python tools/bench/deconvolution.py --sweep            gain in dB per option, on captures whose truth is known
    python tools/bench/deconvolution.py --known            the same where one known disk blurred all, with 1 % noise

The published recipe deconvolves the whole picture once per level of blur, up to 34 of them, and colour; here the same
map and picture go through both. The sweep is over made scenes and photographs of other seeds than any test of the
package uses.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from _captures import Capture, captures
from _memory import peak_mib
from _pictures import natural_pictures
from numpy.typing import NDArray

from sdd_bench.deconvolution.kernels import KERNELS, disk_kernel, sigma_from_coc
from sdd_bench.deconvolution.methods.hyper_laplacian import HyperLaplacian
from sdd_bench.deconvolution.methods.richardson_lucy import RichardsonLucy
from sdd_bench.deconvolution.methods.wiener import Wiener
from sdd_bench.deconvolution.solve import Method
from sdd_bench.deconvolution.spatially_varying import blend, published
from sdd_bench.defocus.ebdb import ebdb
from sdd_bench.metrics.psnr import psnr

Picture = NDArray[np.float32]
SWEEP_SEED = 1000
METHOD = HyperLaplacian(100.0, 1.5)


def blurry_picture(width: int, height: int) -> Picture:
    """Patches of photographs side by side, the outer ones blurred more."""
    side = 512
    n_across, n_down = -(-width // side), -(-height // side)
    tiles = natural_pictures(8, n_across * n_down)
    rows = [np.concatenate(tiles[row * n_across : (row + 1) * n_across], axis=1) for row in range(n_down)]
    picture = np.concatenate(rows)[:height, :width].astype(np.float32) / 255
    blurred = [cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in (0.6, 1.5, 3.0)]
    place = np.abs(np.linspace(-2, 2, width, dtype=np.float32))[None, :, None]
    weights = [np.clip(1 - np.abs(place - number), 0, 1) for number in range(3)]
    return np.asarray(sum(w * b for w, b in zip(weights, blurred, strict=True)), np.float32)


def timed(function: Callable[[], Picture]) -> tuple[Picture, float, float]:
    """Result, seconds by the clock, and seconds of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - clock, time.process_time() - processor


def compare(width: int, height: int) -> None:
    """Print the times of both recipes."""
    picture = blurry_picture(width, height)
    sigma_px, *map_seconds = timed(lambda: ebdb(picture))
    _, *ours = timed(lambda: blend(picture, sigma_px, METHOD))
    _, *theirs = timed(lambda: published(picture, sigma_px, METHOD, stored_range_px=5.0))
    print(f"{width}x{height}, EBDB's map, hyper-Laplacian; {'clock':>14s}{'processor':>12s}")
    for title, (clock, processor) in (("map", map_seconds), ("blend", ours), ("published recipe", theirs)):
        print(f"{title:44s}{clock:11.1f} s{processor:10.1f} s")
    print(f"{'published / blend':44s}{theirs[0] / ours[0]:12.1f}x{theirs[1] / ours[1]:11.1f}x")
    print(f"map and blend: {map_seconds[0] + ours[0]:.1f} s")


def memory() -> None:
    """Print the peak memory of map and blend; in a process of its own, since a heap keeps what others freed."""
    picture = blurry_picture(4096, 2160)
    peak = peak_mib(lambda: blend(picture, ebdb(picture), METHOD))
    print(f"4096x2160, map and blend: {peak / 1024:.2f} GiB beside the picture")


def known(n_pictures: int = 8, *, coc_px: float = 8.0, noise: float = 0.01) -> None:
    """Print the gains where the blur is a disk that is known and alike everywhere."""
    rng = np.random.default_rng(1)
    sigma = sigma_from_coc(coc_px)
    pictures = [picture.astype(np.float32) / 255 for picture in natural_pictures(8, n_pictures)]
    blurred = [
        cv2.filter2D(picture, -1, disk_kernel(sigma), borderType=cv2.BORDER_REFLECT)
        + np.float32(noise) * rng.standard_normal(picture.shape, np.float32)
        for picture in pictures
    ]
    pairs = [(picture, np.clip(blurry, 0, 1)) for picture, blurry in zip(pictures, blurred, strict=True)]
    options = [HyperLaplacian(*choice) for choice in ((100, 1.5), (200, 1.5), (400, 1.0), (800, 1.0), (1600, 2 / 3))]
    print(f"{n_pictures} photographs, circle of confusion {coc_px:g} px, noise {noise:g}: gain in dB, mean (worst)")
    for method in (*options, Wiener(0.05), RichardsonLucy(10)):
        gain = []
        for sharp, blurry in pairs:
            sigma_px = np.full(sharp.shape[:2], sigma, np.float32)
            gain.append(psnr(blend(blurry, sigma_px, method, kernel_of=disk_kernel), sharp) - psnr(blurry, sharp))
        print(f"{method!s:60s}{np.mean(gain):6.2f} ({min(gain):.2f})", flush=True)


def gains(found: list[Capture], maps: list[Picture], method: Method, kernel: str) -> list[float]:
    """Gain of every picture in dB."""
    return [
        psnr(blend(one.blurry, sigma_px, method, kernel_of=KERNELS[kernel]), one.sharp) - psnr(one.blurry, one.sharp)
        for one, sigma_px in zip(found, maps, strict=True)
    ]


def sweep(n_per_level: int) -> None:
    """Print the gains of every option, by the true map and by EBDB's."""
    made = captures(n_per_level, photographs=False, seed=SWEEP_SEED)
    found = made + captures(n_per_level, photographs=True, seed=SWEEP_SEED)
    print(f"gain in dB over the blurry picture: {len(made)} made scenes, {len(found) - len(made)} photographs")
    print(f"{'map':6s}{'kernel':10s}{'':40s}{'mean':>8s}{'made':>8s}{'photos':>8s}{'worst':>8s}")
    fidelities = {2 / 3: (400, 1600), 1.0: (100, 200, 400, 800), 1.5: (50, 100, 200, 400)}
    options: list[tuple[str, Method]] = [
        (f"hyper-Laplacian alpha {alpha:.2f} lambda {fidelity:g}", HyperLaplacian(fidelity, alpha))
        for alpha, all_of_it in fidelities.items()
        for fidelity in all_of_it
    ]
    options += [(f"Wiener r {ratio:g}", Wiener(ratio)) for ratio in (0.02, 0.05, 0.1)]
    options += [(f"Richardson-Lucy {steps} steps", RichardsonLucy(steps)) for steps in (2, 5, 10)]
    estimated, true = [ebdb(one.blurry) for one in found], [one.coc_px / np.float32(4) for one in found]
    blurs = (("ebdb", estimated, "gaussian"), ("ebdb", estimated, "disk"), ("true", true, "disk"))
    for (map_name, sigmas, kernel), (title, method) in itertools.product(blurs, options):
        gain = gains(found, sigmas, method, kernel)
        parts = (np.mean(gain), np.mean(gain[: len(made)]), np.mean(gain[len(made) :] or [np.nan]), min(gain))
        print(f"{map_name:6s}{kernel:10s}{title:40s}" + "".join(f"{part:8.2f}" for part in parts), flush=True)


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 540), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--memory", action="store_true", help="only the peak memory at 4096x2160")
    parser.add_argument("--sweep", action="store_true", help="only the sweep of the options")
    parser.add_argument("--known", action="store_true", help="only a known blur, alike everywhere")
    parser.add_argument("--pictures", type=int, default=2, help="of the sweep, per level and kind of scene")
    arguments = parser.parse_args()
    if arguments.memory:
        memory()
    elif arguments.known:
        known()
    elif arguments.sweep:
        sweep(arguments.pictures)
    else:
        compare(*arguments.size)
        subprocess.run([sys.executable, __file__, "--memory"], check=True)


if __name__ == "__main__":
    main()
