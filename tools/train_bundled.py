"""Train the network that comes with the package: from a seed and a folder of photographs to its weights.

    python tools/train_bundled.py --photos photos --out runs/bundled --options tools/train_bundled.toml --minutes 120

First supervised, on aligned pairs that are made on the fly (``sdd_bench.synthesis``), each seen a few times; then by
JDRL on misaligned ones (``tools/bundled_jdrl.py``). The same command continues a run that was stopped: weights, their
moving average, optimizer and time trained so far are in ``OUT/resume.pt``, written every few minutes. ``--minutes``
are those of ``--clock wall``, which counts a pause of the process (SIGSTOP, a laptop asleep) as training, or of
``--clock cpu``, which counts this process's work alone.
``OUT/log.jsonl`` has a line per validation, on pairs that are the same in every run and made from photographs that are
not trained on. ``OUT/supervised.safetensors`` is the moving average of the first part, ``OUT/model.safetensors`` what
the second made of it, both in half precision.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from bundled_jdrl import tune
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from sdd_bench.core.config import as_dict, load
from sdd_bench.core.precision import has_fast_bf16
from sdd_bench.core.storage.files import sealed
from sdd_bench.models.networks.laplacian import LaplacianUNet
from sdd_bench.models.spec import METADATA_KEY, ModelSpec, facts_of
from sdd_bench.synthesis.crops import SynthesisCrops
from sdd_bench.synthesis.options import SynthesisOptions
from sdd_bench.synthesis.sources import read_photographs
from sdd_bench.training.perceptual import PerceptualDistance
from sdd_bench.weights.tensors import load_into, read_tensors

_VALIDATION_SEED = 10_000
_HELD_OUT_EVERY = 8
"""Every eighth photograph, by name, serves validation alone."""
_BLURRED_DB = 38.0
"""Validation pictures closer to their sharp picture count as still: they have little to gain and much to lose."""


@dataclass(frozen=True)
class Training:
    """How long and how to train."""

    minutes: float = 120.0
    """Time to train, all starts together; the learning rate falls to zero over it."""
    steps: int | None = None
    """Instead of minutes: steps to train, for a run that can be made again to the bit."""
    clock: str = "wall"
    """Minutes are ``wall`` time, pauses of the process included, or ``cpu`` time of this process, which is fair where
    others compute, too."""
    model: str = "unet-folded"
    network: str = "{}"
    """Options of the network, as JSON."""
    seed: int = 0
    batch: int = 4
    crop: int = 128
    uses: int = 3
    still_kept: float = 0.6
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    clip_norm: float = 0.5
    average: float = 0.999
    """Share of the moving average that stays per step."""
    frequency_weight: float = 0.2
    """Weight of the mean distance of the Fourier coefficients, beside Charbonnier's of the pixels."""
    blur_weight: float = 0.02
    """Weight of the error of the blur that the network says it sees, in powers of two."""
    perceptual_weight: float = 0.01
    """Weight of LPIPS, once it counts."""
    perceptual_from: float = 0.3
    """Part of the training after which LPIPS counts."""
    precision: str = "auto"
    """``bf16``, ``32``, or ``auto``: the faster of them on this machine."""
    validate_every: int = 250
    jdrl_steps: int = 150
    """Steps of the second part; 0 leaves it out."""
    jdrl_learning_rate: float = 2e-5


