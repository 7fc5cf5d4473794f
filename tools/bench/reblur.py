"""The reblurring of Eq. 7-9: by ring sums (ours) against the direct form, one map per kernel position.

    python tools/bench/reblur.py

Forward and backward from deblurred picture, kernel seeds and weight maps at 2x3x256x256, m = 8, float32, two threads.
Both run in turn in one process, best of interleaved repeats; peak memory above the inputs, each in a process of its
own. The targets: ten times faster, a tenth of the memory, differences up to 1e-5.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from _memory import peak_mib
from torch import Tensor

from sdd_bench.models.reblurring.isotropic import isotropic_reblur

LEVELS, SHAPE = 8, (2, 3, 256, 256)
REPEATS = 3


def direct_reblur(image: Tensor, seeds: Tensor, weights: Tensor) -> Tensor:
    """Eq. 7-9 as they stand: every kernel as (2i-1)^2 maps, a softmax over them, a sum over the window."""
    n, channels, height, width = image.shape
    blurred = weights[:, :1] * image
    offset = 0
    for radius in range(1, LEVELS):
        side = 2 * radius + 1
        part = seeds[:, offset : offset + radius + 1].abs()
        offset += radius + 1
        axis = torch.arange(-radius, radius + 1).float()
        rho = (axis[:, None] ** 2 + axis[None] ** 2).sqrt().flatten()
        inside = (rho <= radius).float()
        low = rho.floor().clamp(max=radius).long()
        high = rho.ceil().clamp(max=radius).long()
        share = (rho - rho.floor())[:, None, None]
        logits = ((1 - share) * part[:, low] + share * part[:, high]) * inside[:, None, None]
        kernel = logits.softmax(1)
        windows = F.unfold(image, side, padding=radius).view(n, channels, side * side, height, width)
        blurred = blurred + weights[:, radius : radius + 1] * (windows * kernel[:, None]).sum(2)
    return blurred


METHODS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"direct": direct_reblur, "rings": isotropic_reblur}


def inputs() -> list[Tensor]:
    """Deblurred picture, seeds, weight maps."""
    torch.manual_seed(0)
    n, _, height, width = SHAPE
    image, seeds = torch.rand(SHAPE), torch.randn(n, sum(range(2, LEVELS + 1)), height, width)
    weights = torch.randn(n, LEVELS, height, width).softmax(1)
    return [tensor.requires_grad_() for tensor in (image, seeds, weights)]


def run(method: str, tensors: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Result and the gradients of its weighted sum."""
    blurred = METHODS[method](*tensors)
    gradients = torch.autograd.grad((blurred * torch.linspace(-1, 1, SHAPE[-1])).sum(), tensors)
    return blurred.detach(), list(gradients)


def child(method: str) -> None:
    """Print what one run adds to the peak of resident memory, in MiB."""
    small = [tensor[..., :16, :16].detach().requires_grad_() for tensor in inputs()]
    METHODS[method](*small).sum().backward()
    tensors = inputs()
    print(peak_mib(lambda: run(method, tensors)))


def main() -> None:
    """Print times, memory and differences."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", choices=list(METHODS))
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.child:
        child(arguments.child)
        return
    tensors = inputs()
    best = dict.fromkeys(METHODS, float("inf"))
    results = {}
    for _ in range(REPEATS):
        for method in METHODS:
            start = time.perf_counter()
            results[method] = run(method, tensors)
            best[method] = min(best[method], time.perf_counter() - start)
    command = [sys.executable, __file__, "--child"]
    memory = {name: float(subprocess.check_output([*command, name], text=True)) for name in METHODS}
    print(f"{'':10}{'forward + backward':>20}{'peak memory':>16}")
    for method in METHODS:
        print(f"{method:10}{best[method]:18.3f} s{memory[method]:12.0f} MiB")
    faster, leaner = (values["direct"] / values["rings"] for values in (best, memory))
    print(f"rings: {faster:.1f}x faster, 1/{leaner:.1f} of the memory")
    (direct, direct_gradients), (rings, rings_gradients) = results["direct"], results["rings"]
    print(f"largest difference of the picture: {float((direct - rings).abs().max()):.1e}")
    for name, one, other in zip(("deblurred", "seeds", "weights"), direct_gradients, rings_gradients, strict=True):
        relative = float((one - other).abs().max() / one.abs().max())
        print(f"largest difference of the gradient of {name}: {relative:.1e} of its largest value")


if __name__ == "__main__":
    main()
