"""Time and peak memory of `predict` on a 4096x2160 picture with the paper's U-Net, and what its tiles change.

    python tools/bench/predict.py [--memory 8] [--size 4096x2160]

Weights are random: time and memory do not depend on them, and what tiles change only little. The second line is the
processor's time, beside that of plain convolutions of the whole picture alone, in halves that do not overlap.
The last line compares tiles of about half the side with the whole picture, at a size that passes as a whole.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from _convolutions import counted_convolutions
from _memory import peak_mib
from _pictures import mosaic

from sdd_bench.core.executors import reuse_memory
from sdd_bench.images.photograph import to_float
from sdd_bench.images.write import write_png
from sdd_bench.models.convert import save_weights
from sdd_bench.models.network import load_network
from sdd_bench.models.spec import ModelSpec
from sdd_bench.prediction.options import PredictOptions
from sdd_bench.prediction.run import predict
from sdd_bench.prediction.tiling import deblur

SMALL = 1024


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=float, default=8.0, help="GiB")
    parser.add_argument("--size", default="4096x2160")
    arguments = parser.parse_args()
    memory_gib = arguments.memory
    width, height = (int(side) for side in arguments.size.split("x"))
    reuse_memory()  # as the command does
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        spec = ModelSpec("unet")
        plain = spec.build().eval().to(memory_format=torch.channels_last)
        save_weights(root / "unet.safetensors", plain, spec)
        network = load_network(root / "unet.safetensors", device="cpu")
        write_png(root / "picture.png", mosaic(width, height))
        network.deblur(torch.rand(1, 3, 64, 64))
        options = PredictOptions(memory_gib=memory_gib)
        start, before = time.perf_counter(), time.process_time()
        with counted_convolutions() as inside:
            peak = peak_mib(lambda: predict(network, {"picture": root / "picture.png"}, root / "out", options))
        seconds, cpu = time.perf_counter() - start, time.process_time() - before
        with counted_convolutions() as alone, torch.inference_mode():
            for half in (height // 32 * 16, -(-height // 32) * 16):  # rows; multiples of 16 that make the height
                plain(torch.rand(1, 3, half, width).to(memory_format=torch.channels_last))
        picture = to_float(mosaic(SMALL, SMALL))
        radius = network.receptive_radius_px or 0
        tile = 2 * radius + SMALL // 4
        tiled, whole = (deblur(network, picture, tile=side, overlap=radius) for side in (tile, None))
    gib, floor = peak / 1024, sum(alone)
    print(f"{width}x{height}, --memory {memory_gib:g}: {gib:.2f} GiB above the process at rest, {seconds:.0f} s")
    print(
        f"processor: {cpu:.0f} s, {sum(inside):.0f} s of them in convolutions; plain ones of the whole picture "
        f"{floor:.0f} s: {cpu / floor:.2f} times as long"
    )
    print(f"{SMALL}x{SMALL} in tiles of {tile} px: largest difference to the whole {abs(tiled - whole).max():.1e}")


if __name__ == "__main__":
    main()
