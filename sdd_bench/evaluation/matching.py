"""Which prediction belongs to which pair, and how a prediction is read.

A prediction is called after the blurry picture: its stem is :attr:`sdd_bench.types.Pair.name`. It is a PNG, TIFF or
JPEG, or a float32 ``.npy`` of shape ``(H, W, 3)``, RGB in [0, 1]. A float that leaves [0, 1] is clipped, as writing a
PNG would; one that leaves it by more than 1 is of another scale and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import ImageError, PairingError
from sdd_bench.types import Pair, Problem

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".npy")
_MAX_LISTED = 5


@dataclass(frozen=True)
class Match:
    """A pair and the file that predicts its sharp picture."""

    pair: Pair
    prediction_path: Path


def match_predictions(pairs: Sequence[Pair], folder: Path) -> tuple[list[Match], list[Problem]]:
    """Match the files of ``folder`` to ``pairs`` by name.

    Returns:
        The matches in the order of ``pairs``, and what is missing, extra or there twice.

    Raises:
        PairingError: No such folder, or not one file of it matches.
    """
    if not folder.is_dir():
        raise PairingError(f"{folder}: expected a folder of predictions, found {_what_is(folder)}.")
    candidates: dict[str, list[Path]] = {}
    others: dict[str, list[Path]] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        (candidates if path.suffix.lower() in SUFFIXES else others).setdefault(path.stem, []).append(path)
    matches, problems = [], []
    for pair in pairs:
        found = candidates.pop(pair.name, [])
        if len(found) == 1:
            matches.append(Match(pair, found[0]))
        elif found:
            names = ", ".join(path.name for path in found)
            problems.append(Problem(pair.name, f"several predictions: {names}; keep one."))
        else:
            near = "".join(f"; {path.name} is of no kind that can be read" for path in others.get(pair.name, []))
            problems.append(
                Problem(pair.name, f"no prediction {pair.name}.png, .tiff, .jpg or .npy in {folder}{near}.")
            )
    extra = [path for paths in candidates.values() for path in paths]
    if not matches and not any("several" in problem.reason for problem in problems):
        wanted = ", ".join(pair.name for pair in pairs[:_MAX_LISTED])
        got = ", ".join(path.name for path in extra[:_MAX_LISTED]) or "no pictures"
        raise PairingError(
            f"{folder}: no prediction matches a blurry picture. Expected files called like {wanted}; got {got}. "
            "Name each after its blurry input."
        )
    problems += [Problem(path.name, "extra: no pair of this name in the test split.") for path in extra]
    return matches, problems


def read_prediction(path: Path) -> tuple[NDArray[np.float32], int]:
    """A prediction as ``(H, W, 3)`` float32 RGB in [0, 1], and its bit depth (8, 16, or 32 for ``.npy``).

    Raises:
        ImageError: It cannot be read, is not RGB, holds NaN, or is of another scale than [0, 1].
    """
    if path.suffix.lower() == ".npy":
        return _read_npy(path), 32
    from sdd_bench.images.io import read_photograph, to_float

    photograph = read_photograph(path)
    return to_float(photograph.pixels), photograph.bit_depth


def _read_npy(path: Path) -> NDArray[np.float32]:
    expected = "expected a float32 .npy of shape (H, W, 3), RGB in [0, 1]"
    try:
        with open(path, "rb") as file:
            _check_promise(file, path.stat().st_size)
            file.seek(0)
            values = np.load(file, allow_pickle=False)
    except Exception as error:  # numpy evaluates the header as Python: a damaged one fails in any way
        raise ImageError(f"{path}: cannot be read ({error}); {expected}.") from error
    if values.dtype.kind != "f":
        raise ImageError(f"{path}: {expected}, got {values.dtype}.")
    if values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape:
        raise ImageError(f"{path}: {expected}, got shape {values.shape}.")
    n_bad = int(np.count_nonzero(~np.isfinite(values)))
    if n_bad:
        raise ImageError(f"{path}: {n_bad} values are NaN or infinite; the network diverged or the file is damaged.")
    low, high = float(values.min()), float(values.max())
    if low < -1 or high > 2:
        raise ImageError(f"{path}: {expected}, got values from {low:.6g} to {high:.6g}; rescale it.")
    return np.clip(values, 0, 1).astype(np.float32, copy=False)


def _check_promise(file: BinaryIO, n_bytes: int) -> None:
    """Read the header, so that no array larger than the file is ever made."""
    is_first = np.lib.format.read_magic(file) == (1, 0)
    read_header = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    promised, there = math.prod(shape) * dtype.itemsize, n_bytes - file.tell()
    if promised > there:
        raise ValueError(f"its header promises {promised} bytes, {there} are there")


def _what_is(path: Path) -> str:
    return "a file" if path.exists() else "nothing of this name"
