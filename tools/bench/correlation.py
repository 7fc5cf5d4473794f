"""Local correlation of PWC-Net: blocks of matrix products (ours) against 81 passes and against products per pixel.

    python tools/bench/correlation.py

Forward pass, float32, two threads; sizes of the finest levels of real pictures. Best of interleaved repeats.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.flow.pwcnet.correlation import local_correlation

RADIUS, SIDE = 4, 9
SHAPES = [(2, 32, 96, 160), (2, 64, 48, 80), (2, 128, 12, 20), (2, 32, 256, 256)]


def passes(a: Tensor, b: Tensor) -> Tensor:
    """81 products of whole pictures."""
    height, width = a.shape[2:]
    padded = F.pad(b, (RADIUS,) * 4)
    shifted = (padded[:, :, y : y + height, x : x + width] for y in range(SIDE) for x in range(SIDE))
    return torch.stack([(a * other).mean(1) for other in shifted], dim=1)


def per_pixel(a: Tensor, b: Tensor) -> Tensor:
    """Nine batched products of one pixel with its nine neighbours in a row, NHWC."""
    height = a.shape[2]
    padded = F.pad(b, (RADIUS,) * 4).permute(0, 2, 3, 1).contiguous()
    first = a.permute(0, 2, 3, 1).contiguous().unsqueeze(3)
    rows = [torch.matmul(first, padded[:, y : y + height].unfold(2, SIDE, 1)).squeeze(3) for y in range(SIDE)]
    return (torch.cat(rows, dim=-1) / a.shape[1]).permute(0, 3, 1, 2)


def main() -> None:
    """Print milliseconds and ratios."""
    torch.set_num_threads(2)
    methods: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "81 passes": passes,
        "per pixel": per_pixel,
        "ours": local_correlation,
    }
    print(f"{'shape':22}" + "".join(f"{name:>12}" for name in methods) + f"{'ours faster by':>24}")
    for shape in SHAPES:
        a, b = (torch.randn(shape).contiguous(memory_format=torch.channels_last) for _ in range(2))
        assert torch.allclose(passes(a, b), local_correlation(a, b), atol=1e-5)
        best = dict.fromkeys(methods, float("inf"))
        for _ in range(7):
            for name, method in methods.items():
                start = time.perf_counter()
                method(a, b)
                best[name] = min(best[name], time.perf_counter() - start)
        times = "".join(f"{1000 * best[name]:9.1f} ms" for name in methods)
        ratios = " / ".join(f"{best[name] / best['ours']:.1f}x" for name in ("81 passes", "per pixel"))
        print(f"{shape!s:22}{times}{ratios:>24}", flush=True)


if __name__ == "__main__":
    main()
