"""The pictures of a card: some pairs side by side, and histograms of what was measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ImageError, ShardError
from sdd_bench.core.storage.files import sealed
from sdd_bench.images.photograph import read_photograph
from sdd_bench.prepared.manifest import Manifest
from sdd_bench.prepared.shards import ShardReader
from sdd_bench.report.plots import histogram

PICTURES = ".card"
"""Folder of the pictures; hidden, so that no loader takes them for the set's."""
_SIDE_PX, _SHOWN = 256, 3


def write_pictures(manifest: Manifest, out: Path) -> list[str]:
    """Write the card's pictures; the names of those that could be made."""
    rows = [row for row in manifest.pairs if row.status == "ok"]
    made: dict[str, bytes] = {}
    if values := [row.misalignment_px for row in rows if row.misalignment_px is not None]:
        made["misalignment.png"] = histogram(values, label="misalignment, px (RMS)")
    if values := [row.exposure_ev for row in rows if row.exposure_ev is not None]:
        made["exposure.png"] = histogram(values, label="light of blurry over sharp, EV")
    if preview := _preview(manifest):
        made["preview.png"] = preview
    for name, content in made.items():
        with sealed(out / PICTURES / name) as partial:
            partial.write_bytes(content)
    return sorted(made)


def _preview(manifest: Manifest) -> bytes | None:
    """Some pairs side by side, small; None if none can be read."""
    strips = []
    for record in manifest.splits.values():
        for shard in record.shards[:1]:
            try:
                reader = ShardReader(manifest.root / shard.name)
                found = reader.read_patch(0)
                strips.append([found.blurry, found.sharp])
                reader.close()
            except ShardError:  # export lists what is damaged
                continue
        blurry = [frame.name for frame in record.frames if "/blur/" in frame.name][:_SHOWN]
        for name in blurry:
            try:
                paths = (manifest.root / name, manifest.root / name.replace("/blur/", "/gt/"))
                strips.append([read_photograph(path).pixels for path in paths])
            except ImageError:
                continue
    if not strips:
        return None
    tiles = [np.hstack([_small(pixels) for pixels in strip]) for strip in strips[:_SHOWN]]
    return bytes(cv2.imencode(".png", cv2.cvtColor(np.vstack(tiles), cv2.COLOR_RGB2BGR))[1].tobytes())


def _small(pixels: Pixels) -> Pixels:
    """A square from the middle, 8 bits, of the card's size."""
    side = min(pixels.shape[:2])
    y, x = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = cv2.resize(
        np.ascontiguousarray(pixels[y : y + side, x : x + side]), (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA
    )
    return square if square.dtype == np.uint8 else (square >> 8).astype(np.uint8)
