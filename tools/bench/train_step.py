"""A training step of the second stage, ours against the steps of the released code in their direct form.

    python tools/bench/train_step.py [--where]

Full-width U-Net, 256 crop, batch 1, two threads: deblur, flow both ways, warps, masks, reblur, all losses, backward,
Adam. Direct: NCHW float32, pictures upsampled before they are convolved, a feature pyramid for each direction,
correlation as 81 products, kernels as maps. Ours: channels_last, up-convolutions by phases, one pyramid a picture,
correlation in blocks, ring sums; in float32, the same without ``recompute``, and under bf16 autocast. Both have
the same networks and weights. In turn in one process, best of interleaved repeats; peak memory above weights,
gradients, optimizer and imports, each in a process of its own. The targets: four times faster, a third of the memory.
The floor is forward and backward of the U-Net alone (channels_last, float32). ``--where``: our step in float32, part
by part, in milliseconds of processor, with one thread, and the share of all convolutions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import types
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from _memory import peak_mib
from reblur import direct_reblur
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from sdd_bench.core.executors import reuse_memory
from sdd_bench.flow.estimator import bundled_weights, load_flow
from sdd_bench.flow.pwcnet.checkpoint import load_pwcnet
from sdd_bench.flow.pwcnet.network import FLOW_UNIT_PX, PWCNet
from sdd_bench.models.networks.unet import UpConv
from sdd_bench.models.reblurring.network import ReblurNetwork
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.step import JointNetworks, Stage, build_networks, compute_terms

CROP, REPEATS = 256, 2
T = TypeVar("T")
METHODS = ("direct", "ours", "ours, kept", "ours, bf16")


class DirectReblur(nn.Module):
    """R with its kernels as maps."""

    def __init__(self, network: ReblurNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, deblurred: Tensor, blurry: Tensor) -> Tensor:
        """As :meth:`ReblurNetwork.forward`."""
        seeds = self.network.kpn(deblurred, blurry)
        return direct_reblur(deblurred, seeds, self.network.kernel_map_gene(deblurred, blurry).softmax(1))


def _up_convolution(self: UpConv, small: Tensor) -> Tensor:
    """Upsampling, then a convolution of the large picture."""
    before = (self.kernel_size[0] - 1) // 2
    large = F.pad(F.interpolate(small, scale_factor=2, mode="nearest"), [before, self.kernel_size[0] - 1 - before] * 2)
    return F.conv2d(large, self.weight, self.bias)


def _cost(self: PWCNet, first: Tensor, second: Tensor) -> Tensor:
    """Correlation as 81 products of whole feature maps."""
    first, second = (F.normalize(x - x.mean(1, keepdim=True), dim=1) for x in (first, second))
    height, width = first.shape[2:]
    padded = F.pad(second, (4,) * 4)
    products = [(first * padded[:, :, y : y + height, x : x + width]).sum(1) for y in range(9) for x in range(9)]
    return F.leaky_relu(torch.stack(products, 1), 0.1)


class DirectFlow:
    """PWC-Net run once per direction."""

    name = sha256 = signature = resolution = precision = ""

    def __init__(self) -> None:
        self.network = load_pwcnet(bundled_weights())
        object.__setattr__(self.network, "_cost", types.MethodType(_cost, self.network))

    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        """As the protocol says; sides are multiples of 64."""
        with torch.no_grad():
            flow = self.network(reference, moving)[-1]
            return F.interpolate(flow, reference.shape[2:], mode="bilinear", align_corners=False) * FLOW_UNIT_PX

    def estimate_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """One after the other."""
        return self.estimate(a, b), self.estimate(b, a)


def make_step(method: str) -> Callable[[int], None]:
    """A function that does a step on crops of a given size."""
    torch.manual_seed(0)
    config = TrainConfig(recompute=method != "ours, kept")
    networks: JointNetworks = build_networks(config)
    direct = method == "direct"
    if direct:
        assert networks.reblur is not None
        networks.reblur = DirectReblur(networks.reblur)  # type: ignore[assignment]
        for module in networks.modules():
            if isinstance(module, UpConv):
                object.__setattr__(module, "forward", types.MethodType(_up_convolution, module))
    else:
        networks.to(memory_format=torch.channels_last)
    bf16 = method == "ours, bf16"
    estimator = DirectFlow() if direct else load_flow("pwcnet-plain", precision="bf16" if bf16 else "32")
    optimizer = torch.optim.Adam(networks.parameters(), lr=config.learning_rate)

    def forward(*arguments: object) -> object:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs, reblurred = networks(*arguments)
        return [output.float() for output in outputs], [picture.float() for picture in reblurred]

    def step(crop: int) -> None:
        layout = torch.contiguous_format if direct else torch.channels_last
        batch = {name: torch.rand(1, 3, crop, crop).contiguous(memory_format=layout) for name in ("blurry", "sharp")}
        compute_terms(forward, config, Stage.SECOND, batch, estimator).total.backward()  # type: ignore[arg-type]
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    return step


def print_where() -> None:
    """Print where the time of a step goes."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = TrainConfig()
    networks = build_networks(config).to(memory_format=torch.channels_last)
    estimator = load_flow("pwcnet-plain")
    optimizer = torch.optim.Adam(networks.parameters(), lr=config.learning_rate)
    spent: dict[str, float] = {}

    def timed(name: str, call: Callable[..., T]) -> Callable[..., T]:
        def run(*arguments: object) -> T:
            before = time.process_time()
            result = call(*arguments)
            spent[name] = spent.get(name, 0.0) + time.process_time() - before
            return result

        return run

    assert networks.reblur is not None
    for name, module in (("U-Net, forward", networks.deblur), ("R, forward", networks.reblur)):
        object.__setattr__(module, "forward", timed(name, module.forward))
    object.__setattr__(estimator, "estimate_both", timed("flow both ways", estimator.estimate_both))

    def step(crop: int) -> None:
        shape = (1, 3, crop, crop)
        batch = {name: torch.rand(shape).contiguous(memory_format=torch.channels_last) for name in ("blurry", "sharp")}
        terms = timed("forward", compute_terms)(networks, config, Stage.SECOND, batch, estimator)
        timed("backward", terms.total.backward)()
        timed("Adam", optimizer.step)()
        timed("zero gradients", optimizer.zero_grad)(False)

    step(64)
    spent.clear()
    before = time.process_time()
    for _ in range(REPEATS):
        step(CROP)
    total = time.process_time() - before
    rest = spent.pop("forward")
    parts = ("U-Net, forward", "R, forward", "flow both ways")
    spent["warps, masks, losses"] = rest - sum(spent[name] for name in parts)
    for name in (*parts, "warps, masks, losses", "backward", "Adam", "zero gradients"):
        print(f"{name:24}{1000 * spent[name] / REPEATS:8.0f} ms{100 * spent[name] / total:6.1f} %")
    print(f"{'step':24}{1000 * total / REPEATS:8.0f} ms")
    floor = make_floor()
    floor(64)
    timed("floor", floor)(CROP)
    print(f"{'the U-Net alone':24}{1000 * spent['floor']:8.0f} ms")
    bf16 = make_step("ours, bf16")
    bf16(64)
    timed("bf16", bf16)(CROP)
    print(f"{'step under bf16':24}{1000 * spent['bf16']:8.0f} ms")
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step(CROP)
    events = profiled.key_averages()
    whole = sum(event.self_cpu_time_total for event in events)
    for name in ("aten::mkldnn_convolution", "aten::convolution_backward"):
        share = sum(event.self_cpu_time_total for event in events if event.key == name) / whole
        print(f"{name:32}{100 * share:6.1f} % of the step")


