"""One row a pair: what ``misalignment.csv`` holds, and how it is read again.

========================================= ==========================================================================
column                                    meaning
========================================= ==========================================================================
pair_id, split, scene, group              of the pair
blurry_path, sharp_path                   relative to the data
blurry_sha256, sharp_sha256               of these files, as measured
width, height                             of the pictures, px
kind                                      aligned, shift, zoom, zoom+shift or nonrigid
trusted, distrust                         1 or 0; why not
zoom, zoom_low, zoom_high                 blurry to sharp about the centre; 95 % interval
shift_x_px, shift_y_px, ..._low, _high    at the picture's centre
rotation_deg, rotation_error_deg          positive turns x towards y; standard error
zoom_centre_x_px, zoom_centre_y_px        the point that stays in place, from the top left pixel's centre
rms_px, rms_permille, corner_px           displacement: RMS over the picture, the same per 1000 px of width, largest
residual_px, residual_p95_px              what the similarity leaves: beyond noise; of 95 % of the tiles, noise and all
trusted_share, textured_share, n_tiles    tiles that agree; that have texture; their number
forward_backward_px, flow_difference_px   of the flow that gave the start; between its similarity and the one measured
likeness                                  correlation of the aligned pictures, coarse detail only
exposure_gain_r, _g, _b                   light of blurry over light of sharp
corner_error_px                           against the truth, where the set knows it: largest error at a corner
========================================= ==========================================================================

An empty cell is a figure that does not exist. Numbers are rounded to nine digits.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.registration.measure import Misalignment, interval

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured pair; a figure that does not exist is None."""

    pair_id: str
    split: str
    scene: str
    group: str
    width: int
    height: int
    kind: str
    trusted: int
    distrust: str
    zoom: float
    zoom_low: float | None
    zoom_high: float | None
    shift_x_px: float
    shift_x_low_px: float | None
    shift_x_high_px: float | None
    shift_y_px: float
    shift_y_low_px: float | None
    shift_y_high_px: float | None
    rotation_deg: float
    rotation_error_deg: float | None
    zoom_centre_x_px: float | None
    zoom_centre_y_px: float | None
    rms_px: float
    rms_permille: float
    corner_px: float
    residual_px: float | None
    residual_p95_px: float | None
    trusted_share: float | None
    textured_share: float | None
    n_tiles: int
    forward_backward_px: float | None
    flow_difference_px: float | None
    likeness: float | None
    exposure_gain_r: float | None
    exposure_gain_g: float | None
    exposure_gain_b: float | None
    corner_error_px: float | None
    blurry_path: str
    sharp_path: str
    blurry_sha256: str
    sharp_sha256: str


def figures(measured: Misalignment) -> dict[str, Any]:
    """The columns that a measurement fills."""
    found, error = measured.similarity, measured.standard_error
    zoom, x, y = (
        interval(value, deviation)
        for value, deviation in (
            (found.zoom, error.zoom),
            (found.shift_x_px, error.shift_x_px),
            (found.shift_y_px, error.shift_y_px),
        )
    )
    centre = measured.zoom_centre_px or (math.nan, math.nan)
    row: dict[str, Any] = {
        "width": measured.width,
        "height": measured.height,
        "kind": measured.kind.value,
        "trusted": int(not measured.distrust),
        "distrust": "; ".join(measured.distrust),
        "zoom": found.zoom,
        "zoom_low": zoom[0],
        "zoom_high": zoom[1],
        "shift_x_px": found.shift_x_px,
        "shift_x_low_px": x[0],
        "shift_x_high_px": x[1],
        "shift_y_px": found.shift_y_px,
        "shift_y_low_px": y[0],
        "shift_y_high_px": y[1],
        "rotation_deg": found.rotation_deg,
        "rotation_error_deg": error.rotation_deg,
        "zoom_centre_x_px": centre[0],
        "zoom_centre_y_px": centre[1],
        "rms_permille": measured.rms_permille,
        "exposure_gain_r": measured.exposure_gain[0],
        "exposure_gain_g": measured.exposure_gain[1],
        "exposure_gain_b": measured.exposure_gain[2],
    }
    for name in ("rms_px", "corner_px", "residual_px", "residual_p95_px", "trusted_share", "textured_share"):
        row[name] = getattr(measured, name)
    for name in ("n_tiles", "forward_backward_px", "flow_difference_px", "likeness"):
        row[name] = getattr(measured, name)
    return {name: _rounded(value) for name, value in row.items()}


def similarity_of(row: Row) -> Similarity:
    """The similarity that a row holds."""
    return Similarity(row.zoom, row.rotation_deg, row.shift_x_px, row.shift_y_px)


def printable(text: str) -> str:
    r"""``text`` with control characters and bytes that are not UTF-8, which no table can hold, as escapes.

    Example:
        >>> print(printable("caf\udce9\r"))
        caf\udce9\r
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.9g}") if math.isfinite(value) else None
