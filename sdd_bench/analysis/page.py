"""The page of an analysis: the distribution of misalignment in a set, and pictures of its worst pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from sdd_bench.report.html import data_uri, encode_image, slug, write_page
from sdd_bench.report.plots import flow_colours, histogram, quiver, scatter_of_vectors

_SHOWN_PX = 720
"""Longer side of the pictures on the page."""


@dataclass(frozen=True)
class _Shown:
    """The pictures of one pair, as data URIs."""

    row: Row
    anchor: str
    blurry: str
    sharp: str
    aligned: str
    before: str
    after: str
    colours: str
    arrows: str
    matched: str
    differences: tuple[str, str, str]
    """From the blurry picture: as captured, registered, registered and matched."""


def write_report(
    path: Path, rows: Sequence[Row], summary: dict[str, Any], pairs: Mapping[str, Pair], *, options: AnalyzeOptions
) -> Path:
    """Write ``analysis.html``, which needs no other file.

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
    write_page(
        path,
        "analysis.html",
        headline=headline(summary),
        light_line=light_line(summary),
        summary=summary,
        rows=rows,
        shown=shown,
        plots=plots,
        options=options,
    )
    return path


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
    pictures = [_to_pixels(picture) for picture in (light, other, aligned)]
    uris = [data_uri(encode_image(picture), "webp") for picture in pictures]
    matched = transfer_of(row).apply(linear_to_srgb(aligned))
    display = linear_to_srgb(light)
    gaps = [_difference(display, shown) for shown in (linear_to_srgb(other), linear_to_srgb(aligned), matched)]
    before, after = (data_uri(encode_image(_overlay(light, picture * gain)), "webp") for picture in (other, aligned))
    return _Shown(
        row=row,
        anchor=slug(row.pair_id),
        blurry=uris[0],
        sharp=uris[1],
        aligned=uris[2],
        before=before,
        after=after,
        colours=data_uri(encode_image(flow_colours(flow)), "webp"),
        arrows=_uri(quiver(flow, picture=pictures[0])),
        matched=data_uri(encode_image(np.rint(255 * matched).astype(np.uint8)), "webp"),
        differences=(gaps[0], gaps[1], gaps[2]),
    )


def _overlay(light: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Overlay of blurry in red and sharp in cyan: grey where they agree, coloured fringes where they do not."""
    a, b = (linear_to_srgb(picture.mean(axis=-1)) for picture in (light, other))
    return np.rint(255 * np.stack((a, b, b), axis=-1)).astype(np.uint8)


def _difference(display: NDArray[np.float32], other: NDArray[np.float32]) -> str:
    """Absolute difference of display values, four times as bright."""
    return data_uri(encode_image(np.rint(255 * np.clip(4 * np.abs(display - other), 0, 1)).astype(np.uint8)), "webp")


def _to_pixels(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(255 * linear_to_srgb(light)).astype(np.uint8)


def _uri(png: bytes) -> str:
    return data_uri(png, "png")
