"""Tensors from files as data: safetensors and torch files, nothing executed, fitted to a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from sdd_bench.core.errors import WeightsError, reason_of

NUMBERS = {"One": 1, "Two": 2, "Thr": 3, "Fou": 4, "Fiv": 5, "Six": 6}
WRAPPERS = ("state_dict", "model_state_dict", "model")


@contextmanager
def open_safetensors(path: Path) -> Iterator[Any]:
    """The safetensors file at ``path``, open to read: names, shapes, metadata and tensors (``safetensors.safe_open``).

    Raises:
        WeightsError: It is missing or damaged, be that found when it is opened or when a tensor is read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except Exception as error:  # whatever a damaged file leads the reader to
        raise WeightsError(
            f"{path}: missing, damaged, or not safetensors ({reason_of(error)}). Download or copy it again."
        ) from error


def load_plain(path: Path) -> Any:
    """What a file of ``torch.save`` holds: tensors and plain values, on the CPU; no code of the file is run.

    Raises:
        WeightsError: The file is missing, damaged, or holds anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file leads the reader to
        raise WeightsError(
            f"{path}: expected a checkpoint of tensors and plain values (a torch file that loads with "
            f"weights_only=True), got: {reason_of(error)}. Download or copy it again, or convert it to safetensors."
        ) from error


def read_tensors(path: Path, *, wrappers: Sequence[str] = WRAPPERS) -> dict[str, Tensor]:
    """Named tensors of a ``.safetensors`` file or of a torch checkpoint, without the ``module.`` of parallel training.

    Args:
        path: The file.
        wrappers: Keys under which a torch checkpoint may hold the tensors, beside other things.

    Raises:
        WeightsError: The file is missing, truncated, not a checkpoint, or holds anything but tensors.
    """
    if path.suffix == ".safetensors":
        with open_safetensors(path) as file:
            values: Any = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    else:
        values = load_plain(path)
    for name in wrappers:
        if isinstance(values, Mapping) and isinstance(values.get(name), Mapping):
            values = values[name]
    if not isinstance(values, Mapping) or not values or not all(isinstance(v, Tensor) for v in values.values()):
        raise WeightsError(f"{path}: expected a dictionary of tensors, got {_describe(values)}.")
    return {str(key).removeprefix("module."): value for key, value in values.items()}


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Fill ``network``, all names, shapes and kinds of numbers equal, every number finite.

    Raises:
        WeightsError: Names which tensors are missing, unknown, of another shape or kind, or not finite.
    """
    expected = network.state_dict()
    missing = sorted(set(expected) - set(tensors))
    unknown = sorted(set(tensors) - set(expected))
    if missing or unknown:
        raise WeightsError(
            f"{path}: expected the {len(expected)} tensors of {type(network).__name__}, got {len(tensors)}; "
            f"missing: {some_of(missing)}; unknown: {some_of(unknown)}. Is it a checkpoint of another network?"
        )
    for name, own in expected.items():
        value = tensors[name]
        if value.shape != own.shape:
            raise WeightsError(f"{path}: {name}: expected shape {tuple(own.shape)}, got {tuple(value.shape)}.")
        if _kind(value) != _kind(own):
            raise WeightsError(
                f"{path}: {name}: expected {_kind(own)} numbers, got {_kind(value)} ones; the file is damaged, or of "
                "another network."
            )
        if value.is_floating_point() and not bool(value.to(own.dtype).isfinite().all()):
            raise WeightsError(f"{path}: {name}: expected finite numbers; the file is damaged.")
    network.load_state_dict(tensors)


def _kind(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        return "floating-point"
    return "complex" if tensor.is_complex() else "boolean" if tensor.dtype == torch.bool else "integer"


def some_of(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "none"


def _describe(values: object) -> str:
    if isinstance(values, Mapping):
        return f"a dictionary with {some_of([str(key) for key in values])}"
    return type(values).__name__
