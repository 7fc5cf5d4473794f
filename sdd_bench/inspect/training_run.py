"""Inspection of a training run and its checkpoints: what they hold, and whether they are complete and consistent.

Weights and states are read as data. A network that is a user's own code is never imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from sdd_bench.core.errors import ManifestError, SddBenchError
from sdd_bench.core.storage.documents import COUNT, read_json
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import Problem
from sdd_bench.inspect.kinds import OPTIONS_JSON
from sdd_bench.inspect.program import check_program
from sdd_bench.models.program import PROGRAM_SUFFIX
from sdd_bench.training.checkpoints import BEST_JSON, DEBLUR, MODEL, checkpoint_folder, checkpoint_steps, read_state
from sdd_bench.training.trainer import RESULT_JSON
from sdd_bench.weights.tensors import read_tensors

_REBLUR = "reblur.safetensors"
_STEP, _PSNR = (None, COUNT), (None, float, str)
_SHAPES = {
    OPTIONS_JSON: dict,
    BEST_JSON: {"step?": _STEP, "psnr?": _PSNR},
    RESULT_JSON: {"step?": _STEP, "best_step?": _STEP, "best_psnr?": _PSNR},
}
Report = Callable[[str], None]


def describe_training(run: Path) -> dict[str, Any]:
    """Progress and options of a run, the digest of its data, and that of its network once it is finished.

    Raises:
        ManifestError: ``options.json`` or ``result.json`` is missing or damaged.
    """
    options = _read_json(run / OPTIONS_JSON)
    if not isinstance(options.get("config"), dict):
        raise ManifestError(f"{run / OPTIONS_JSON}: not the options of a training run; expected an entry config.")
    steps = checkpoint_steps(run)
    finished = (run / RESULT_JSON).is_file()
    standing = _read_json(run / RESULT_JSON) if finished else {"step": steps[-1] if steps else 0}
    if not finished and (run / BEST_JSON).is_file():
        best = _read_json(run / BEST_JSON)
        standing |= {"best_step": best.get("step"), "best_psnr": best.get("psnr")}
    config = dict(options["config"])
    model = run / MODEL
    return {
        "finished": finished,
        "step": standing.get("step"),
        "best_step": standing.get("best_step"),
        "best_psnr": standing.get("best_psnr"),
        "checkpoints": steps,
        "data_sha256": options.get("data_sha256"),
        "flow_signature": config.pop("flow_signature", ""),
        "model_sha256": sha256_of(model) if model.is_file() else None,
        "options": {key: value for key, value in config.items() if value is not None},
    }


def describe_checkpoint(folder: Path) -> dict[str, Any]:
    """Progress of the run at a checkpoint, and the checkpoint's networks.

    Raises:
        ManifestError: ``state.pt`` is damaged.
        WeightsError: Weights are missing or damaged.
    """
    standing, _, scaler = read_state(folder)
    networks = {}
    for path in (folder / DEBLUR, folder / _REBLUR):
        if path.name == DEBLUR or path.is_file():
            tensors = read_tensors(path)
            n_numbers = sum(tensor.numel() for tensor in tensors.values())
            networks[path.stem] = {"sha256": sha256_of(path), "n_tensors": len(tensors), "n_numbers": n_numbers}
    return {**vars(standing), "mixed_precision": scaler is not None, "networks": networks}


def check_training(run: Path) -> tuple[int, list[Problem]]:
    """Number of checked files, and their problems.

    Problems are unreadable checkpoints, and a seal or a network that does not agree with the checkpoints.
    """
    names = [OPTIONS_JSON, *(name for name in (BEST_JSON, RESULT_JSON) if (run / name).exists())]
    read: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for name in names:
        try:
            read[name] = _read_json(run / name)
        except ManifestError as error:
            problems.append(_problem(run / name, error))
    config = read.get(OPTIONS_JSON, {}).get("config")
    if not isinstance(config, dict):
        problems = problems or [Problem(str(run / OPTIONS_JSON), "holds no options of a training run (config)")]
    if problems or not isinstance(config, dict):
        return len(names), problems
    n_files = len(names)
    has_reblur = not (config.get("vanilla") or config.get("no_reblur"))
    steps = checkpoint_steps(run)
    for step in steps:
        n_checked, found = check_checkpoint(checkpoint_folder(run, step), has_reblur=has_reblur, step=step)
        n_files, problems = n_files + n_checked, problems + found
    if not (run / RESULT_JSON).is_file():
        where = f"its last checkpoint is of step {steps[-1]}" if steps else "it has no checkpoint yet"
        problems.append(Problem(str(run), f"is not finished ({where}); go on with train-jdrl --resume"))
        return n_files, problems
    n_checked, found = _check_result(run, steps)
    return n_files + n_checked, problems + found


def check_checkpoint(
    folder: Path, *, has_reblur: bool | None = None, step: int | None = None
) -> tuple[int, list[Problem]]:
    """Number of checked files of a checkpoint, and their problems.

    Args:
        folder: Folder of the checkpoint.
        has_reblur: Whether the checkpoint must have a reblurring network; None checks it only if it exists.
        step: Step that the checkpoint must have; None for any.
    """
    problems: list[Problem] = []
    try:
        standing, _, _ = read_state(folder)
        if step is not None and standing.step != step:
            problems.append(Problem(str(folder / "state.pt"), f"is of step {standing.step}, its folder of step {step}"))
    except ManifestError as error:
        problems.append(_problem(folder / "state.pt", error))
    names = [DEBLUR]
    if has_reblur or (has_reblur is None and (folder / _REBLUR).is_file()):
        names.append(_REBLUR)
    for name in names:
        problems += check_tensors(folder / name)
    return 1 + len(names), problems


def check_tensors(path: Path) -> Iterator[Problem]:
    """Problems of a file of weights: it cannot be read, or holds numbers that are not finite."""
    try:
        tensors = read_tensors(path)
    except SddBenchError as error:
        yield _problem(path, error)
        return
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            yield Problem(str(path), f"its tensor {name} holds NaN or infinite numbers")


def _check_result(run: Path, steps: list[int]) -> tuple[int, list[Problem]]:
    """Check the seal against the checkpoints, the best one, and the network that was written."""
    path, problems = run / RESULT_JSON, []
    result = _read_json(path)
    step, best_step = result.get("step"), result.get("best_step")
    last = steps[-1] if steps else None
    if step != last:
        problems.append(Problem(str(path), f"says step {step}, but the last checkpoint is of step {last}"))
    told = (best_step, result.get("best_psnr"))
    best = _read_json(run / BEST_JSON) if (run / BEST_JSON).is_file() else {}
    if told != (best.get("step"), best.get("psnr")):
        kept = (best.get("step"), best.get("psnr"))
        problems.append(Problem(str(path), f"says {told} is the best step and its PSNR, but {BEST_JSON} says {kept}"))
    chosen = step if best_step is None else best_step
    if chosen not in steps:
        problems.append(Problem(str(path), f"says step {chosen} is the best, but there is no such checkpoint"))
    else:
        problems += _check_model(run / MODEL, checkpoint_folder(run, chosen) / DEBLUR)
    program = run / f"model{PROGRAM_SUFFIX}"
    if program.is_file():
        problems += check_program(program)
    return 1 + program.is_file(), problems


def _check_model(model: Path, checkpoint: Path) -> Iterator[Problem]:
    """Check that the network of a finished run is that of its best checkpoint."""
    if broken := list(check_tensors(model)):
        yield from broken
        return
    try:
        ours, theirs = read_tensors(model), read_tensors(checkpoint)
    except SddBenchError:
        return  # an unreadable checkpoint is reported by its own check
    if ours.keys() != theirs.keys() or not all(torch.equal(ours[name], theirs[name]) for name in ours):
        yield Problem(str(model), f"is not the network of the best checkpoint, {checkpoint.parent.name}")


def _read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = read_json(path, _SHAPES[path.name], ManifestError, "Train again, or restore it.")
    return values


def _problem(path: Path, error: Exception) -> Problem:
    return Problem(str(path), str(error).removeprefix(f"{path}: "))
