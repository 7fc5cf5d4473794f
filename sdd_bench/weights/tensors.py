"""Tensors of safetensors and torch files, read as data (no code of the file is run) and copied into a network."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from sdd_bench.core.errors import WeightsError, reason_of

NUMBERS = {"One": 1, "Two": 2, "Thr": 3, "Fou": 4, "Fiv": 5, "Six": 6}
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which common training code stores the tensors in a checkpoint."""


@contextmanager
def open_safetensors(path: Path) -> Iterator[Any]:
    """The safetensors file at ``path``, open to read: names, shapes, metadata and tensors (``safetensors.safe_open``).

    Raises:
        WeightsError: The file is missing or damaged. A damage may show only when a tensor is read.

    Example:
        >>> from sdd_bench.weights import path
        >>> with open_safetensors(path("pwcnet")) as file:
        ...     file.get_tensor(sorted(file.keys())[0]).dtype
        torch.float16
    """
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except Exception as error:  # whatever a damaged file leads the reader to
        raise WeightsError(
            f"{path}: missing, damaged, or not safetensors ({reason_of(error)}). Download or copy it again."
        ) from error


def load_plain(path: Path) -> Any:
    """Content of a file of ``torch.save``: tensors and plain values, on the CPU. No code of the file is run.

    Raises:
        WeightsError: The file is missing, damaged, or holds anything else.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     torch.save({"step": 3}, Path(folder) / "state.pt")
        ...     load_plain(Path(folder) / "state.pt")
        {'step': 3}
    """
    try:
        _refuse_bomb(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file leads the reader to
        foreign = isinstance(error, UnpicklingError)  # torch's own text begins with its history
        got = "another file, or one with objects of a program" if foreign else reason_of(error)
        raise WeightsError(
            f"{path}: expected a checkpoint of tensors and plain values (a torch file that loads with "
            f"weights_only=True), got {got}. Download or copy it again, or convert it to safetensors."
        ) from error


def _refuse_bomb(path: Path) -> None:
    """Check that an archive holds its records as they are, as ``torch.save`` does: a small one unpacks to any size."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            packed = [record.filename for record in archive.infolist() if record.file_size > record.compress_size]
        if packed:
            raise ValueError(f"compressed records ({packed[0]}), which torch.save does not write")


def read_tensors(path: Path, *, wrappers: Sequence[str] = WRAPPERS) -> dict[str, Tensor]:
    """Named tensors of a ``.safetensors`` file or of a torch checkpoint, without the ``module.`` of parallel training.

    Args:
        path: Path of the file.
        wrappers: Keys under which a torch checkpoint may hold the tensors, besides other entries.

    Raises:
        WeightsError: The file is missing, truncated, not a checkpoint, or holds anything but tensors.

    Example:
        >>> from sdd_bench.weights import path
        >>> {str(tensor.dtype) for tensor in read_tensors(path("pwcnet")).values()}
        {'torch.float16'}
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
    """Copy ``tensors`` into ``network``. Names, shapes and kinds of numbers must agree, and every number be finite.

    Args:
        network: Network to fill.
        tensors: Tensors by their names in the network.
        path: File of the tensors, named in errors.

    Raises:
        WeightsError: A tensor is missing, unknown, of another shape or kind, or not finite; the message names it.

    Example:
        >>> network = nn.Linear(2, 1)
        >>> load_into(network, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, Path("line.safetensors"))
        >>> network(torch.tensor([2.0, 3.0])).item()
        5.0
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
    """First three of ``names``, and the number of the others."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "none"


def _describe(values: object) -> str:
    if isinstance(values, Mapping):
        return f"a dictionary with {some_of([str(key) for key in values])}"
    return type(values).__name__
