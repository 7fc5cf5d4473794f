"""One row per pair: what ``misalignment.csv`` holds. The fields are its columns, in order.

The cell of a figure that does not exist is empty. Numbers are rounded to nine digits.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.registration.light.pair import PairLight
from sdd_bench.registration.light.transfer import Match, Transfer
from sdd_bench.registration.measure import Misalignment, interval

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured pair; a figure that does not exist is None."""

    pair_id: str
    split: str
    scene: str
    group: str
    width: int  # of the pictures, px
    height: int
    kind: str  # aligned, shift, zoom, zoom+shift or nonrigid
    trusted: int  # 1 or 0
    distrust: str  # why not
    note: str  # what looks wrong about the two files
    zoom: float  # blurry to sharp about the centre
    zoom_low: float | None  # 95 % interval, as all low and high
    zoom_high: float | None
    shift_x_px: float  # at the picture's centre
    shift_x_low_px: float | None
    shift_x_high_px: float | None
    shift_y_px: float
    shift_y_low_px: float | None
    shift_y_high_px: float | None
    rotation_deg: float  # positive turns x towards y
    rotation_error_deg: float | None  # standard error
    zoom_centre_x_px: float | None  # the point that stays in place, from the top left pixel's centre
    zoom_centre_y_px: float | None
    rms_px: float  # displacement: RMS over the picture
    rms_permille: float  # per 1000 px of width
    corner_px: float  # largest
    residual_px: float | None  # what the similarity leaves, beyond noise
    residual_p95_px: float | None  # of 95 % of the tiles, noise and all
    disagree_share: float | None  # of the tiles, those off by more than max(1 px, 3 residuals)
    second_share: float | None  # of the tiles, those of a second layer
    second_zoom: float | None  # its similarity
    second_shift_x_px: float | None
    second_shift_y_px: float | None
    second_rotation_deg: float | None
    static_share: float | None  # of the picture: frame that did not move with the rest
    trusted_share: float | None  # of the tiles, those that agree
    textured_share: float | None  # of the tiles, those that have texture
    n_tiles: int
    forward_backward_px: float | None  # of the flow that gave the start
    flow_difference_px: float | None  # between its similarity and the one measured
    likeness: float | None  # correlation of the aligned pictures, coarse detail only
    exposure_gain_r: float | None  # light of blurry over light of sharp
    exposure_gain_g: float | None
    exposure_gain_b: float | None
    light_gain_r: float | None  # of the transfer of light, in scene light; None: not measured, or not to be known
    light_gain_g: float | None
    light_gain_b: float | None
    light_gain_error: float | None  # the largest relative standard error of the three
    light_field: float | None  # vignetting (model gain+field)
    light_residual: float | None  # relative difference of light that the transfer leaves
    raw_psnr_db: float | None  # of the sharp picture against the blurry one, as captured, where both overlap
    geometry_db: float | None  # what registration gains
    light_db: float | None  # what matching light gains then
    light_richer_db: float | None  # what the next richer model would gain beyond
    light_distrust: str  # why not to believe the transfer
    light_transfer: str  # all of it, as JSON
    corner_error_px: float | None  # against the truth, where the set knows it: largest error at a corner
    blurry_path: str  # relative to the data
    sharp_path: str
    blurry_sha256: str  # of the file, as measured
    sharp_sha256: str


def figures(measured: Misalignment) -> dict[str, Any]:
    """The columns that a measurement fills."""
    found, error = measured.similarity, measured.standard_error
    row: dict[str, Any] = {"width": measured.width, "height": measured.height, "kind": measured.kind.value}
    row |= {"trusted": int(not measured.distrust), "distrust": "; ".join(measured.distrust)}
    row["note"] = measured.note
    for names, value, deviation in (
        (("zoom", "zoom_low", "zoom_high"), found.zoom, error.zoom),
        (("shift_x_px", "shift_x_low_px", "shift_x_high_px"), found.shift_x_px, error.shift_x_px),
        (("shift_y_px", "shift_y_low_px", "shift_y_high_px"), found.shift_y_px, error.shift_y_px),
    ):
        row |= zip(names, (value, *interval(value, deviation)), strict=True)
    row |= {"rotation_deg": found.rotation_deg, "rotation_error_deg": error.rotation_deg}
    row |= zip(("zoom_centre_x_px", "zoom_centre_y_px"), measured.zoom_centre_px or (math.nan, math.nan), strict=True)
    second = measured.second or Similarity(math.nan, math.nan, math.nan, math.nan)
    row |= {"second_zoom": second.zoom, "second_rotation_deg": second.rotation_deg}
    row |= {"second_shift_x_px": second.shift_x_px, "second_shift_y_px": second.shift_y_px}
    row |= {"rms_permille": measured.rms_permille}
    row |= zip(("exposure_gain_r", "exposure_gain_g", "exposure_gain_b"), measured.exposure_gain, strict=True)
    others = ("rms_px", "corner_px", "residual_px", "residual_p95_px", "trusted_share", "textured_share", "n_tiles")
    shares = ("disagree_share", "second_share", "static_share")
    for name in (*others, *shares, "forward_backward_px", "flow_difference_px", "likeness"):
        row[name] = getattr(measured, name)
    return {name: _rounded(value) for name, value in row.items()}


def light_figures(light: PairLight) -> dict[str, Any]:
    """The columns that a measurement of light fills."""
    transfer = light.transfer
    measured = transfer.model is not Match.NONE
    gains = transfer.gains if measured else (None, None, None)
    row: dict[str, Any] = dict(zip(("light_gain_r", "light_gain_g", "light_gain_b"), gains, strict=True))
    row["light_gain_error"] = max(transfer.gain_errors) if measured else None
    row["light_field"] = transfer.field if transfer.model is Match.FIELD else None
    row["light_residual"] = transfer.residual if measured else None
    row |= {"raw_psnr_db": light.raw_db, "geometry_db": light.geometry_db}
    row["light_db"] = light.light_db if measured or transfer.distrust else None
    row |= {"light_richer_db": transfer.richer_gains_db if measured else None, "light_distrust": transfer.reason}
    return {name: _rounded(value) for name, value in row.items()} | {"light_transfer": transfer.to_json()}


def transfer_of(row: Row) -> Transfer:
    """The transfer of light that a row holds."""
    return Transfer.from_json(row.light_transfer)


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
