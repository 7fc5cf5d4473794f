"""Train the bundled flow weights: PWC-Net on pairs made from a seed (``tools/flow_data.py``), no third-party data.

    python tools/train_flow.py train --out runs/flow                        from scratch
    python tools/train_flow.py train --out runs/flow --init sdd_bench/flow/weights/pwcnet.safetensors
    python tools/train_flow.py train --out runs/flow --resume [--steps N]   go on with the same options but those given
    python tools/train_flow.py bundle runs/flow/checkpoint.pt               to sdd_bench/flow/weights, fp16

The run folder holds ``checkpoint.pt`` (network, EMA, optimiser, step: rewritten every few minutes and at the end),
``ema.safetensors`` (the same EMA for trying out), ``train.log`` and the textures. SIGTERM or Ctrl-C saves and stops.
Learning rate: warm-up, flat, linear cool-down over the last part of the steps (on resuming, choose N so that this part
begins about where the training stands). Batch k is the same in every run.
"""

from __future__ import annotations

import argparse
import copy
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from flow_data import PairMaker, texture_pool
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from sdd_bench.core.storage.files import sealed, sha256_of
from sdd_bench.flow.pwcnet.checkpoint import load_pwcnet
from sdd_bench.flow.pwcnet.network import FLOW_UNIT_PX, PWCNet
from sdd_bench.weights.tensors import load_into, read_tensors

BUNDLED = Path(__file__).parents[1] / "sdd_bench" / "flow" / "pwcnet" / "weights" / "pwcnet.safetensors"
LEVEL_WEIGHTS = (0.1, 0.15, 0.2, 0.35, 1.0)
"""Weight of the loss per level, coarsest to finest."""
VALIDATION_PAIRS = 48


@dataclass(frozen=True)
class TrainOptions:
    """What a training depends on."""

    steps: int = 20_000
    batch: int = 8
    crop: int = 256
    lr: float = 3e-4
    seed: int = 0
    textures: int = 320
    warm_up: int = 200
    cool_down: float = 0.4
    """Last share of the steps over which the learning rate falls to zero."""
    easy_steps: int = 400
    """Steps of pure shifts at the start; none when training goes on from weights."""
    exponent: float = 0.7
    """Loss |error|^exponent: below one so that gross errors of heavy blur do not drown sub-pixel ones."""
    ema: float = 0.998
    precision: str = "bf16"
    """``bf16`` autocast, or ``32``, which is faster on processors without fast bf16 (no AMX)."""
    dense: bool = False


class Pairs(Dataset[dict[str, Tensor]]):
    """Pairs by number, made in the loader's process."""

    def __init__(self, pool: Path, count: int, options: TrainOptions, *, seed: int, easy: int = 0) -> None:
        self.pool, self.count, self.crop, self.seed, self.easy = pool, count, options.crop, seed, easy
        self.textures = options.textures
        self.maker: PairMaker | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if self.maker is None:  # in the worker: the memory map is opened there
            cv2.setNumThreads(1)
            self.maker = PairMaker(np.load(self.pool, mmap_mode="r"), self.crop, self.seed)
        pair = self.maker.easy(index) if index < self.easy else self.maker.pair(index)
        return {
            "reference": torch.from_numpy(pair.reference).permute(2, 0, 1),
            "moving": torch.from_numpy(pair.moving).permute(2, 0, 1),
            "flow": torch.from_numpy(pair.flow),
        }


def run_network(network: PWCNet, batch: dict[str, Tensor], precision: str) -> list[Tensor]:
    """Flows of all levels in pixels at the size of the crops."""
    reference, moving = (batch[key].contiguous(memory_format=torch.channels_last) for key in ("reference", "moving"))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        flows = network(reference, moving)
    size = batch["flow"].shape[-2:]
    return [F.interpolate(f.float(), size, mode="bilinear", align_corners=False) * FLOW_UNIT_PX for f in flows]


