"""Fit what ``niqe-style`` calls natural to a folder of sharp photographs.

    python tools/train_niqe.py PHOTOS

As in the paper, only blocks that are sharp enough count: those whose mean local deviation of luma is above 0.75 of the
largest in their picture, or, where these are fewer than a quarter of the blocks, the sharpest quarter.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from sdd_bench.core.storage.files import sealed, sha256_of
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.metrics.niqe_style import BLOCK, block_features, naturalness

OUT = Path(__file__).parents[1] / "sdd_bench/metrics/weights/niqe_style.safetensors"


def sharpness(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean local deviation of luma in every whole block, in the order of ``block_features``."""
    luma = (255 * (picture @ np.array([0.299, 0.587, 0.114], np.float32))).astype(np.float32)
    mean, square = (cv2.GaussianBlur(plane, (7, 7), 7 / 6) for plane in (luma, luma * luma))
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    blocks = deviation[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return blocks.mean(axis=(1, 3), dtype=np.float64).ravel()


def main() -> None:
    """Fit, write, and print the sha256."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    arguments = parser.parse_args()
    features = []
    for path in sorted(arguments.photos.glob("*.png")):
        picture = to_float(read_photograph(path).pixels)
        sharp = sharpness(picture)
        features.append(block_features(picture)[sharp >= min(0.75 * sharp.max(), np.quantile(sharp, 0.75))])
    found = naturalness(np.concatenate(features))
    with sealed(OUT) as partial:
        save_file({"mean": found.mean, "covariance": found.covariance}, partial)
    print(f"{sum(map(len, features))} blocks of {len(features)} photographs; {OUT.stat().st_size} bytes")
    print(sha256_of(OUT))


if __name__ == "__main__":
    main()
