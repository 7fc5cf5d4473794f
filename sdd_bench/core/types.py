"""The data types that the parts of sdd-bench pass to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdd_bench.core.errors import brief

AnyPath = Path | str
"""What a public function takes for a file or a folder."""


class Split(StrEnum):
    """The part of a dataset that a pair belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class GroundTruth(StrEnum):
    """The picture that a prediction is scored against.

    ``raw``: the sharp picture as captured. ``warped``: the sharp picture warped to this prediction (the paper,
    Table 1). ``registered``: the sharp picture warped once to the blurry input, so every method has the same target.
    ``matched``: the registered picture brought to the light of the blurry input, likewise the same for every method.
    """

    RAW = "raw"
    WARPED = "warped"
    REGISTERED = "registered"
    MATCHED = "matched"


class WarpMode(StrEnum):
    """Sampling grid of a warp.

    ``exact``: zero flow is the identity. ``released``: the grid of the authors' code, which is half a pixel off.
    """

    EXACT = "exact"
    RELEASED = "released"


class Interpolation(StrEnum):
    """What lies between pixels when a picture is warped.

    ``linear``: the paper's; halfway between two pixels it is their mean, which smooths. ``lanczos``: from six pixels a
    row, which hardly smooths and overshoots at edges.
    """

    LINEAR = "linear"
    LANCZOS = "lanczos"


@dataclass(frozen=True)
class Pair:
    """One blurry and one sharp photograph of one scene.

    Predictions are matched to pairs by ``name``. It is the stem of the blurry file if that is unique within its split,
    else the file's path below the root, without suffix and with ``__`` in place of ``/``.

    Example:
        >>> Pair("0001", Split.TEST, Path("test/blur/0001.png"), Path("test/gt/0001.png")).pair_id
        'test/0001'
    """

    name: str
    split: Split
    blurry_path: Path
    sharp_path: Path
    scene: str = ""
    group: str = ""
    aligned_path: Path | None = None
    """The aligned sharp picture; None if the truth is not known (it is known in synthetic sets)."""
    truth_path: Path | None = None
    """JSON file with the true zoom, shift, rotation, exposure and blur; None if they are not known."""
    f_number: float | None = None
    """F-number of the blurry picture, where the layout says it."""

    @property
    def pair_id(self) -> str:
        """``split/name``, which is unique within a dataset."""
        return f"{self.split}/{self.name}"

    @property
    def coc_path(self) -> Path | None:
        """Map of the true circles of confusion of the blurry picture, ``(H, W)`` float32, diameters in pixels.

        It lies beside ``truth_path``. ``synth --truth full`` writes it; None if the set has none.
        """
        path = self.truth_path and self.truth_path.with_name(f"{self.truth_path.stem}_coc.tiff")
        return path if path is not None and path.is_file() else None


@dataclass(frozen=True)
class Problem:
    """An item that was left out or failed, and why."""

    item: str
    reason: str
    """Its lines are cut where they are long (:func:`~sdd_bench.core.errors.brief`)."""
    split: str = ""
    """Split that the item belongs to; empty: none, or it cannot be known."""
    pair: str = ""
    """Name of the pair that the split lacks because of the problem; empty: none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", brief(self.reason))


@dataclass(frozen=True)
class Window:
    """Position and size of a patch, in pixels of the resized picture."""

    y: int
    x: int
    height: int
    width: int


@dataclass(frozen=True)
class Progress:
    """How much of a long call is done. An ``on_progress`` callback gets it after every finished item."""

    done: int
    total: int
    n_bytes: int = 0
    item: str = ""
    most_seconds: float | None = None
    """Seconds after which the call ends, whatever is left; None: it ends with the last item."""


OnProgress = Callable[[Progress], None]