def loss_of(flows: list[Tensor], truth: Tensor, exponent: float) -> Tensor:
    """Weighted sum over levels of the mean of (error^2 + 0.01^2)^(exponent / 2)."""
    losses = [((flow - truth).square().sum(1) + 1e-4).pow(exponent / 2).mean() for flow in flows]
    return torch.stack([w * loss for w, loss in zip(LEVEL_WEIGHTS, losses, strict=True)]).sum()


def learning_rate(step: int, options: TrainOptions) -> float:
    """Warm-up, flat, linear cool-down."""
    left = (options.steps - step) / max(1.0, options.cool_down * options.steps)
    return options.lr * min(1.0, (step + 1) / options.warm_up, max(left, 0.0))


def validate(network: PWCNet, batches: list[dict[str, Tensor]], precision: str) -> str:
    """EPE on the fixed validation pairs: mean and median over pairs, of small motions, and of no motion."""
    errors, sizes = [], []
    with torch.inference_mode():
        for batch in batches:
            flow = run_network(network, batch, precision)[-1]
            errors += (flow - batch["flow"]).norm(dim=1).mean((1, 2)).tolist()
            sizes += batch["flow"].square().sum(1).mean((1, 2)).sqrt().tolist()
    error, size = np.array(errors), np.array(sizes)
    small, still = (size > 0) & (size < 1.5), size == 0
    return (
        f"EPE mean {error.mean():.3f} median {np.median(error):.3f} small {error[small].mean():.3f} "
        f"still {error[still].mean():.3f} px"
    )


def widened(tensors: dict[str, Tensor], dense: PWCNet) -> dict[str, Tensor]:
    """Weights of a chain as weights of ``dense`` that compute the same: zero on the inputs a chain does not have.

    Dense decoders put a layer's newest input first, so the zeros follow.
    """
    wide = {}
    for name, value in dense.state_dict().items():
        wide[name] = torch.zeros_like(value)
        wide[name][tuple(map(slice, tensors[name].shape))] = tensors[name]
    return wide


class Trainer:
    """The state of a training, in one folder."""

    def __init__(self, out: Path, options: TrainOptions, *, init: Path | None, resume: bool) -> None:
        self.out, self.options = out, options
        self.network = PWCNet(dense=options.dense, normalise=True)
        self.step, self.seconds, self.easy = 0, 0.0, options.easy_steps
        state: dict[str, Any] | None = None
        if resume:
            state = torch.load(out / "checkpoint.pt", map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.step, self.seconds, self.easy = state["step"], state["seconds"], state["easy"]
        elif init is not None:
            tensors = read_tensors(init)
            load_into(self.network, widened(tensors, self.network) if options.dense else tensors, init)
            self.easy = 0
        self.network.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0, weight_decay=1e-5, betas=(0.9, 0.99))
        if state is not None:
            self.ema.load_state_dict(state["ema"])
            self.optimiser.load_state_dict(state["optimiser"])

    def save(self) -> None:
        """Write the checkpoint and the EMA alone, each as a whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "easy": self.easy,
            "options": asdict(self.options),
        }
        with sealed(self.out / "checkpoint.pt") as partial:
            torch.save(state, partial)
        with sealed(self.out / "ema.safetensors") as partial:
            save_file({name: value.contiguous() for name, value in self.ema.state_dict().items()}, partial)

    def one_step(self, batch: dict[str, Tensor]) -> float:
        """One step of the optimiser; the batch's EPE."""
        options = self.options
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, options)
        flows = run_network(self.network, batch, options.precision)
        loss = loss_of(flows, batch["flow"], options.exponent)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        self.step += 1
        with torch.no_grad():
            share = 1 - min(options.ema, self.step / (self.step + 9))
            for slow, fast in zip(self.ema.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, share)
        return float((flows[-1].detach() - batch["flow"]).norm(dim=1).mean())


