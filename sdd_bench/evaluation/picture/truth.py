"""Known truth of a synthetic pair, as far as scores need it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.captures.truth import read_known_truth
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
    known = read_known_truth(path)
    across, down = width / known.width, height / known.height
    diameter = None if known.coc_diameter_px is None else known.coc_diameter_px * math.sqrt(across * down)
    return Truth(_displacement_rms(known.similarity, width, height, across, down), diameter)


def _displacement_rms(similarity: Similarity, width: int, height: int, across: float, down: float) -> float:
    r"""RMS displacement over a picture whose x was scaled by ``across`` and y by ``down``, :math:`D`.

    On its grid :math:`q`, about the centre, the displacement is :math:`(D S D^{-1} - 1) q + D t`.
    """
    stretch, turn = similarity.linear.real - 1, similarity.linear.imag
    x2, y2 = (width**2 - 1) / 12, (height**2 - 1) / 12
    dx2 = stretch**2 * x2 + (turn * across / down) ** 2 * y2 + (across * similarity.shift_x_px) ** 2
    dy2 = stretch**2 * y2 + (turn * down / across) ** 2 * x2 + (down * similarity.shift_y_px) ** 2
    return math.sqrt(dx2 + dy2)
