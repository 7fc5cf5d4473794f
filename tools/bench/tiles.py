"""How much tiles change what a network makes of a picture, where its output depends on all of it.

    python tools/bench/tiles.py [--steps 120] [--only dmphn,nafnet] [--full]

Prints the PSNR between a picture of 1536x1024 in tiles of 768 px, which look 128 px farther than they reach, and the
same picture as a whole. No released weights come with the package, and untrained networks say nothing (some are the
identity). So narrow forms (or those of full width, with ``--full``) are trained for a moment to undo a Gaussian blur of
photographs, or of made pictures without ``SDD_BENCH_DATA``; the last column is what they gain on the picture, to show
that they do something. Networks that look a known way pass tiles that overlap by it: what is left is rounding.
"""

from __future__ import annotations

import argparse
from typing import Any

import cv2
import numpy as np
import torch
from _pictures import natural_pictures
from numpy.typing import NDArray

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
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
    module.eval().requires_grad_(False)
    facts = facts_of(module, ModelSpec(name))
    radius = facts["receptive_radius_px"]
    return Network(module, name, "", facts["size_multiple"], radius, facts["bytes_per_pixel"], torch.device("cpu"))


def main() -> None:
    """Print a line per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--full", action="store_true", help="published widths")
    parser.add_argument("--only", default=",".join(NARROW), help="networks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    patches = [patch.astype(np.float32) / 255 for patch in natural_pictures(8, 30)]
    rows = [np.concatenate(patches[row : row + 3], axis=1) for row in (0, 3)]
    sharp = np.concatenate(rows, axis=0)
    blurry = blurred(sharp)
    for name in arguments.only.split(","):
        network = train(name, {} if arguments.full else NARROW[name], patches[6:], arguments.steps)
        whole = deblur(network, blurry).clip(0, 1)
        overlap = OVERLAP if network.receptive_radius_px is None else network.receptive_radius_px
        tile = max(TILE, 2 * overlap + 128)
        tiled = deblur(network, blurry, tile=tile, overlap=overlap).clip(0, 1)
        gain = psnr(whole, sharp) - psnr(blurry, sharp)
        print(
            f"{name:12} tiles of {tile} px, overlap {overlap} px, against whole {psnr(tiled, whole):5.1f} dB, "
            f"gain {gain:+.2f} dB",
            flush=True,
        )


if __name__ == "__main__":
    main()