def train(out: Path, options: TrainOptions, *, init: Path | None, resume: bool, threads: int) -> None:
    """Train until ``options.steps`` or a signal."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # subnormal numbers make convolutions crawl
    torch.manual_seed(options.seed)
    trainer = Trainer(out, options, init=init, resume=resume)
    log = open(out / "train.log", "a", buffering=1)  # noqa: SIM115  (open for the whole run)

    def say(text: str) -> None:
        line = f"step {trainer.step} {trainer.seconds / 3600:.2f} h {text}"
        print(line, flush=True)
        log.write(line + "\n")

    pools = [out / f"textures-{options.seed}.npy", out / f"textures-validation-{options.seed}.npy"]
    texture_pool(pools[0], options.textures, options.seed)
    texture_pool(pools[1], 24, options.seed + 1_000_000)
    validation = list(
        DataLoader(Pairs(pools[1], VALIDATION_PAIRS, options, seed=options.seed + 1_000_000), options.batch)
    )
    data = Pairs(pools[0], options.steps * options.batch, options, seed=options.seed, easy=trainer.easy * options.batch)
    rest = Subset(data, range(trainer.step * options.batch, len(data)))
    loader = DataLoader(rest, options.batch, num_workers=1, prefetch_factor=4, multiprocessing_context="spawn")
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopped.append(number))
    say(f"{options}; before: {validate(trainer.ema, validation, options.precision)}")
    start, saved, recent = time.monotonic() - trainer.seconds, time.monotonic(), []
    for batch in loader:
        recent.append(trainer.one_step(batch))
        trainer.seconds = time.monotonic() - start
        if trainer.step % 50 == 0:
            say(f"training EPE {np.mean(recent):.3f} px")
            recent = []
        if trainer.step % 250 == 0:
            say(f"validation {validate(trainer.ema, validation, options.precision)}")
        if stopped or time.monotonic() - saved > 240:
            trainer.save()
            saved = time.monotonic()
        if stopped:
            break
    trainer.save()
    say(f"stopped; validation {validate(trainer.ema, validation, options.precision)}")
    log.close()


def bundle(checkpoint: Path, target: Path) -> None:
    """EMA weights of a checkpoint as fp16 safetensors, and what that costs."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    options = TrainOptions(**state["options"])
    half = {name: value.half().contiguous() for name, value in state["ema"].items()}
    with sealed(target) as partial:
        save_file(half, partial, metadata={"steps": str(state["step"]), "options": str(state["options"])})
    full = PWCNet(dense=options.dense, normalise=True)
    full.load_state_dict(state["ema"])
    folder = checkpoint.parent / f"textures-validation-{options.seed}.npy"
    pairs = list(DataLoader(Pairs(folder, 16, options, seed=options.seed + 1_000_000), options.batch))
    with torch.inference_mode():
        moved = [run_network(load_pwcnet(target), p, "32")[-1] - run_network(full, p, "32")[-1] for p in pairs]
    print(f"{target}: {target.stat().st_size} bytes, sha256 {sha256_of(target)}")
    print(f"{state['step']} steps, {state['seconds'] / 3600:.2f} hours; {options}")
    print(f"fp16 moves the flow by {torch.cat(moved).norm(dim=1).mean():.4f} px on average")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("--out", type=Path, default=Path("runs/flow"))
    training.add_argument("--init", type=Path)
    training.add_argument("--resume", action="store_true")
    training.add_argument("--threads", type=int, default=2)
    for name, value in asdict(TrainOptions()).items():
        kind = {"action": "store_true"} if isinstance(value, bool) else {"type": type(value)}
        training.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, **kind)
    bundling = commands.add_parser("bundle")
    bundling.add_argument("checkpoint", type=Path)
    bundling.add_argument("--target", type=Path, default=BUNDLED)
    options = parser.parse_args()
    if options.command == "bundle":
        bundle(options.checkpoint, options.target)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = asdict(TrainOptions())
    if options.resume:
        chosen |= torch.load(options.out / "checkpoint.pt", map_location="cpu", weights_only=True)["options"]
    chosen |= {name: value for name, value in vars(options).items() if name in chosen}
    train(options.out, TrainOptions(**chosen), init=options.init, resume=options.resume, threads=options.threads)


if __name__ == "__main__":
    sys.exit(main())