def make_floor() -> Callable[[int], None]:
    """Forward and backward of the U-Net alone."""
    network = TrainConfig().spec.build().to(memory_format=torch.channels_last)

    def step(crop: int) -> None:
        network(torch.rand(1, 3, crop, crop).contiguous(memory_format=torch.channels_last)).mean().backward()

    return step


def _check_equal() -> None:
    """Both flows are the same computation (``bench/reblur.py`` says so of both reblurring forms)."""
    torch.manual_seed(0)
    picture = F.avg_pool2d(torch.rand(1, 3, 3 * 128, 3 * 128), 3)
    moved = picture.roll(2, 3)
    direct, ours = (flow.estimate(picture, moved) for flow in (DirectFlow(), load_flow("pwcnet-plain")))
    difference = float((direct - ours).abs().max())
    print(f"largest difference of flow, direct against ours: {difference:.1e} px")


def main() -> None:
    """Print times, memory and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--where", action="store_true")
    parser.add_argument("--child", choices=METHODS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.child:
        reuse_memory()  # as the command does; a child measures what is in use
    if arguments.where:
        print_where()
        return
    torch.set_num_threads(2)
    if arguments.child:
        step = make_step(arguments.child)
        step(64)
        print(peak_mib(lambda: step(CROP)))
        return
    _check_equal()
    command = [sys.executable, __file__, "--child"]
    memory = {method: float(subprocess.check_output([*command, method], text=True)) for method in METHODS}
    steps = {method: make_step(method) for method in METHODS} | {"floor": make_floor()}
    best = dict.fromkeys(steps, float("inf"))
    for repeat in range(REPEATS + 1):
        for method, step in steps.items():
            start = time.perf_counter()
            step(64 if repeat == 0 else CROP)
            if repeat:
                best[method] = min(best[method], time.perf_counter() - start)
    print(f"{'':16}{'step':>10}{'peak memory':>16}{'faster':>9}{'memory':>9}{'x floor':>9}")
    for method in METHODS:
        faster, share = best["direct"] / best[method], memory[method] / memory["direct"]
        numbers = f"{best[method]:8.2f} s{memory[method]:12.0f} MiB{faster:8.1f}x{share:9.2f}"
        print(f"{method:16}{numbers}{best[method] / best['floor']:9.2f}")
    print(f"{'floor':16}{best['floor']:8.2f} s")


if __name__ == "__main__":
    main()
