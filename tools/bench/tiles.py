"""How much tiles change what a network makes of a picture, where its output depends on all of it.

    python tools/bench/tiles.py [--steps 120] [--only dmphn,nafnet] [--full]
    python tools/bench/tiles.py --random --full [--size 768 512 --tile 512] [--only mprnet]

Prints the PSNR between a picture of 1536x1024 in tiles of 768 px, which look 128 px farther than they reach, and the
same picture as a whole. No released weights come with the package, and untrained networks say nothing (some are the
identity). So narrow forms (or those of full width, with ``--full``) are trained for a moment to undo a Gaussian blur of
photographs, or of made pictures without ``SDD_BENCH_DATA``; the last column is what they gain on the picture, to show
that they do something. Networks that look a known way pass tiles that overlap by it: what is left is rounding.

To train a wide network takes hours. ``--random`` draws its weights in place of that, by the rule of the parity
fixtures, and scales what it changes in the picture to the size of what would undo the blur. That is no deblurring
network, but it looks at the whole picture through layers of full width.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import cv2
import numpy as np
import torch
from _pictures import natural_pictures
from numpy.typing import NDArray
from torch import nn

from sdd_bench.core.executors import reuse_memory
from sdd_bench.metrics.psnr import psnr
from sdd_bench.models.network import Network
from sdd_bench.models.spec import MODELS, ModelSpec, facts_of
from sdd_bench.prediction.tiling import deblur

NARROW: dict[str, dict[str, Any]] = {
    "mprnet": {"width": 8, "depth": 1},
    "dmphn": {"width": 8},
    "kpac": {"width": 12},
    "kpac-2level": {"width": 12},
    "restormer": {"width": 8, "blocks": (1, 1, 1, 1), "refinement": 1},
    "nafnet": {"width": 8, "encoder": (1, 1, 1, 2)},
    "drbnet": {"width": 8},
    "dpdnet": {"width": 8},
    "ifan": {"width": 8, "iterations": 8},
}
SIGMA, CROP, TILE, OVERLAP = 1.5, 96, 768, 128


def blurred(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture under a Gaussian."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), SIGMA), dtype=np.float32)


def as_tensor(pictures: list[NDArray[np.float32]]) -> torch.Tensor:
    """Pictures (H, W, 3) as (N, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2)))


def train(name: str, options: dict[str, Any], sharp: list[NDArray[np.float32]], steps: int) -> Network:
    """A network after a few steps on crops."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    module = MODELS.get(name)(**options).train()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(steps):
        places = [(rng.integers(len(sharp)), *rng.integers(0, 512 - CROP, 2)) for _ in range(2)]
        crops = [sharp[i][y : y + CROP, x : x + CROP] for i, y, x in places]
        target, output = as_tensor(crops), module(as_tensor([blurred(crop) for crop in crops]))
        outputs = [output] if isinstance(output, torch.Tensor) else output
        loss = torch.stack([(picture - target).abs().mean() for picture in outputs]).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
    return as_network(name, module)


def drawn(name: str, options: dict[str, Any]) -> Network:
    """A network under random weights: a convolution keeps the size of what passes. Its output is not clipped."""
    torch.manual_seed(0)
    module = MODELS.get(name)(**options)
    with torch.no_grad():
        for key, weight in module.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, weight[0].numel() ** -0.5)
            elif key.endswith("bias"):
                weight.normal_(0, 0.05)
            else:
                weight.fill_(0.25)
    network = as_network(name, module)
    return dataclasses.replace(network, forward=getattr(module, "restore", module))


def as_network(name: str, module: nn.Module) -> Network:
    """What ``predict`` makes of a module."""
    module.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    facts = facts_of(module, ModelSpec(name))
    radius = facts["receptive_radius_px"]
    return Network(module, name, "", facts["size_multiple"], radius, facts["bytes_per_pixel"], torch.device("cpu"))


def rms(x: NDArray[np.float32]) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.square(x, dtype=np.float64).mean()))


def main() -> None:
    """Print a line per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--full", action="store_true", help="published widths")
    parser.add_argument("--random", action="store_true", help="random weights, no training")
    parser.add_argument("--size", type=int, nargs=2, default=(1536, 1024), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--tile", type=int, default=TILE)
    parser.add_argument("--only", default=",".join(NARROW), help="networks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reuse_memory()
    width, height = arguments.size
    patches = [patch.astype(np.float32) / 255 for patch in natural_pictures(8, 30)]
    rows = [np.concatenate(patches[row : row + 3], axis=1) for row in (0, 3)]
    sharp = np.concatenate(rows, axis=0)[:height, :width]
    blurry = blurred(sharp)
    for name in arguments.only.split(","):
        options = {} if arguments.full else NARROW[name]
        network = drawn(name, options) if arguments.random else train(name, options, patches[6:], arguments.steps)
        overlap = OVERLAP if network.receptive_radius_px is None else network.receptive_radius_px
        tile = max(arguments.tile, 2 * overlap + 128)
        whole, tiled = deblur(network, blurry), deblur(network, blurry, tile=tile, overlap=overlap)
        if arguments.random:
            scale = rms(sharp - blurry) / rms(whole - blurry)
            apart = scale * rms(tiled - whole)
            agreement, gained = (-20 * np.log10(apart) if apart else np.inf), "random weights"
        else:
            whole, tiled = whole.clip(0, 1), tiled.clip(0, 1)
            agreement, gained = psnr(tiled, whole), f"gain {psnr(whole, sharp) - psnr(blurry, sharp):+.2f} dB"
        print(
            f"{name:12} {width}x{height}, tiles of {tile} px, overlap {overlap} px, against whole {agreement:5.1f} dB, "
            f"{gained}",
            flush=True,
        )


if __name__ == "__main__":
    main()
