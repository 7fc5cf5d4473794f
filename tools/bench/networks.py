"""Time, memory and share of convolution of every network, beside the plain forward of the same module.

    python tools/bench/networks.py [--size 768 512] [--only mprnet,ifan]
    python tools/bench/networks.py --tiles 2 --size 4096 2160 --memory 8 [--only mprnet]
    python tools/bench/networks.py --command --size 4096 2160 --memory 8 [--only mprnet]

Ours is what ``predict`` runs: channels last, wide convolutions by fewer products, strips of rows, filters of IFAN one
iteration at a time. Plain is the module in torch's default layout, whole maps, IFAN's filters of all iterations at
once, and MPRNet stage by stage, as its figure is drawn. Weights are those before training; time and memory do not
depend on them. Every measurement runs in a process of its own. Memory is what the forward pass adds to the process at
rest, where the C library gives every buffer back at once; times are taken with the memory kept for reuse, as the
commands do.

``--tiles N`` shows instead what ``predict --memory`` makes of a picture of that size: how many windows of which shape,
and the peak memory and time of the first N, after which it stops. ``--command`` runs ``sdd-bench predict`` itself, with
one thread, on a picture of photographs (of ``SDD_BENCH_DATA``, or made): peak memory and processor's time are those of
the whole process, not below this program's own of some 0.8 GiB, and what it notes is printed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from _convolutions import counted_convolutions
from _memory import peak_mib
from _pictures import mosaic
from tiles import as_network
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.executors import reuse_memory
from sdd_bench.images.photograph import read_photograph
from sdd_bench.images.write import write_png
from sdd_bench.models.convert import save_weights
from sdd_bench.models.fewer_products import take_fewer_products
from sdd_bench.models.network import Network, final_output
from sdd_bench.models.networks.ifan import IFAN
from sdd_bench.models.networks.mprnet import MPRNet
from sdd_bench.models.spec import MODELS, ModelSpec
from sdd_bench.prediction.method import UNKNOWN_RADIUS_PX
from sdd_bench.prediction.tiling import Span, spans, tile_side, window_of

NAMES = "unet,dmphn,dpdnet,kpac,kpac-2level,ifan-released,ifan,drbnet,nafnet,restormer,mprnet"
_LEAKY_SLOPE = 0.1
_M_MMAP_THRESHOLD = -3


class DirectMPRNet(MPRNet):
    """Stage after stage, with the features of each until the end, and levels enlarged before they are mixed."""

    def forward(self, blurry: Tensor) -> list[Tensor]:
        halves = []
        for half in blurry.chunk(2, dim=2):
            quadrants = [self.stage1_encoder(self.shallow_feat1(quadrant)) for quadrant in half.chunk(2, dim=3)]
            encoded = [torch.cat(levels, 3) for levels in zip(*quadrants, strict=True)]
            decoded = self.stage1_decoder(encoded)
            picture = self.sam12.picture(decoded[0], half)
            halves.append((encoded, decoded, self.sam12(decoded[0], picture), picture))
        first = torch.cat([picture for *_, picture in halves], 2)
        two = self.stage2_encoder
        parts = []
        for half, (encoded, decoded, attended, _) in zip(blurry.chunk(2, dim=2), halves, strict=True):
            x = self.concat12(torch.cat((self.shallow_feat2(half), attended), 1))
            parts.append(two(x, two.take_mixed(list(encoded), list(decoded))))
        encoded = [torch.cat(levels, 2) for levels in zip(*parts, strict=True)]
        decoded = self.stage2_decoder(encoded)
        second = self.sam23.picture(decoded[0], blurry)
        attended = self.sam23(decoded[0], second)
        x = self.concat23(torch.cat((self.shallow_feat3(blurry), attended), 1))
        three = self.stage3_orsnet
        x = three.orb1(x, three.conv_enc1(encoded[0]) + three.conv_dec1(decoded[0]))
        x = three.orb2(x, three.conv_enc2(three.up_enc1(encoded[1])) + three.conv_dec2(three.up_dec1(decoded[1])))
        x = three.orb3(x, three.conv_enc3(three.up_enc2(encoded[2])) + three.conv_dec3(three.up_dec2(decoded[2])))
        return [self.tail(x) + blurry, second, first]


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
    elif plain and name == "mprnet":
        network = DirectMPRNet()
    else:
        network = MODELS.get(name)()
    network.eval().requires_grad_(False)
    if not plain:
        take_fewer_products(network.to(memory_format=torch.channels_last))
    return network


def give_back_memory() -> None:
    """Let every large buffer be mapped for itself, so that resident memory is what is in use."""
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


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

    give_back_memory()
    start = time.process_time()
    memory = peak_mib(run)
    seconds = time.process_time() - start
    reuse_memory()
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds = min(seconds, time.process_time() - start)
    if plain:
        return {"seconds": seconds, "mib": memory}
    start = time.process_time()
    with counted_convolutions() as inside:
        run()
    convolution = sum(inside) / (time.process_time() - start)
    return {"seconds": seconds, "mib": memory, "convolution": convolution}


def apart(name: str, width: int, height: int, *, plain: bool, repeats: int) -> dict[str, float]:
    """:func:`measure` in a process of its own."""
    size, times = ["--size", str(width), str(height)], ["--repeats", str(repeats)]
    command = [sys.executable, __file__, "--one", name, *size, *times, *(["--plain"] if plain else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def windows_of(network: Network, width: int, height: int, memory_gib: float) -> tuple[str, list[tuple[Span, Span]]]:
    """What passes the network at once under ``--memory``: in words, and rows and columns of each window."""
    radius, multiple = network.receptive_radius_px, network.size_multiple
    overlap = UNKNOWN_RADIUS_PX if radius is None else radius
    pixels = tile_side(network, memory_gib, overlap) ** 2
    high, wide = window_of(network, height, width, pixels=pixels, overlap=overlap)
    rows, columns = (-(-side // multiple) * multiple for side in (height, width))
    windows = [(y, x) for y in spans(rows, high, overlap, multiple) for x in spans(columns, wide, overlap, multiple)]
    return f"{width}x{height}, --memory {memory_gib:g}: {len(windows)} window(s) of {wide}x{high} px", windows


def measure_windows(name: str, width: int, height: int, memory_gib: float, most: int) -> str:
    """What the first windows of a picture under ``--memory`` take, in a line."""
    torch.set_num_threads(1)
    reuse_memory()
    network = as_network(name, build(name, plain=False))
    planned, windows = windows_of(network, width, height, memory_gib)

    def run() -> None:
        for y, x in windows[:most]:
            network.deblur(torch.rand(1, 3, y.last - y.first, x.last - x.first))

    start = time.process_time()
    gib = peak_mib(run) / 1024
    seconds = time.process_time() - start
    passed = sum((y.last - y.first) * (x.last - x.first) for y, x in windows[:most])
    total = sum((y.last - y.first) * (x.last - x.first) for y, x in windows)
    largest = max((y.last - y.first) * (x.last - x.first) for y, x in windows[:most])
    taken = f"{gib:.2f} GiB, {gib * 2**30 / largest:.0f} bytes per pixel (reckoned {network.bytes_per_pixel})"
    stopped = f"stopped there; all would take about {seconds * total / passed:.0f} s" if most < len(windows) else "all"
    return (
        f"{name:14} {planned}; peak {taken}, {seconds:.0f} s of the processor for {min(most, len(windows))} ({stopped})"
    )


def measure_command(name: str, width: int, height: int, memory_gib: float) -> str:
    """What ``sdd-bench predict`` takes for a picture under random weights of full width, and what it says."""
    module = build(name, plain=False)
    planned, _ = windows_of(as_network(name, module), width, height, memory_gib)
    with tempfile.TemporaryDirectory() as folder:
        weights, picture, out = (Path(folder, each) for each in ("weights.safetensors", "picture.png", "out"))
        save_weights(weights, module, ModelSpec(name))
        write_png(picture, mosaic(width, height))
        command = [sys.executable, "-m", "sdd_bench", "predict", str(picture), "--checkpoint", str(weights)]
        command += ["-o", str(out), "--memory", str(memory_gib), "--threads", "1", "--device", "cpu"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{name:14} {planned}; failed: {done.stderr.strip()}"
        rows, columns = read_photograph(out / picture.name).pixels.shape[:2]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    notes = "".join(f"\n  {line}" for line in done.stderr.splitlines() if line.startswith("note:"))
    return (
        f"{name:14} {planned}; peak of the process {used.ru_maxrss / 2**20:.2f} GiB, "
        f"{used.ru_utime + used.ru_stime:.0f} s of the processor; wrote {columns}x{rows}{notes}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(768, 512), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--only", default=NAMES, help="networks")
    parser.add_argument("--repeats", type=int, default=1, help="runs after that of the memory; the fastest counts")
    parser.add_argument("--tiles", type=int, help="how many windows of a picture of --size to pass")
    parser.add_argument("--command", action="store_true", help="run sdd-bench predict on a picture of --size")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB, for --tiles and --command")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    width, height = arguments.size
    if arguments.tiles or arguments.command:
        names = arguments.only.split(",")
        for name in names if len(names) > 1 else ():  # memory that one keeps for reuse is not the next one's
            subprocess.run([sys.executable, *sys.argv, "--only", name], check=True)
        if len(names) == 1 and arguments.command:
            print(measure_command(names[0], width, height, arguments.memory), flush=True)
        elif len(names) == 1:
            print(measure_windows(names[0], width, height, arguments.memory, arguments.tiles), flush=True)
        return
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
