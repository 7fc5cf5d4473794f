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

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdd_bench.core.errors import ManifestError
from sdd_bench.core.files import spreadsheet_plain, spreadsheet_safe, write_text
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.registration.measure import Misalignment, interval

Row = dict[str, Any]
"""Values by column: text, int, float or None."""

_TEXT = (
    *("pair_id", "split", "scene", "group", "kind", "distrust"),
    *("blurry_path", "sharp_path", "blurry_sha256", "sharp_sha256"),
)
COLUMNS = (
    *("pair_id", "split", "scene", "group", "width", "height", "kind", "trusted", "distrust"),
    *("zoom", "zoom_low", "zoom_high", "shift_x_px", "shift_x_low_px", "shift_x_high_px"),
    *("shift_y_px", "shift_y_low_px", "shift_y_high_px", "rotation_deg", "rotation_error_deg"),
    *("zoom_centre_x_px", "zoom_centre_y_px", "rms_px", "rms_permille", "corner_px", "residual_px", "residual_p95_px"),
    *("trusted_share", "textured_share", "n_tiles", "forward_backward_px", "flow_difference_px", "likeness"),
    *("exposure_gain_r", "exposure_gain_g", "exposure_gain_b", "corner_error_px", "blurry_path", "sharp_path"),
    *("blurry_sha256", "sharp_sha256"),
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def figures(measured: Misalignment) -> Row:
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
    row: Row = {
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


def similarity_of(row: Mapping[str, Any]) -> Similarity:
    """The similarity that a row holds."""
    return Similarity(row["zoom"], row["rotation_deg"], row["shift_x_px"], row["shift_y_px"])


def printable(text: str) -> str:
    r"""``text`` with control characters and bytes that are not UTF-8, which no table can hold, as escapes.

    Example:
        >>> print(printable("caf\udce9\r"))
        caf\udce9\r
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write ``misalignment.csv``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in COLUMNS])
    write_text(path, text.getvalue())


def read_table(path: Path) -> list[Row]:
    """Read what :func:`write_table` wrote.

    Raises:
        ManifestError: It is missing, or not such a table.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ManifestError(f"{path}: expected the columns {', '.join(COLUMNS)}. Run analyze again.")
            return [{name: _parsed(name, cell) for name, cell in row.items()} for row in reader]
    except (OSError, UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        raise ManifestError(f"{path}: cannot be read as a table of misalignment ({error}). Run analyze.") from error


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.9g}") if math.isfinite(value) else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return spreadsheet_safe(value) if isinstance(value, str) else repr(value)


def _parsed(name: str, cell: str) -> Any:
    if name in _TEXT:
        return spreadsheet_plain(cell)
    if cell == "":
        return None
    return int(cell) if name in ("width", "height", "trusted", "n_tiles") else float(cell)
