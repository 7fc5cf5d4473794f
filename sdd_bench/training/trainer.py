"""The training loop, in one process or several, on CPU or GPU.

::

    RUN/options.json        training options and digest of the patches; a run with others is refused
    RUN/config.toml         all options, to use again
    RUN/light.json          the transfer of light of every pair, if sharp pictures are matched
    RUN/checkpoints, best.json   see :mod:`sdd_bench.training.checkpoints`
    RUN/tensorboard         curves and pictures
    RUN/model.safetensors   the best network, or the last one without validation; with it RUN/model.pt2 on demand
    RUN/result.json         the seal, written last
    RUN/report.html         curves and sample pictures as a page, see :mod:`sdd_bench.training.page`

Every random number comes from (seed, epoch, step). A run that is killed at any step and resumed from its last
checkpoint therefore ends with the same weights as an uninterrupted one.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from sdd_bench.core.errors import ConfigError, TrainingError
from sdd_bench.core.storage.files import sealed, write_json
from sdd_bench.core.types import OnProgress, Progress
from sdd_bench.flow.estimator import FlowEstimator, load_flow
from sdd_bench.models.convert import save_weights
from sdd_bench.models.program import export_program
from sdd_bench.models.recognise import own_tensors
from sdd_bench.models.released.checkpoint import read_checkpoint
from sdd_bench.prepared.torch_dataset import PairDataset, PatchLight
from sdd_bench.registration.light.transfer import Match
from sdd_bench.training.checkpoints import (
    Standing,
    checkpoint_folder,
    checkpoint_steps,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    tidy,
)
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.contextual.loss import load_contextual
from sdd_bench.training.curves import Curves
from sdd_bench.training.data.batches import EpochBatches
from sdd_bench.training.data.light import LIGHT_JSON, light_of_patches
from sdd_bench.training.data.split import split_patches
from sdd_bench.training.data.stage_one_flow import ensure_flow
from sdd_bench.training.forecast import SmoothedLoss, foretell, left_by_stage
from sdd_bench.training.perceptual import load_perceptual
from sdd_bench.training.report import TrainReport
from sdd_bench.training.step import Stage, StepTerms, build_networks, compute_terms, learning_rate_of, stage_of
from sdd_bench.training.validation import validate
from sdd_bench.weights.tensors import load_into

RESULT_JSON = "result.json"
_WORTH_FORETELLING = 50
"""Fewer steps than these are not worth the trial steps."""
_MOST_TRIALS, _TRIAL_S = 3, 2.0
"""Trial steps of a stage, and seconds after which no further one begins."""


def _seed(*numbers: int) -> None:
    """Seed torch from several numbers."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1)


@dataclass
class Stop:
    """Request to the loop to save and leave."""

    asked: bool = False


class _Stopped(Exception):
    """Raised when a signal comes while the flow is estimated."""


