"""PSNR of ground truth that is warped by an estimated flow, beside that by the true one, on the made noisy picture.

    [PYTHONPATH=OLD_TREE] python tools/bench/true_flow.py [--size 2048x1080]

The picture of ``evaluate.py`` was moved by whole pixels, so that the true flow warps without error. A flow that follows
the noise of both pictures gives a higher PSNR than the true one. All figures leave out a border of 16 px.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from evaluate import make_set
from torch import Tensor

from sdd_bench.flow.estimator import load_flow
from sdd_bench.flow.warp import backwarp

TRUE_PX = (3.0, -2.0)
"""From the grid of blurry picture and prediction to the sharp picture of ``make_set``."""
BORDER = (..., slice(16, -16), slice(16, -16))


def read(path: Path) -> Tensor:
    """A picture ``(1, 3, H, W)`` in [0, 1]."""
    pixels = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(pixels)[None].float() / 255


def psnr(first: Tensor, second: Tensor) -> float:
    """In dB."""
    return float(-10 * torch.log10((first - second)[BORDER].double().square().mean()))


def main() -> None:
    """Print a line for the prediction and one for the input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2048x1080")
    width, height = (int(side) for side in parser.parse_args().size.split("x"))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        make_set(Path(folder), width, height)
        files = {"sharp": "set/test/gt", "prediction": "net", "input": "set/test/blur"}
        pictures = {name: read(Path(folder) / place / "a.png") for name, place in files.items()}
    sharp = pictures.pop("sharp")
    estimator = load_flow()
    print(estimator.signature)
    true = torch.tensor(TRUE_PX).view(1, 2, 1, 1).repeat(1, 1, height, width)
    for name, picture in pictures.items():
        flow = estimator.estimate(picture, sharp)
        error = (flow - true).norm(dim=1)[BORDER].mean()
        found, right = (psnr(backwarp(sharp, each), picture) for each in (flow, true))
        print(f"{name:12}error of the flow {error:.4f} px, PSNR {found:.3f} dB, by the true flow {right:.3f} dB")


if __name__ == "__main__":
    main()
