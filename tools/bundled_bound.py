"""How much PSNR is there to win on the pictures that the bundled network is judged on?

    python tools/bundled_bound.py --data DIR

``known blur``: Wiener's filter in linear light for each of a range of disks and strengths of noise, and at every place
the one that comes nearest to the sharp picture there (mean square, Gaussian window of 24 px). A network does not see
the sharp picture, so it has to guess what this is told; but it may draw on what pictures look like, which no filter
can. ``softened``: the blurry picture blurred once more by a Gaussian. Where that *raises* the PSNR, noise, compression
or the registration of the sharp picture hides what deblurring wins.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from bundled_sets import Case, Picture, cases

from sdd_bench.deconvolution.methods.wiener import Wiener
from sdd_bench.deconvolution.solve import deconvolve
from sdd_bench.flow.estimator import load_flow
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.metrics.psnr import psnr
from sdd_bench.optics.kernels import aperture_kernel

COC_PX = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 26.0)
NOISE_RATIOS = (0.002, 0.02, 0.2)
WINDOW_PX = 24.0
"""Standard deviation of the window in which a filter is chosen."""
SOFTENED_PX = (0.5, 1.0)
_LEAST = 1e-6
"""Mean square error, that of 60 dB, below which nothing counts."""
_SETS = ("synthetic", "aperture", "homography", "breathing", "focus_6mp")


def filtered(blurry: Picture) -> Iterator[Picture]:
    """The picture as it is, then by every filter."""
    yield blurry
    light = srgb_to_linear(blurry)
    for coc_px in COC_PX:
        for noise_ratio in NOISE_RATIOS:
            restored = deconvolve(light, aperture_kernel(coc_px), Wiener(noise_ratio))
            yield linear_to_srgb(restored.clip(0, 1))


def known_blur(case: Case) -> float:
    """PSNR where the best filter is known at every place."""
    least, kept = None, None
    for picture in filtered(case.blurry):
        error = np.square(picture - case.sharp).mean(axis=2)
        around = cv2.GaussianBlur(error, (0, 0), WINDOW_PX)
        if least is None:
            least, kept = around, error
        else:
            better = around < least
            least[better], kept[better] = around[better], error[better]
    return float(-10 * np.log10(max(float(kept.mean()), _LEAST)))


def main() -> None:
    """Print a row per picture, and the means of the sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("artifacts/bundled-truth"), help="registered pictures")
    parser.add_argument("--sets", default=",".join(_SETS))
    arguments = parser.parse_args()
    print(f"| picture | input, dB | known blur | {' | '.join(f'softened {px:g} px' for px in SOFTENED_PX)} |")
    print("|" + "---|" * (3 + len(SOFTENED_PX)), flush=True)
    for name in arguments.sets.split(","):
        rows = []
        for case in cases(arguments.data, arguments.cache, lambda: load_flow("pwcnet"), [name], 1.0):
            before = min(psnr(case.blurry, case.sharp), 60.0)
            softened = [psnr(cv2.GaussianBlur(case.blurry, (0, 0), px), case.sharp) - before for px in SOFTENED_PX]
            rows.append([before, known_blur(case) - before, *softened])
            print(_row(f"{name} {case.name}", rows[-1]), flush=True)
        print(_row(f"**{name}**", np.mean(rows, axis=0).tolist()), flush=True)


def _row(label: str, values: list[float]) -> str:
    return f"| {label} | {values[0]:.2f} | {' | '.join(f'{value:+.2f}' for value in values[1:])} |"


if __name__ == "__main__":
    main()
