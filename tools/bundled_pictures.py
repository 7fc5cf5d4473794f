"""Pictures of what the bundled network does, for its card and the README: blurry, deblurred, sharp side by side.

    python tools/bundled_pictures.py PHOTO --at X Y --out docs/images

``PHOTO`` is a sharp photograph that the network was not trained on. It is put out of focus in linear light by a round
aperture, like the pairs of ``sdd_bench.synthesis``: slightly (a success) and strongly (a failure). Prints the scores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from evaluate_bundled import deblur
from PIL import Image

from sdd_bench.core.arrays import Plane
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.write import from_float
from sdd_bench.metrics.lpips import Lpips
from sdd_bench.metrics.psnr import psnr
from sdd_bench.models.network import load_network
from sdd_bench.optics.bokeh import Bokeh
from sdd_bench.synthesis.blur import Surface, render
from sdd_bench.weights import path

STRENGTHS_PX = {"success": 5.0, "failure": 18.0}
"""Circles of confusion."""
_AROUND_PX = 128
"""Context that the network sees around what is shown."""
_GAP_PX = 6


def defocused(picture: Plane, coc_px: float) -> Plane:
    """The picture with one circle of confusion everywhere, with 8 bits."""
    light = np.ascontiguousarray(srgb_to_linear(picture).transpose(2, 0, 1))
    coc = np.full(picture.shape[:2], coc_px, np.float32)
    blurry = linear_to_srgb(render([Surface(light, coc, None)], Bokeh()).blurry.clip(0, 1).transpose(1, 2, 0))
    return np.asarray(np.round(blurry.clip(0, 1) * 255) / 255, np.float32)


def main() -> None:
    """Write both pictures, print their scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at", type=int, nargs=2, metavar=("X", "Y"), required=True, help="corner of what is shown")
    parser.add_argument("--side", type=int, default=240)
    parser.add_argument("--width", type=int, default=900, help="the photograph is shrunk to this width")
    arguments = parser.parse_args()
    photo = to_float(read_photograph(arguments.photo).pixels)
    size = arguments.width, round(photo.shape[0] * arguments.width / photo.shape[1])
    photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.float32)
    (x, y), side = arguments.at, arguments.side
    y0, x0 = max(0, y - _AROUND_PX), max(0, x - _AROUND_PX)
    window = photo[y0 : y + side + _AROUND_PX, x0 : x + side + _AROUND_PX]
    shown = slice(y - y0, y - y0 + side), slice(x - x0, x - x0 + side)
    network, lpips = load_network(path("unet-folded")), Lpips()
    for name, coc_px in STRENGTHS_PX.items():
        blurry = defocused(window, coc_px)
        made = deblur(network, blurry)
        truth = np.ascontiguousarray(window[shown])
        parts = [np.ascontiguousarray(part[shown]) for part in (blurry, made)]
        scores = [(psnr(part, truth), lpips.distance(lpips.features(part), lpips.features(truth))) for part in parts]
        print(f"{name}: circle of confusion {coc_px:g} px, PSNR and LPIPS of blurry and deblurred: {scores}")
        gap = np.ones((side, _GAP_PX, 3), np.float32)
        row = np.concatenate((parts[0], gap, parts[1], gap, truth), axis=1)
        arguments.out.mkdir(parents=True, exist_ok=True)
        Image.fromarray(from_float(row, 8)).save(arguments.out / f"deblurred-{name}.jpg", quality=92)


if __name__ == "__main__":
    main()
