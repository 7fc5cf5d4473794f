"""How much drift a perfect deblurring shows: sharp photographs beside copies of themselves out of focus.

    python tools/bench/drift.py --data DIR

The sharp pictures of the aperture pairs (VABD and EBB, half size) are put out of focus as a whole by a disc, in linear
light, with their edges in place. Scored as predictions for these copies they ought to show no drift. What they show is
the error of the flow, and that the middle of an edge lies elsewhere after blurring in linear light. A method whose
drift is below it cannot be told from one that moves nothing. ``--light`` leaves the second cause out; ``pwcnet``, which
compares linear light, does so by itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sdd_bench.evaluation.picture.scorer import PictureScorer
from sdd_bench.flow.estimator import load_flow
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.write import from_float
from sdd_bench.optics.defocus import blur
from sdd_bench.optics.kernels import aperture_kernel

FOLDERS = ("aperture/vabd/input", "aperture/ebb/sharp")
COC_PX = (2.0, 3.0, 4.0, 6.0)


def out_of_focus(picture: NDArray[np.float32], coc_px: float) -> NDArray[np.float32]:
    """The picture behind a lens with this circle of confusion, at 8 bits."""
    light = srgb_to_linear(picture)
    blurred = np.dstack(
        [blur(np.ascontiguousarray(plane), aperture_kernel(coc_px)) for plane in np.moveaxis(light, 2, 0)]
    )
    return to_float(from_float(linear_to_srgb(blurred.clip(0, 1)), 8))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds aperture/")
    parser.add_argument("--flow", default="pwcnet-plain")
    parser.add_argument("--light", action="store_true", help="show the flow linear light in place of sRGB values")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    estimator = load_flow(arguments.flow)
    found: dict[float, list[float]] = {coc_px: [] for coc_px in COC_PX}
    paths = [path for folder in FOLDERS for path in sorted((arguments.data / folder).iterdir())]
    for path in paths:
        whole = to_float(read_photograph(path).pixels)
        sharp = cv2.resize(whole, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for coc_px, drifts in found.items():
            copy = out_of_focus(sharp, coc_px)
            before, after = (srgb_to_linear(copy), srgb_to_linear(sharp)) if arguments.light else (copy, sharp)
            drifts.append(PictureScorer(before, after, flow=estimator, metrics=()).motion(after).drift_px)
    print(f"{len(paths)} pictures\n\n| circle of confusion, px | drift_px | least to largest |\n|---|---|---|")
    for coc_px, drifts in found.items():
        print(f"| {coc_px:g} | {np.mean(drifts):.3f} | {min(drifts):.3f} to {max(drifts):.3f} |")


if __name__ == "__main__":
    main()
