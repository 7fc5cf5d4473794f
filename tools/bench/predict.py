"""Peak memory of `predict` on a 4096x2160 picture with the paper's U-Net, and what its tiles change.

    python tools/bench/predict.py [--memory 8]

Weights are random: time and memory do not depend on them, and what tiles change only little. The second line compares
tiles of about half the side with the whole picture, at a size that passes as a whole.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from _memory import peak_mib
from _pictures import natural_pictures
from numpy.typing import NDArray

from sdd_bench.images.photograph import to_float
from sdd_bench.images.write import write_png
from sdd_bench.models.convert import save_weights
from sdd_bench.models.network import load_network
from sdd_bench.models.spec import ModelSpec
from sdd_bench.prediction.options import PredictOptions
from sdd_bench.prediction.run import predict
from sdd_bench.prediction.tiling import deblur

WIDTH, HEIGHT = 4096, 2160
SMALL = 1024


def mosaic(width: int, height: int) -> NDArray[np.generic]:
    """Patches of 512x512 beside and below each other."""
    columns, rows = -(-width // 512), -(-height // 512)
    patches = natural_pictures(8, columns * rows)
    lines = [np.concatenate(patches[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
    return np.ascontiguousarray(np.concatenate(lines, axis=0)[:height, :width])


def main() -> None:
    """Print both lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=float, default=8.0, help="GiB")
    memory_gib = parser.parse_args().memory
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        spec = ModelSpec("unet")
        save_weights(root / "unet.safetensors", spec.build(), spec)
        network = load_network(root / "unet.safetensors", device="cpu")
        picture = to_float(mosaic(SMALL, SMALL))
        radius = network.receptive_radius_px or 0
        tile = 2 * radius + SMALL // 4
        tiled, whole = (deblur(network, picture, tile=side, overlap=radius) for side in (tile, None))
        write_png(root / "picture.png", mosaic(WIDTH, HEIGHT))
        start = time.perf_counter()
        options = PredictOptions(memory_gib=memory_gib)
        peak = peak_mib(lambda: predict(network, {"picture": root / "picture.png"}, root / "out", options))
        seconds = time.perf_counter() - start
    gib = peak / 1024
    print(f"{WIDTH}x{HEIGHT}, --memory {memory_gib:g}: {gib:.2f} GiB above the process at rest, {seconds:.0f} s")
    print(f"{SMALL}x{SMALL} in tiles of {tile} px: largest difference to the whole {abs(tiled - whole).max():.1e}")


if __name__ == "__main__":
    main()
