r"""Resampling of paired scores: bootstrap means, BCa intervals, sign flips; all methods at once.

The unit that is drawn or flipped is the scene (all its pictures together) where scenes are named, else the picture.
Everything is a matrix product of (resamples, units) with (units, methods or pairs), in pieces of bounded size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def clusters_of(scenes: Sequence[str] | None, finite: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The number of the scene of each finite value."""
    count = int(np.count_nonzero(finite))
    if scenes is None:
        return np.arange(count)
    names = [
        ("scene", scene) if scene else ("picture", str(index)) for index, scene in enumerate(scenes) if finite[index]
    ]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.intp)


N_RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 2023

VALUES_AT_ONCE = 4_000_000
"""Numbers drawn at once: bounds the memory at any number of methods."""

Array = NDArray[np.float64]


def units_of(scenes: Sequence[str] | None, n_images: int) -> NDArray[np.intp]:
    """The number of the unit each picture belongs to: its scene where named, else itself."""
    names = [("scene", scene) if scene else ("picture", i) for i, scene in enumerate(scenes or [""] * n_images)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.intp)


def by_unit(values: Array, units: NDArray[np.intp] | None) -> tuple[Array, Array]:
    """Sums of ``values`` (rows, pictures) over the pictures of each unit, and the number of its pictures."""
    if units is None or len(np.unique(units)) == values.shape[1]:
        return values, np.ones(values.shape[1])
    counts = np.bincount(units).astype(np.float64)
    belongs = np.zeros((values.shape[1], len(counts)))
    belongs[np.arange(values.shape[1]), units] = 1.0
    return values @ belongs, counts
