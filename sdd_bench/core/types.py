"""The named things that travel between parts of sdd-bench."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Split(StrEnum):
    """The part of a dataset a pair belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class GroundTruth(StrEnum):
    """What a prediction is scored against.

    ``raw``: sharp as captured. ``warped``: sharp warped to this prediction (the paper, Table 1).
    ``registered``: sharp warped once to the blurry input, the same target for every method.
    """

    RAW = "raw"
    WARPED = "warped"
    REGISTERED = "registered"


class WarpMode(StrEnum):
    """``exact``: zero flow is the identity. ``released``: the authors' half-pixel-off sampling grid."""

    EXACT = "exact"
    RELEASED = "released"


@dataclass(frozen=True)
class Pair:
    """One blurry and one sharp photograph of one scene.

    ``name`` is what predictions are matched by: the stem of the blurry file where that is unique within
    its split, else its path below the root with ``/`` as ``__``.
    """

    name: str
    split: Split
    blurry_path: Path
    sharp_path: Path
    scene: str = ""
    group: str = ""
    aligned_path: Path | None = None
    """The aligned sharp picture, where truth is known (synthetic sets)."""
    truth_path: Path | None = None
    """JSON with the true zoom, shift, rotation, exposure and blur, where known."""

    @property
    def pair_id(self) -> str:
        """Unique within a dataset: ``split/name``."""
        return f"{self.split}/{self.name}"


@dataclass(frozen=True)
class Problem:
    """An item that was left out or failed, and why."""

    item: str
    reason: str
    split: str = ""
    """Of a dataset, that it belongs to; empty: none, or it cannot be known."""
    pair: str = ""
    """Name of the pair that the split lacks because of it; empty: none."""


@dataclass(frozen=True)
class Window:
    """Where a patch lies, in pixels of the resized picture."""

    y: int
    x: int
    height: int
    width: int


@dataclass(frozen=True)
class Progress:
    """How far a long call is: passed to an ``on_progress`` callback after every finished item."""

    done: int
    total: int
    n_bytes: int = 0
    item: str = ""


OnProgress = Callable[[Progress], None]