class Run:
    """One network in training, and its folder."""

    def __init__(
        self,
        training: Training,
        options: SynthesisOptions,
        photographs: list[NDArray[np.uint8]],
        out: Path,
        device: torch.device,
        init: Path | None = None,
    ) -> None:
        torch.manual_seed(training.seed)
        fast = device.type != "cpu" or has_fast_bf16()
        self.precision = training.precision if training.precision != "auto" else "bf16" if fast else "32"
        self.training, self.options, self.out, self.device = training, options, out, device
        self.spec = ModelSpec(training.model, options=json.loads(training.network))
        self.network = self.spec.build().to(device).to(memory_format=torch.channels_last)
        if init is not None:
            load_into(self.network, read_tensors(init), init)
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), training.learning_rate, betas=(0.9, 0.95), weight_decay=1e-4
        )
        self.step, self.seconds = 0, 0.0
        self.perceptual: nn.Module | None = None
        held_out = photographs[::_HELD_OUT_EVERY]
        self.photographs = [photo for number, photo in enumerate(photographs) if number % _HELD_OUT_EVERY]
        self.validation = validation_pairs(held_out, training.crop)
        if (out / "resume.pt").exists():
            self._resume()

    def progress(self) -> float:
        """Part of the training that is done, 0 to 1."""
        if self.training.steps is not None:
            return self.step / self.training.steps
        return self.seconds / (60 * self.training.minutes)

    def train(self, loaders: int) -> None:
        """Train to the end."""
        losses: list[tuple[float, float]] = []
        batches = self._batches(loaders)
        clock = time.process_time if self.training.clock == "cpu" else time.monotonic
        before = clock()
        while self.progress() < 1:
            losses.append(self._step(*next(batches)))
            now = clock()
            self.seconds, before = self.seconds + now - before, now
            if self.step % self.training.validate_every == 0:
                self._report(losses)
                losses = []
                self._save()
        if losses:
            self._report(losses)
        self._save()

    def finish(self, photographs: list[Path]) -> None:
        """The second part, and the weights of both."""
        training, weights = self.training, self.out / "supervised.safetensors"
        if training.jdrl_steps:
            weights = tune(
                weights,
                self.spec.model,
                self.spec.options,
                [path for number, path in enumerate(photographs) if number % _HELD_OUT_EVERY],
                self.out / "jdrl",
                steps=training.jdrl_steps,
                learning_rate=training.jdrl_learning_rate,
                precision=self.precision,
                seed=training.seed,
            )
        tensors = read_tensors(weights)
        self.write(tensors, "model.safetensors")
        self._log({"jdrl_steps": training.jdrl_steps} | self._validate(tensors))

    def _batches(self, loaders: int) -> Iterator[list[Tensor]]:
        crops = SynthesisCrops(
            self.photographs,
            self.options,
            crop=self.training.crop,
            seed=self.training.seed + self.step,  # what was seen before a stop is not seen again
            uses=self.training.uses,
            still_kept=self.training.still_kept,
            with_coc=True,
        )
        return iter(
            DataLoader(
                crops,
                batch_size=self.training.batch,
                num_workers=loaders,
                prefetch_factor=4 if loaders else None,
                worker_init_fn=_one_thread,
            )
        )

    def _step(self, blurry: Tensor, sharp: Tensor, coc: Tensor) -> tuple[float, float]:
        training = self.training
        rate = training.learning_rate * min(1.0, (self.step + 1) / training.warmup_steps)
        rate *= 0.5 * (1 + math.cos(math.pi * self.progress()))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        blurry, sharp, coc = (
            x.to(self.device).contiguous(memory_format=torch.channels_last) for x in (blurry, sharp, coc)
        )
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            deblurred, blur = self._deblur(blurry)
        loss = self._loss(deblurred.float(), sharp)
        if blur is not None:
            wanted = (1 + F.avg_pool2d(coc, 2)).log2()
            loss = loss + training.blur_weight * (blur.float() - wanted).abs().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), training.clip_norm)
        self.optimizer.step()
        self.step += 1
        keep = min(training.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - keep)
            ratio = (deblurred - sharp).square().mean() / (blurry - sharp).square().mean().clamp_min(1e-6)
        return loss.item(), ratio.item()

    def _deblur(self, blurry: Tensor) -> tuple[Tensor, Tensor | None]:
        """The deblurred picture, and the blur that was seen from networks that say so."""
        if isinstance(self.network, LaplacianUNet):
            return self.network.deblur_and_measure(blurry)
        return self.network(blurry), None

    def _loss(self, deblurred: Tensor, sharp: Tensor) -> Tensor:
        training = self.training
        loss = charbonnier(deblurred, sharp) + training.frequency_weight * frequency_distance(deblurred, sharp)
        if training.perceptual_weight and self.progress() >= training.perceptual_from:
            if self.perceptual is None:
                self.perceptual = PerceptualDistance().to(self.device)
            # Half the pictures, since LPIPS takes about as long as the network.
            half = slice(0, max(1, len(sharp) // 2))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                loss = loss + training.perceptual_weight * self.perceptual(deblurred[half], sharp[half])
        return loss

    def _report(self, losses: list[tuple[float, float]]) -> None:
        loss, ratio = np.mean(losses, 0) if losses else (math.nan, math.nan)
        line = {
            "step": self.step,
            "minutes": round(self.seconds / 60, 2),
            "progress": round(self.progress(), 4),
            "loss": round(float(loss), 5),
            "error_ratio": round(float(ratio), 4),
        } | self._validate(self.average)
        self._log(line)

    def _log(self, line: dict[str, float]) -> None:
        with open(self.out / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    def _validate(self, tensors: Mapping[str, Tensor]) -> dict[str, float]:
        network = self.spec.build().to(self.device).to(memory_format=torch.channels_last).eval()
        network.load_state_dict(tensors)
        blurry, sharp = self.validation
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            made = torch.cat([network(x.to(self.device)).float().cpu() for x in blurry.split(4)])
        before, after = psnr_each(blurry, sharp), psnr_each(made, sharp)
        blurred, gain = before < _BLURRED_DB, after - before
        return {
            "psnr_db": round(float(after[blurred].mean()), 3),
            "gain_db": round(float(gain[blurred].mean()), 3),
            "worst_gain_db": round(float(gain[blurred].min()), 3),
            "still_psnr_db": round(float(after[~blurred].mean()), 3),
        }

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        with sealed(self.out / "resume.pt") as partial:
            torch.save(state, partial)
        self.write(self.average, "supervised.safetensors")

    def write(self, tensors: Mapping[str, Tensor], name: str) -> None:
        """Weights of this network, in half precision, as a file of the run."""
        metadata = {METADATA_KEY: json.dumps(facts_of(self.network, self.spec))}
        with sealed(self.out / name) as partial:
            save_file({k: v.half().contiguous() for k, v in tensors.items()}, partial, metadata=metadata)

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self.out / "resume.pt", map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        print(f"continues at step {self.step}, after {self.seconds / 60:.1f} minutes", flush=True)


def charbonnier(a: Tensor, b: Tensor, *, epsilon: float = 1e-2) -> Tensor:
    r"""Mean of :math:`\sqrt{(a - b)^2 + \epsilon^2}` (Charbonnier and others, 1994)."""
    return ((a - b).square() + epsilon**2).sqrt().mean()


def frequency_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean distance of the (orthonormal) Fourier coefficients (Cho and others, *MIMO-UNet*, 2021, Eq. 6)."""
    return torch.fft.rfft2(a - b, norm="ortho").abs().mean()


def psnr_each(a: Tensor, b: Tensor) -> Tensor:
    """PSNR of every picture, in dB; at most 60, so that perfect pictures do not rule a mean."""
    return -10 * (a - b).square().mean((1, 2, 3)).clamp_min(1e-6).log10()


def validation_pairs(photographs: list[NDArray[np.uint8]], crop: int, *, count: int = 64) -> tuple[Tensor, Tensor]:
    """The same pairs in every run, from few scenes each."""
    stream = iter(SynthesisCrops(photographs, SynthesisOptions(), crop=crop, seed=_VALIDATION_SEED, pool=96))
    blurry, sharp = zip(*(next(stream) for _ in range(count)), strict=True)
    return torch.stack(blurry), torch.stack(sharp)


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def main() -> None:
    """Train, or continue to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of sharp photographs to learn from")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--options", type=Path, help="TOML of SynthesisOptions that are not the defaults")
    parser.add_argument("--init", type=Path, help="weights to start from, of the same network")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the training process")
    parser.add_argument("--loaders", type=int, default=1, help="processes that make pairs")
    for name, field in Training.__dataclass_fields__.items():
        kind = int if name == "steps" else type(field.default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=field.default)
    arguments = vars(parser.parse_args())
    training = Training(**{name: arguments[name] for name in Training.__dataclass_fields__})
    torch.set_num_threads(arguments["threads"])
    torch.set_flush_denormal(True)
    cv2.setNumThreads(1)
    out: Path = arguments["out"]
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in arguments["photos"].iterdir() if path.is_file())
    options = load(SynthesisOptions, arguments["options"])
    start = {
        "start": asdict(training),
        "init": str(arguments["init"]),
        "options": as_dict(options),
        "photographs": [path.name for path in files],
    }
    with open(out / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(start) + "\n")
    run = Run(training, options, read_photographs(files), out, torch.device(arguments["device"]), arguments["init"])
    run.train(arguments["loaders"])
    run.finish(files)


if __name__ == "__main__":
    main()
