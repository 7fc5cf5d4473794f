"""A training run from its folder to its report, in one process or several. A killed run can be resumed exactly."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from sdd_bench.core.errors import ConfigError, OutputError, reason_of
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import write_json, write_text
from sdd_bench.core.types import AnyPath, OnProgress
from sdd_bench.training.checkpoints import FOLDER as CHECKPOINTS
from sdd_bench.training.config import TrainConfig, to_toml
from sdd_bench.training.data.light import LIGHT_JSON
from sdd_bench.training.data.split import data_digest
from sdd_bench.training.page import write_training_page
from sdd_bench.training.report import TrainReport
from sdd_bench.training.trainer import Stop, Trainer

OPTIONS_JSON = "options.json"
CONFIG_TOML = "config.toml"
_DATA = "data"
"""Key of the options that says where the data were; another place of the same data is no other run."""
_PATIENCE = timedelta(days=2)
"""Time that processes wait for the first one, which estimates the flow of the whole set and validates."""


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Let SIGTERM and SIGINT ask the loop to save and leave; a second signal leaves at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: Any) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def without_subnormals() -> Iterator[None]:
    """Set subnormal numbers to zero, in this thread and in those that torch starts meanwhile.

    Gradients near zero become subnormal, which makes a CPU many times slower.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def train(
    data: AnyPath,
    run: AnyPath,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    on_progress: OnProgress | None = None,
    on_say: Callable[[str], None] | None = None,
) -> TrainReport:
    """Train on the patches of ``data``, or resume the run in the folder ``run``.

    Under torchrun every process calls this function.

    Args:
        data: Prepared set or shard.
        run: Folder of the run, new or empty unless ``resume``.
        config: Options; None for those of the paper.
        resume: Whether to go on from the last checkpoint, or from the start if the run has none yet.
        on_progress: Function that is called after every step.
        on_say: Function that takes a line on how long the run will take, before its first step.

    Raises:
        ConfigError: Options exclude each other or do not fit the set, or ``run`` was begun with others.
        OutputError: ``run`` holds something else, or cannot be written.
        TrainingError: The loss is not finite; the batch is saved in the run.
        ShardError: The patches or their flow are damaged.

    Example:
        >>> import tempfile
        >>> from sdd_bench import prepare, synthesize
        >>> from sdd_bench.preparation.options import PrepareOptions
        >>> from sdd_bench.synth.options import SynthOptions
        >>> config = TrainConfig(vanilla=True, model="unet-small", width=8, crop=32, batch=1, epochs=1, val_share=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     captures, prepared = Path(folder, "captures"), Path(folder, "set")
        ...     made = synthesize(captures, SynthOptions(width=96, height=64, n_train=1, n_test=1))
        ...     _ = prepare(captures, prepared, PrepareOptions(resize="none", patch=64, overlap=0, drop=0))
        ...     report = train(prepared, Path(folder, "run"), config)
        ...     report.finished, report.n_steps, report.model.name
        (True, 2, 'model.safetensors')
    """
    data, run = Path(data), Path(run)
    config = config or TrainConfig()
    fabric = make_fabric(config)
    with without_subnormals(), stop_signals() as stopping:
        training = Trainer(data, run, config, fabric, stopping, on_progress, on_say)
        with alone_in(run) if fabric.is_global_zero else nullcontext():
            if fabric.is_global_zero:
                signatures = {"flow_signature": training.flow_signature}
                if training.loss_signature:
                    signatures["loss_signature"] = training.loss_signature
                _claim(run, data, config, signatures, resume=resume)
            fabric.barrier()
            try:
                finished = training.prepare() and training.loop()
            finally:
                training.close()
            report = training.report(finished)
            if fabric.is_global_zero:
                report = dataclasses.replace(report, page=write_training_page(report))
    return report


def begun(run: Path) -> tuple[Path, Path] | None:
    """The data and the file of options of the run in a folder; None if the folder holds no run.

    Raises:
        OutputError: The folder holds a run whose options do not say what data it is of.

    Example:
        >>> begun(Path("no/such/run")) is None
        True
    """
    if not (run / OPTIONS_JSON).is_file() or not (run / CONFIG_TOML).is_file():
        return None
    next_step = f"It must say what data the run is of. Name the data: train-jdrl DATA -o {run} --resume."
    data = Path(read_json(run / OPTIONS_JSON, {_DATA: str}, OutputError, next_step)[_DATA])
    return data, run / CONFIG_TOML


def _claim(run: Path, data: Path, config: TrainConfig, signatures: dict[str, str], *, resume: bool) -> None:
    """Claim the folder for this run, or check that it is claimed for it, and write ``config.toml``.

    A run that ended before it saved anything, as by a wrong ``init``, keeps its folder from no other.
    """
    has_work = (run / CHECKPOINTS).is_dir() or (run / LIGHT_JSON).is_file()
    if has_work and (run / OPTIONS_JSON).is_file() and not resume:
        raise OutputError(f"{run}: holds a run. Go on with --resume, or choose another output folder.")
    options = config.training() | signatures
    ours = {"schema": 1, "data_sha256": data_digest(data), "config": options}
    known = begin(
        run,
        OPTIONS_JSON,
        ours,
        what="a run",
        digests={"data_sha256": "the data are others"},
        aside=[_DATA],
        afresh=not has_work,
    )
    write_json(run / OPTIONS_JSON, {key: known[key] for key in known if key != _DATA} | {_DATA: str(data.absolute())})
    write_text(run / CONFIG_TOML, to_toml(config))


def make_fabric(config: TrainConfig) -> Fabric:
    """Devices and precision of a run; data-parallel if torchrun started several processes."""
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    precision: Any = {"32": "32-true"}.get(config.precision, config.precision)
    kind, _, number = config.accelerator.partition(":")
    try:
        if world == 1:
            fabric = Fabric(accelerator=kind, devices=[int(number)] if number else 1, precision=precision)
        else:
            # Some stages do not use the reblurring network.
            strategy = DDPStrategy(find_unused_parameters=config.has_reblur, timeout=_PATIENCE)
            nodes = max(1, world // local)
            fabric = Fabric(accelerator=kind, devices=local, num_nodes=nodes, strategy=strategy, precision=precision)
    except Exception as error:  # each accelerator has errors of its own for what is not installed
        why = reason_of(error).rstrip(".")
        raise ConfigError(f"accelerator {config.accelerator}, precision {config.precision}: {why}.") from error
    fabric.launch()
    return fabric
