"""Time, memory and share of convolution of every network, beside the plain forward of the same module.

    python tools/bench/networks.py [--size 384 256] [--only mprnet,ifan]

Ours is what ``predict`` runs: channels last, strips of rows, filters of IFAN one iteration at a time. Plain is the
module in torch's default layout, whole maps, and IFAN's filters of all iterations at once. Weights are those before
training; time and memory do not depend on them. Every measurement runs in a process of its own; memory is what the
forward pass adds to the process at rest. The bytes per pixel are what ``predict --memory`` should count with.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import torch
from _memory import peak_mib
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.models.network import final_output
from sdd_bench.models.networks.ifan import IFAN
from sdd_bench.models.spec import MODELS

NAMES = "unet,dmphn,dpdnet,kpac,kpac-2level,ifan-released,ifan,drbnet,nafnet,restormer,mprnet"
_LEAKY_SLOPE = 0.1


class DirectIFAN(IFAN):
    """The filters of all iterations in one map, as the released code has them."""

    def _filter(self, x: Tensor, seen: Tensor) -> Tensor:
        channels, iterations = x.shape[1], len(self._rows)
        maps = self.F[3](seen)
        weights, biases = maps.split([6 * channels * iterations, channels * iterations], dim=1)
        weights, biases = (
            weights.unflatten(1, (iterations, 2, channels, 3)),
            biases.unflatten(1, (iterations, channels)),
        )
        for i in range(iterations):
            vertical, horizontal = weights[:, i, 0], weights[:, i, 0 if self.shared_taps else 1]
            rows = F.pad(x, (0, 0, 1, 1), mode="replicate")
            x = sum(vertical[:, :, k] * rows[:, :, k : k + x.shape[2]] for k in range(3))
            columns = F.pad(x, (1, 1, 0, 0), mode="replicate")
            x = sum(horizontal[:, :, k] * columns[..., k : k + x.shape[3]] for k in range(3))
            x = F.leaky_relu(x + biases[:, i], _LEAKY_SLOPE)
        return x


def build(name: str, *, plain: bool) -> nn.Module:
    """The network in evaluation mode, its weights frozen."""
    torch.manual_seed(0)
    if plain and name.startswith("ifan"):
        network: nn.Module = DirectIFAN(shared_taps=name == "ifan-released")
    else:
        network = MODELS.get(name)()
    network.eval().requires_grad_(False)
    return network if plain else network.to(memory_format=torch.channels_last)


def measure(name: str, width: int, height: int, *, plain: bool, repeats: int) -> dict[str, float]:
    """Fewest seconds, MiB, and share of convolution of one forward pass."""
    torch.set_num_threads(1)
    network = build(name, plain=plain)
    picture = torch.rand(1, 3, height, width)
    if not plain:
        picture = picture.contiguous(memory_format=torch.channels_last)

    def run() -> Tensor:
        # With gradients on and none asked for, layers take whole maps and no map in place: the plain way.
        with torch.set_grad_enabled(plain), torch.inference_mode(not plain):
            return final_output(network(picture))

    memory = peak_mib(run)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    seconds = min(times)
    if plain:
        return {"seconds": seconds, "mib": memory}
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    events = profile.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    convolution = sum(event.self_cpu_time_total for event in events if "convolution" in event.key)
    return {"seconds": seconds, "mib": memory, "convolution": convolution / total}


def apart(name: str, width: int, height: int, *, plain: bool, repeats: int) -> dict[str, float]:
    """:func:`measure` in a process of its own."""
    size, times = ["--size", str(width), str(height)], ["--repeats", str(repeats)]
    command = [sys.executable, __file__, "--one", name, *size, *times, *(["--plain"] if plain else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 256), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--only", default=NAMES, help="networks")
    parser.add_argument("--repeats", type=int, default=1, help="the fastest of which counts")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    width, height = arguments.size
    if arguments.one:
        print(json.dumps(measure(arguments.one, width, height, plain=arguments.plain, repeats=arguments.repeats)))
        return
    megapixels = width * height / 1e6
    print(
        f"{width}x{height}, one thread; seconds of the processor per megapixel, bytes per pixel, share of convolution"
    )
    print(f"{'network':14} {'s/Mpx':>8} {'plain':>8} {'ratio':>6} | {'B/px':>7} {'plain':>7} {'ratio':>6} | conv.")
    for name in arguments.only.split(","):
        ours, plain = (apart(name, width, height, plain=way, repeats=arguments.repeats) for way in (False, True))
        row: list[Any] = [found["seconds"] / megapixels for found in (ours, plain)]
        size = [found["mib"] * 1048576 / (width * height) for found in (ours, plain)]
        print(
            f"{name:14} {row[0]:8.1f} {row[1]:8.1f} {row[0] / row[1]:6.2f} | {size[0]:7.0f} {size[1]:7.0f} "
            f"{size[0] / size[1]:6.2f} | {ours['convolution']:.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
