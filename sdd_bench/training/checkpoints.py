"""Checkpoints of a training run: one folder per checkpoint, complete or absent.

::

    RUN/checkpoints/step-00000500/deblur.safetensors    weights and facts of the deblurring network
    RUN/checkpoints/step-00000500/reblur.safetensors    weights of the reblurring network, if the run has one
    RUN/checkpoints/step-00000500/state.pt              optimizer and progress of the run; loads with weights_only
    RUN/best.json                                       step and score of the best checkpoint

A folder is written as ``NAME.partial`` and renamed when everything in it is on the disk. Only then are older
checkpoints removed; one that goes is renamed before, so that no half of it counts.

After a kill, a resumed run ends with the same weights to the bit, and with a ``state.pt`` that says the same: progress
and every tensor of the optimizer are equal. The bytes of ``state.pt`` may differ, because a pickle depends on which of
its values were one object in memory.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from sdd_bench.core.errors import ManifestError, WeightsError, reason_of
from sdd_bench.core.storage.files import output_errors, sealed, write_json
from sdd_bench.models.convert import save_weights
from sdd_bench.models.spec import ModelSpec
from sdd_bench.training.step import JointNetworks
from sdd_bench.weights.tensors import load_into, load_plain, read_tensors

SCHEMA = 1
FOLDER = "checkpoints"
BEST_JSON = "best.json"
MODEL = "model.safetensors"
"""Network of a finished run."""
DEBLUR = "deblur.safetensors"
"""Deblurring network of a checkpoint."""


@dataclass(frozen=True)
class Standing:
    """Progress of a run."""

    step: int
    """Number of finished steps."""
    best_step: int | None = None
    """Step of the best checkpoint; None before the first validation."""
    best_psnr: float | None = None
    """PSNR of the held-out patches at that step, in dB."""
    blurry_psnr: float | None = None
    """PSNR of the same patches before deblurring, in dB."""


def save_checkpoint(
    run: Path,
    standing: Standing,
    networks: JointNetworks,
    spec: ModelSpec,
    *,
    optimizer: dict[str, Any],
    scaler: dict[str, Any] | None = None,
    keep: int = 3,
) -> Path:
    """Write a checkpoint, then remove those that are neither the best nor among the last ``keep``.

    Raises:
        OutputError: The disk is full, or the folder cannot be written; earlier checkpoints stay.
    """
    folder = run / FOLDER / f"step-{standing.step:08d}"
    partial = folder.with_name(folder.name + ".partial")
    with output_errors(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            save_weights(partial / DEBLUR, networks.deblur, spec)
            if networks.reblur is not None:
                with sealed(partial / "reblur.safetensors") as file:
                    file.write_bytes(save(_plain(networks.reblur)))
            state = {"schema": SCHEMA, **vars(standing), "optimizer": optimizer, "scaler": scaler}
            with sealed(partial / "state.pt") as file:
                _save_state(state, file)
            if folder.exists():
                _remove(folder)
            os.replace(partial, folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    tidy(run, standing, keep)
    return folder


def tidy(run: Path, standing: Standing, keep: int) -> None:
    """Finish what follows a checkpoint: name the best in ``best.json``, remove older ones and what a kill left.

    Args:
        run: Folder of the run.
        standing: Progress at the last checkpoint.
        keep: Number of last checkpoints that stay, beside the best.

    Raises:
        OutputError: The folder cannot be written.
    """
    if standing.best_step is not None:
        write_json(run / BEST_JSON, {"step": standing.best_step, "psnr": standing.best_psnr})
    with output_errors(run / FOLDER):
        for step in checkpoint_steps(run)[:-keep]:
            if step != standing.best_step:
                _remove(checkpoint_folder(run, step))
        for left in (run / FOLDER).glob("*.partial"):
            shutil.rmtree(left, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Remove a checkpoint; it is renamed first, so that a kill leaves no half of one under its name."""
    leaving = folder.with_name(f"{folder.name}.old.partial")
    shutil.rmtree(leaving, ignore_errors=True)
    os.replace(folder, leaving)
    shutil.rmtree(leaving)


def _save_state(state: dict[str, Any], file: Path) -> None:
    """Save through memory, so that a full disk is an OSError; torch.save itself raises a RuntimeError of its writer."""
    import io

    buffer = io.BytesIO()
    torch.save(state, buffer)
    file.write_bytes(buffer.getbuffer())


def _plain(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the tensors, because safetensors takes none that share memory (tied weights)."""
    return {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}


def checkpoint_folder(run: Path, step: int) -> Path:
    """Folder of the checkpoint of a step.

    Example:
        >>> checkpoint_folder(Path("run"), 500).as_posix()
        'run/checkpoints/step-00000500'
    """
    return run / FOLDER / f"step-{step:08d}"


def checkpoint_steps(run: Path) -> list[int]:
    """Steps that have a complete checkpoint, ascending.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as run:
        ...     checkpoint_folder(Path(run), 500).mkdir(parents=True)
        ...     checkpoint_steps(Path(run))
        [500]
    """
    names = [path.name for path in (run / FOLDER).glob("step-*")]
    return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"step-(\d+)", name)))


def weights_of(run: Path) -> tuple[Path, int | None]:
    """File of the deblurring network of a run, or of a checkpoint's folder.

    Returns:
        The file; and the step of the checkpoint where the run is not finished, else None.

    Raises:
        WeightsError: The folder holds no weights.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as run:
        ...     checkpoint_folder(Path(run), 500).mkdir(parents=True)
        ...     file, step = weights_of(Path(run))
        >>> file.name, step
        ('deblur.safetensors', 500)
    """
    if (run / MODEL).is_file():
        return run / MODEL, None
    if (run / DEBLUR).is_file():
        return run / DEBLUR, None
    if steps := checkpoint_steps(run):
        return checkpoint_folder(run, steps[-1]) / DEBLUR, steps[-1]
    raise WeightsError(
        f"{run}: holds no {MODEL} and no checkpoint; expected a run of train-jdrl, or a file of weights."
    )


def load_checkpoint(folder: Path, networks: JointNetworks) -> tuple[Standing, dict[str, Any], dict[str, Any] | None]:
    """Load the weights of a checkpoint into ``networks``.

    Returns:
        Progress of the run, state of the optimizer, and state of the gradient scaler (None without one).

    Raises:
        ManifestError: ``state.pt`` is missing, damaged or of another kind.
        WeightsError: Weights are missing, damaged or of other networks.
    """
    state = read_state(folder)
    load_weights(folder, networks)
    return state


def read_state(folder: Path) -> tuple[Standing, dict[str, Any], dict[str, Any] | None]:
    """Progress of the run, state of the optimizer, and state of the gradient scaler (None without one).

    Raises:
        ManifestError: ``state.pt`` is missing, damaged or of another kind.
    """
    path = folder / "state.pt"
    try:
        state = load_plain(path)
        standing = Standing(state["step"], state["best_step"], state["best_psnr"], state.get("blurry_psnr"))
        optimizer, scaler = state["optimizer"], state["scaler"]
    except (WeightsError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{path}: no state of a training run ({reason_of(error)}). Remove {folder} to go on from the one before."
        ) from error
    return standing, optimizer, scaler


def load_weights(folder: Path, networks: JointNetworks) -> None:
    """Load the weights in a checkpoint's folder into ``networks``.

    Raises:
        WeightsError: Weights are missing, damaged or of other networks.
    """
    for name, network in (("deblur", networks.deblur), ("reblur", networks.reblur)):
        if network is not None:
            file = folder / f"{name}.safetensors"
            load_into(network, read_tensors(file), file)
