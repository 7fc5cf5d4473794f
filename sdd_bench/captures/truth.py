"""The known truth of a synthetic pair, as ``synth`` writes it in JSON beside its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage.documents import read_json
from sdd_bench.geometry.similarity import Similarity

_SIDE = range(1, 2**20)
_NEXT_STEP = "Make the set again, or remove the file."
_MOST = {"zoom": (1e-2, 1e2), "rotation_deg": (-360.0, 360.0), "shift_x_px": (-1e6, 1e6), "shift_y_px": (-1e6, 1e6)}
"""Lowest and highest value; what is beyond is no truth of a pair of photographs."""
_DIAMETER_PX = (0.0, 1e6)
_SHAPE = {
    "width": _SIDE,
    "height": _SIDE,
    **dict.fromkeys(_MOST, float),
    "coc_diameter_px?": (None, {"mean": float}),
}


@dataclass(frozen=True)
class KnownTruth:
    """How blurry and sharp lie to each other, by the set."""

    width: int
    """Of the picture that the numbers are of, pixels."""
    height: int
    similarity: Similarity
    coc_diameter_px: float | None
    """Mean diameter of the circles of confusion; None: not known."""


def read_known_truth(path: Path) -> KnownTruth:
    """Read the truth of a pair.

    Raises:
        ManifestError: The file is missing, damaged, or holds what no pair has.

    Example:
        >>> import json, tempfile
        >>> values = {"width": 96, "height": 64, "zoom": 1.03, "rotation_deg": 0, "shift_x_px": 5, "shift_y_px": -3}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "0001.json").write_text(json.dumps(values))
        ...     read_known_truth(Path(folder, "0001.json")).similarity.zoom
        1.03
    """
    values = read_json(path, _SHAPE, ManifestError, _NEXT_STEP)
    blur = values.get("coc_diameter_px")
    checked = [(name, values[name], *bounds) for name, bounds in _MOST.items()]
    checked += [] if blur is None else [("coc_diameter_px.mean", blur["mean"], *_DIAMETER_PX)]
    for name, value, least, most in checked:
        if not least <= value <= most:
            raise ManifestError(f"{path}: {name} is {value}; expected {least:g} to {most:g}. {_NEXT_STEP}")
    similarity = Similarity(*(float(values[name]) for name in _MOST))
    return KnownTruth(values["width"], values["height"], similarity, None if blur is None else float(blur["mean"]))
