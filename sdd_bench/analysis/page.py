"""The page of an analysis: the distribution of misalignment in a set, and pictures of its worst pairs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.pair import flow_of
from sdd_bench.analysis.summary import headline, light_line
from sdd_bench.analysis.table import Row, similarity_of, transfer_of
from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import Pair
from sdd_bench.geometry.affine import warp
from sdd_bench.images.light import linear_planes, linear_to_srgb
from sdd_bench.images.pair import read_pair
from sdd_bench.registration.coarse import shrink, to_tensor
from sdd_bench.report.html import data_uri, encode_within, render_page, slug, write_page
from sdd_bench.report.plots import (
    flow_colours,
    flow_scale,
    histogram,
    quiver,
    scatter_of_vectors,
    with_flow_key,
)

MOST_BYTES = 2_000_000
"""Size of the page at most: pictures are made smaller and coarser until they fit."""
_MOST_ROWS = 500
"""Pairs in the table of the page; ``misalignment.csv`` has all."""
_SHOWN_PX = 720
"""Longer side of the pictures on the page, where they fit."""
_LEAST_PICTURE_BYTES = 400_000
"""Left for pictures in any case."""
_BASE64 = 4 / 3
DIFFERENCES = ("as captured", "registered", "registered and matched")


@dataclass(frozen=True)
class _Shown:
    """One pair, with its pictures by name: pixels, and then data URIs."""

    row: Row
    anchor: str
    pictures: Mapping[str, Any]


def write_report(
    path: Path, rows: Sequence[Row], summary: dict[str, Any], pairs: Mapping[str, Pair], *, options: AnalyzeOptions
) -> Path:
    """Write ``analysis.html``, which needs no other file and has at most :data:`MOST_BYTES`.

    Args:
        path: Path of the page.
        rows: Rows of the table, one per pair.
        summary: Content of ``summary.json``.
        pairs: Pairs by pair_id.
        options: Options of the analysis, with the number of pairs that are shown.

    Returns:
        Path of the page.
    """
    trusted = [row for row in rows if row.trusted] or list(rows)
    ranked = sorted(trusted, key=lambda row: (-row.rms_px, row.pair_id))
    doubtful = [row for row in rows if not row.trusted and row not in ranked]
    chosen = [*ranked[: options.worst], *doubtful[: (options.worst + 1) // 2]]
    shown = [picture for row in chosen if (picture := _show(row, pairs[row.pair_id], options)) is not None]
    plots = {
        "zoom": _uri(histogram([100 * (row.zoom - 1) for row in trusted], label="zoom - 1 (%)", mark=0.0)),
        "shift": _uri(
            histogram(
                [float(np.hypot(row.shift_x_px, row.shift_y_px)) for row in trusted],
                label="shift at the centre (px)",
                mark=0.0,
            )
        ),
        "rms": _uri(histogram([row.rms_px for row in trusted], label="RMS displacement (px)", mark=0.0)),
        "vectors": _uri(
            scatter_of_vectors(
                [row.shift_x_px for row in trusted],
                [row.shift_y_px for row in trusted],
                labels=[row.pair_id for row in trusted],
            )
        ),
    }
    listed = rows
    if len(rows) > _MOST_ROWS:
        worst = {row.pair_id for row in sorted(rows, key=lambda row: (-row.rms_px, row.pair_id))[:_MOST_ROWS]}
        listed = [row for row in rows if row.pair_id in worst]
    context = {
        "headline": headline(summary),
        "light_line": light_line(summary),
        "summary": summary,
        "rows": listed,
        "n_rows": len(rows),
        "plots": plots,
        "options": options,
        "differences": DIFFERENCES,
    }
    without = len(render_page("analysis.html", **context, shown=[_with_uris(item, {}) for item in shown]).encode())
    pixels = [picture for item in shown for picture in item.pictures.values()]
    left = max(MOST_BYTES - without, _LEAST_PICTURE_BYTES) / _BASE64 - 100 * len(pixels)
    encoded = iter(encode_within(pixels, int(left)))
    fitted = [_with_uris(item, {name: data_uri(next(encoded), "webp") for name in item.pictures}) for item in shown]
    write_page(path, "analysis.html", **context, shown=fitted)
    return path


def _with_uris(item: _Shown, uris: Mapping[str, str]) -> _Shown:
    return replace(item, pictures=dict.fromkeys(item.pictures, "") | dict(uris))


def _show(row: Row, pair: Pair, options: AnalyzeOptions) -> _Shown | None:
    try:
        blurry, sharp = read_pair(pair.blurry_path, pair.sharp_path)
    except ImageError:
        return None  # it was there when it was measured; the table has it
    factor = max(1, max(row.width, row.height) // (2 * _SHOWN_PX))
    light, by = shrink(linear_planes(blurry.pixels, factor), _SHOWN_PX)
    other, _ = shrink(linear_planes(sharp.pixels, factor), _SHOWN_PX)
    gain = np.array([row.exposure_gain_r, row.exposure_gain_g, row.exposure_gain_b], np.float32)
    aligned = warp(other, similarity_of(row).scaled(by / factor))
    flow = flow_of(options).estimate(to_tensor(light), to_tensor(other * gain))[0].numpy() * (factor / by)
    matched = transfer_of(row).apply(linear_to_srgb(aligned))
    display = linear_to_srgb(light)
    gaps = [_difference(display, shown) for shown in (linear_to_srgb(other), linear_to_srgb(aligned), matched)]
    scale = flow_scale(flow)
    pictures = {
        "blurry": _to_pixels(light),
        "sharp": _to_pixels(other),
        "aligned": _to_pixels(aligned),
        "before": _overlay(light, other * gain),
        "after": _overlay(light, aligned * gain),
        "matched": np.rint(255 * matched).astype(np.uint8),
        "colours": with_flow_key(flow_colours(flow, max_px=scale), scale),
        "arrows": iio.imread(io.BytesIO(quiver(flow, picture=_to_pixels(light))), extension=".png"),
        **dict(zip(DIFFERENCES, gaps, strict=True)),
    }
    return _Shown(row=row, anchor=slug(row.pair_id), pictures=pictures)


def _overlay(light: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Overlay of blurry in red and sharp in cyan: grey where they agree, coloured fringes where they do not."""
    a, b = (linear_to_srgb(picture.mean(axis=-1)) for picture in (light, other))
    return np.rint(255 * np.stack((a, b, b), axis=-1)).astype(np.uint8)


def _difference(display: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Absolute difference of display values, four times as bright."""
    return np.rint(255 * np.clip(4 * np.abs(display - other), 0, 1)).astype(np.uint8)


def _to_pixels(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(255 * linear_to_srgb(light)).astype(np.uint8)


def _uri(png: bytes) -> str:
    return data_uri(png, "png")
