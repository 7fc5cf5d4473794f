"""What a warp costs a picture: photographs warped forth and back, against themselves.

    python tools/bench/warp.py

Four photographs of `photos` in SDD_BENCH_DATA, else made pictures, moved by parts of a pixel, and by a zoom that has
them all. Ours are `linear` and `lanczos` (6x6 pixels); the others are OpenCV's (cubic with a = -0.75, Lanczos of 8x8).
Last column: processor time of a warp and its gradient, against linear.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from _pictures import natural_pictures
from torch import Tensor

from sdd_bench.core.types import Interpolation
from sdd_bench.flow.compose import invert_flow, similarity_flow
from sdd_bench.flow.warp import backwarp
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.metrics.batches import lpips_of_batch, psnr_of_batch

Warp = Callable[[Tensor, Tensor], Tensor]
MOVES = {
    "0.25 px": Similarity(shift_x_px=0.25, shift_y_px=0.25),
    "0.5 px": Similarity(shift_x_px=0.5, shift_y_px=0.5),
    "zoom 1 %": Similarity(zoom=1.01),
}
_PICTURES, _BORDER_PX = 4, 16


def by_opencv(moving: Tensor, flow: Tensor, *, kind: int) -> Tensor:
    """The same convention as :func:`backwarp`, by ``cv2.remap``."""
    height, width = flow.shape[2:]
    x = (flow[0, 0] + torch.arange(width)).numpy()
    y = (flow[0, 1] + torch.arange(height)[:, None]).numpy()
    picture = np.ascontiguousarray(moving[0].permute(1, 2, 0).numpy())
    warped = cv2.remap(picture, x, y, kind, borderMode=cv2.BORDER_REPLICATE)
    return torch.from_numpy(warped).permute(2, 0, 1)[None]


WARPS: dict[str, Warp] = {
    "linear": partial(backwarp, interpolation=Interpolation.LINEAR),
    "lanczos": partial(backwarp, interpolation=Interpolation.LANCZOS),
    "OpenCV, cubic": partial(by_opencv, kind=cv2.INTER_CUBIC),
    "OpenCV, Lanczos": partial(by_opencv, kind=cv2.INTER_LANCZOS4),
}


def seconds_of(warp: Warp) -> float:
    """Least processor time of a warp of four crops, forward and backward."""
    pictures, flow = torch.rand(4, 3, 128, 128, requires_grad=True), torch.rand(4, 2, 128, 128)
    times = []
    for _ in range(9):
        begun = time.process_time()
        warp(pictures, flow).sum().backward()  # type: ignore[no-untyped-call]
        times.append(time.process_time() - begun)
    return min(times)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    root = os.environ.get("SDD_BENCH_DATA")
    found = sorted(Path(root, "photos").glob("*.png"))[:_PICTURES] if root else []
    pixels = [read_photograph(path).pixels for path in found] or natural_pictures(8, _PICTURES)
    pictures = [to_float(picture) for picture in pixels]
    inside = (slice(None), slice(None), slice(_BORDER_PX, -_BORDER_PX), slice(_BORDER_PX, -_BORDER_PX))
    print(
        f"{len(pictures)} pictures\n\n| warp | " + " | ".join(MOVES) + " | time |\n" + "|---" * (len(MOVES) + 2) + "|"
    )
    linear = seconds_of(WARPS["linear"])
    for name, warp in WARPS.items():
        cells = []
        for move in MOVES.values():
            scores = []
            for picture in pictures:
                moving = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
                there = similarity_flow(move, *moving.shape[2:])[None]
                again = warp(warp(moving, there), invert_flow(there)).clamp(0, 1)[inside]
                truth = moving[inside].contiguous()
                scores.append((psnr_of_batch(again, truth).item(), lpips_of_batch(again, truth).item()))
            psnr, lpips = np.mean(scores, axis=0)
            cells.append(f"{psnr:.2f} dB, {lpips:.4f}")
        took = f"{seconds_of(warp) / linear:.1f}x" if name in tuple(Interpolation) else ""
        print("| " + " | ".join((name, *cells, took)) + " |", flush=True)


if __name__ == "__main__":
    main()