class Trainer:
    """A training run in progress. Its constructor checks the options against the set and writes nothing."""

    def __init__(
        self,
        data: Path,
        run: Path,
        config: TrainConfig,
        fabric: Fabric,
        stopping: Stop,
        on_progress: OnProgress | None,
        on_say: Callable[[str], None] | None = None,
    ) -> None:
        self.run, self.config, self.fabric = run, config, fabric
        self._data, self._stopping, self._on_progress, self._on_say = data, stopping, on_progress, on_say
        self.split = split_patches(data, val_share=config.val_share, val_patches=config.val_patches, seed=config.seed)
        self.batches = EpochBatches(
            self.split.train,
            batch=config.batch,
            accumulate=config.accumulate,
            seed=config.seed,
            rank=fabric.global_rank,
            world=fabric.world_size,
        )
        self._readers: dict[bool, tuple[PairDataset, DataLoader[dict[str, Any]]]] = {}
        self.n_steps = config.steps or (config.reblur_epochs + config.epochs) * self.batches.steps_per_epoch
        self._ends: float | None = None
        """When the time that the run may take is up, by the monotonic clock."""
        _seed(config.seed, 3)
        self.networks = build_networks(config)
        multiple = int(getattr(self.networks.deblur, "size_multiple", 1))
        if config.crop % multiple:
            raise ConfigError(f"crop: {config.model} takes multiples of {multiple} pixels, got {config.crop}.")
        PairDataset(data, crop=config.crop)
        self.estimator = self._load_estimator()
        self.contextual = load_contextual(config, fabric.device)
        self.perceptual = load_perceptual(config, fabric.device)
        self.standing = Standing(0)
        self._saved = -1
        self._loss = SmoothedLoss()
        self.curves: Curves | None = None

    def prepare(self) -> bool:
        """Estimate the flow and load the last checkpoint; False if a signal came meanwhile."""
        config, fabric = self.config, self.fabric
        state: list[dict[str, Any] | None] = []
        if steps := checkpoint_steps(self.run):
            self._saved = steps[-1]
            self.standing, *state = load_checkpoint(checkpoint_folder(self.run, steps[-1]), self.networks)
            self.n_steps = max(self.n_steps, self.standing.step)
            if fabric.is_global_zero:
                tidy(self.run, self.standing, config.keep)
        elif config.init is not None:
            network = self.networks.deblur
            load_into(network, own_tensors(network, read_checkpoint(config.init)), config.init)
        flow_file = self._flow_file()
        if self.estimator is not None and flow_file is None:
            return False
        self._flow = flow_file if config.has_flow else None
        self._light = self._match(flow_file)
        if self._light is None:
            return False
        val, light = self.split.val_from, self._light
        self.val_dataset = PairDataset(
            self._data, val, crop=config.crop, augment=False, flow=self._flow, light=light.get(val)
        )
        self._set_up(state)
        self.curves = Curves(self.run, self.standing.step) if fabric.is_global_zero else None
        return True

    @property
    def flow_signature(self) -> str:
        """Signature of the flow estimator; empty without one."""
        return "" if self.estimator is None else self.estimator.signature

    @property
    def loss_signature(self) -> str:
        """Signature of the contextual loss; empty without one."""
        return "" if self.contextual is None else self.contextual.signature

    def _load_estimator(self) -> FlowEstimator | None:
        config = self.config
        if not config.needs_flow:
            return None
        device = str(self.fabric.device)
        return load_flow(config.flow, weights=config.flow_weights, device=device, precision=config.flow_precision)

    def _flow_file(self) -> Path | None:
        """File of the flow for the first stage and validation; None for a method without flow, or after a signal."""
        path: Path | None = None
        if self.estimator is not None and self.fabric.is_global_zero:
            with suppress(_Stopped):
                path = ensure_flow(self._data, self.estimator, self.config.flow_file, on_progress=self._tell_or_stop)
        path = self.fabric.broadcast(path)
        return path

    def _match(self, flow_file: Path | None) -> dict[str, list[PatchLight]] | None:
        """Transfers of light by split, empty if none are asked for; None after a signal."""
        light: dict[str, list[PatchLight]] | None = None
        match = self.config.match
        if match is Match.NONE or flow_file is None:
            return {}
        if self.fabric.is_global_zero:
            with suppress(_Stopped):
                kept = self.run / LIGHT_JSON
                light = light_of_patches(
                    self._data, flow_file, match, kept, table=self.config.light, on_progress=self._tell_or_stop
                )
        light = self.fabric.broadcast(light)
        return light

    def _tell_or_stop(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)
        if self._stopping.asked:
            raise _Stopped

    def _read(self, epoch: int, within: int, *, with_flow: bool) -> Iterator[dict[str, Any]]:
        """Batches of an epoch from a step on; the flow is read only in the stage that uses it."""
        config, workers = self.config, self.config.workers
        if with_flow not in self._readers:
            flow = self._flow if with_flow else None
            assert self._light is not None
            light = self._light.get("train")
            dataset = PairDataset(
                self._data, crop=config.crop, flips=config.flips, seed=config.seed, flow=flow, light=light
            )
            loader = DataLoader(
                dataset,
                batch_sampler=self.batches,  # type: ignore[arg-type]  # any iterable of lists will do
                num_workers=workers,
                persistent_workers=workers > 0,
                multiprocessing_context="forkserver" if workers else None,
                pin_memory=self.fabric.device.type == "cuda",
                generator=torch.Generator(),
            )
            self._readers = {with_flow: (dataset, loader)}
        dataset, loader = self._readers[with_flow]
        dataset.set_epoch(epoch)
        self.batches.begin(epoch, within)
        return iter(loader)

    def _set_up(self, state: list[dict[str, Any] | None]) -> None:
        """Hand networks and optimizer to Fabric, and the states of optimizer and gradient scaler to them."""
        if self.config.channels_last:
            self.networks.to(memory_format=torch.channels_last)
        if self.config.compile:
            self.networks.deblur.compile()
        optimizer = torch.optim.Adam(self.networks.parameters(), lr=self.config.learning_rate)
        self.wrapped, self.optimizer = self.fabric.setup(self.networks, optimizer)
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        for receiver, values in zip((optimizer, scaler), state, strict=False):
            if receiver is not None and values is not None:
                receiver.load_state_dict(values)
        self._adam, self._scaler = optimizer, scaler
        self.networks.train()

    def loop(self) -> bool:
        """Train to the end or until the time is up (True), or until asked to stop (False)."""
        per_epoch, over = self.batches.steps_per_epoch, False
        if self.standing.step < self.n_steps:
            (self.run / RESULT_JSON).unlink(missing_ok=True)  # the seal of a run that now goes on
            self._foretell()
        minutes = self.config.max_minutes
        self._ends = None if minutes is None else time.monotonic() + 60 * minutes
        while self.standing.step < self.n_steps and not over:
            epoch, within = divmod(self.standing.step, per_epoch)
            self.networks.train()
            stage = stage_of(self.config, epoch)
            loader = self._read(epoch, within, with_flow=stage is Stage.FIRST)
            for _ in range(within, min(per_epoch, within + self.n_steps - self.standing.step)):
                for group in self._adam.param_groups:
                    group["lr"] = learning_rate_of(self.config, epoch, self.standing.step)
                terms, batch = self._step(stage, loader)
                self._after_step(epoch, stage, terms, batch)
                over = self._is_over()
                if over or self.standing.step == self.n_steps:
                    break
                if self.standing.step % per_epoch and self._must_stop():
                    self._save()
                    return False
            self._end_epoch(epoch, last=over or self.standing.step >= self.n_steps)
            if self.standing.step < self.n_steps and not over and self._must_stop():
                self._save()
                return False
        self._finish()
        return True

    def _foretell(self) -> None:
        """Say how long the run will take, from trial steps of every stage that is left, on copies of the networks."""
        if self._on_say is None or self.fabric.world_size > 1 or self.config.compile:
            return
        left = left_by_stage(self.config, self.standing.step, self.n_steps, self.batches.steps_per_epoch)
        if sum(part.steps for part in left.values()) < _WORTH_FORETELLING:
            return
        seconds = {stage: self._seconds_of(stage, part.first_epoch) for stage, part in left.items()}
        self._on_say(foretell(left, seconds, self.config.max_minutes))

    def _seconds_of(self, stage: Stage, epoch: int) -> float:
        """Time of a step of a stage: of the fastest of some, because the first of a process is slow."""
        networks = copy.deepcopy(self.networks)
        batch = next(self._read(epoch, 0, with_flow=stage is Stage.FIRST))
        batch = {name: self._to_device(value) for name, value in batch.items() if name != "index"}
        times: list[float] = []
        while not times or (len(times) < _MOST_TRIALS and sum(times) < _TRIAL_S):
            begun = time.monotonic()
            with self.fabric.autocast():
                total = compute_terms(
                    networks, self.config, stage, batch, self.estimator, self.contextual, self.perceptual
                ).total
            total.backward()  # type: ignore[no-untyped-call]
            if self.fabric.device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.monotonic() - begun)
        return min(times) * self.config.accumulate

    def _step(self, stage: Stage, loader: Iterator[dict[str, Tensor]]) -> tuple[StepTerms, dict[str, Tensor]]:
        """One update of the weights."""
        parts = self.config.accumulate
        step = self.standing.step
        for part in range(parts):
            batch = {name: self._to_device(value) for name, value in next(loader).items() if name != "index"}
            _seed(self.config.seed, 4, step, part, self.fabric.global_rank)
            with self.fabric.no_backward_sync(self.wrapped, enabled=part < parts - 1):
                terms = compute_terms(
                    self.wrapped, self.config, stage, batch, self.estimator, self.contextual, self.perceptual
                )
                if not bool(terms.total.isfinite()):
                    self._refuse(step, batch)
                self.fabric.backward(terms.total / parts)
        if self.config.clip is not None:
            self.fabric.clip_gradients(
                self.wrapped, self.optimizer, max_norm=self.config.clip, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.standing = dataclasses.replace(self.standing, step=step + 1)
        return terms, batch

    def _to_device(self, value: Tensor) -> Tensor:
        value = value.to(self.fabric.device, non_blocking=True)
        return value.contiguous(memory_format=torch.channels_last) if self.config.channels_last else value

    def _refuse(self, step: int, batch: dict[str, Tensor]) -> None:
        path = self.run / f"not-finite-step-{step:08d}-rank-{self.fabric.global_rank}.pt"
        with sealed(path) as partial:
            torch.save({name: value.cpu() for name, value in batch.items()}, partial)
        raise TrainingError(
            f"step {step}: the loss is not finite. Its batch is saved in {path}; the last good checkpoint stays. Lower "
            "the learning rate, give --clip, or check those pictures."
        )

    def _must_stop(self) -> bool:
        """Whether any process was asked to stop."""
        return self._any(self._stopping.asked)

    def _is_over(self) -> bool:
        """Whether the time that the run may take is up in any process."""
        return self._ends is not None and self._any(time.monotonic() >= self._ends)

    def _any(self, here: bool) -> bool:
        """Whether something holds in any process."""
        if self.fabric.world_size == 1:
            return here
        return bool(self.fabric.all_reduce(torch.tensor(float(here), device=self.fabric.device), reduce_op="sum") > 0)

    def _after_step(self, epoch: int, stage: Stage, terms: StepTerms, batch: dict[str, Tensor]) -> None:
        step, config = self.standing.step, self.config
        if self.curves is not None and (step % config.log_every == 0 or step in (1, self.n_steps)):
            self.curves.step(step, terms, learning_rate_of(config, epoch, step - 1))
            if step % (50 * config.log_every) == 0:
                self.curves.pictures(step, batch, terms)
        if self._on_progress is not None and self.fabric.is_global_zero:
            loss = self._loss.after(terms.total.item())
            item = f"epoch {epoch + 1} ({stage}) loss {loss:.4f}"
            most = None if self._ends is None else max(0.0, self._ends - time.monotonic())
            self._on_progress(Progress(step, self.n_steps, item=item, most_seconds=most))
        if step % config.checkpoint_every == 0 and step % self.batches.steps_per_epoch:
            self._save()

    def _end_epoch(self, epoch: int, *, last: bool) -> None:
        """Validate and save where it is due, at the latest when the run ends, be it within an epoch."""
        due = (epoch + 1) % self.config.validate_every == 0 or last
        scored = stage_of(self.config, epoch) is not Stage.REBLUR
        if due and scored and self.split.val:
            if self.fabric.is_global_zero:
                found = validate(self.networks, self.val_dataset, self.split.val, self.fabric.device)
                if self.standing.best_psnr is None or found.psnr > self.standing.best_psnr:
                    self.standing = Standing(self.standing.step, self.standing.step, found.psnr, found.blurry_psnr)
                    self._saved = -1  # a checkpoint of this very step does not know yet that it is the best
                if self.curves is not None:
                    self.curves.validation(self.standing.step, found)
            self.standing = self.fabric.broadcast(self.standing)
        if due or self.standing.step % self.config.checkpoint_every == 0:
            self._save()

    def _save(self) -> None:
        if self.standing.step == self._saved:
            return
        self._saved = self.standing.step
        if self.fabric.is_global_zero:
            save_checkpoint(
                self.run,
                self.standing,
                self.networks,
                self.config.spec,
                optimizer=self._adam.state_dict(),
                scaler=None if self._scaler is None else self._scaler.state_dict(),
                keep=self.config.keep,
            )
        self.fabric.barrier()

    def _finish(self) -> None:
        """Write the best network and the seal."""
        if self.fabric.is_global_zero:
            config, standing = self.config, self.standing
            networks = build_networks(config)
            load_weights(checkpoint_folder(self.run, standing.best_step or standing.step), networks)
            save_weights(self.run / "model.safetensors", networks.deblur, config.spec)
            if config.export_program:
                export_program(networks.deblur, config.spec, self.run / "model.pt2")
            best = {"best_step": standing.best_step, "best_psnr": standing.best_psnr}
            best["blurry_psnr"] = standing.blurry_psnr
            write_json(self.run / RESULT_JSON, {"schema": 1, "step": standing.step, **best})
        self.fabric.barrier()

    def report(self, finished: bool) -> TrainReport:
        """Report on the run so far."""
        model = self.run / "model.safetensors" if finished else None
        return TrainReport(
            self.run,
            finished,
            self.standing.step,
            self.n_steps,
            self.standing.best_step,
            self.standing.best_psnr,
            model,
            self.standing.blurry_psnr,
        )

    def close(self) -> None:
        """Flush the curves and end the reading processes."""
        if self.curves is not None:
            self.curves.close()
        self._readers.clear()
