"""Known truth of a synthetic pair, as far as scores need it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.core.errors import ManifestError, reason_of
from sdd_bench.core.storage.json_files import read_json
from sdd_bench.geometry.similarity import Similarity


@dataclass(frozen=True)
class Truth:
    """What a synthetic set knows of a pair, in pixels of the scored picture."""

    misalignment_px: float
    coc_diameter_px: float | None


def read_truth(path: Path, *, width: int, height: int) -> Truth:
    """The true misalignment (RMS over the picture) and blur of a pair, scaled to a picture of ``width x height``.

    Raises:
        ManifestError: The file is damaged or lacks a key.
    """
    try:
        values = read_json(path)
        across, down = width / float(values["width"]), height / float(values["height"])
        names = ("zoom", "rotation_deg", "shift_x_px", "shift_y_px")
        similarity = Similarity(*(float(values[name]) for name in names))
        coc = values.get("coc_diameter_px")
        diameter = None if coc is None else float(coc["mean"]) * math.sqrt(across * down)
        moved_px = _displacement_rms(similarity, width, height, across, down)
        if not all(math.isfinite(value) for value in (moved_px, diameter or 0.0)):
            raise ValueError("numbers of no picture")
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise ManifestError(
            f"{path}: expected JSON with width, height, zoom, rotation_deg, shift_x_px and shift_y_px, got "
            f"{reason_of(error)}. Make the set again, or remove the file."
        ) from error
    return Truth(moved_px, diameter)


def _displacement_rms(similarity: Similarity, width: int, height: int, across: float, down: float) -> float:
    r"""RMS displacement over a picture whose x was scaled by ``across`` and y by ``down``, :math:`D`.

    On its grid :math:`q`, about the centre, the displacement is :math:`(D S D^{-1} - 1) q + D t`.
    """
    stretch, turn = similarity.linear.real - 1, similarity.linear.imag
    x2, y2 = (width**2 - 1) / 12, (height**2 - 1) / 12
    dx2 = stretch**2 * x2 + (turn * across / down) ** 2 * y2 + (across * similarity.shift_x_px) ** 2
    dy2 = stretch**2 * y2 + (turn * down / across) ** 2 * x2 + (down * similarity.shift_y_px) ** 2
    return math.sqrt(dx2 + dy2)
