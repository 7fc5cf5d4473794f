"""The page of a picture: every method, the slider, crops, error map, flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdd_bench.evaluation.per_image import ImageRow
from sdd_bench.leaderboard.site.breakdowns import facts_of
from sdd_bench.leaderboard.site.media import LAYERS, VIEWS, PictureFiles
from sdd_bench.leaderboard.site.pages import MEDIA, Media, Site, method_place, picture_place
from sdd_bench.leaderboard.site.standings import Cell, Line, Standing, cell_of
from sdd_bench.leaderboard.tables.schema import METRICS


@dataclass(frozen=True)
class PictureLine:
    """One row of a table over pictures or methods: figures of one picture of one method."""

    name: str
    page: str
    key: str
    group: str
    thumb: str
    cells: dict[tuple[str, str], Cell]
    drift: Cell
    deform: Cell
    misalignment: Cell
    evidence: Cell
    """Share of the picture on which the flow of the registered ground truth is shown."""
    kind: str = "measured"


def figures_of(rows: Sequence[ImageRow]) -> dict[str, Any]:
    cells = {(row.ground_truth, metric): cell_of(row.figures[metric], metric) for row in rows for metric in METRICS}
    first = rows[0].figures
    return {
        "cells": cells,
        "drift": cell_of(first["drift_px"], "drift_px"),
        "deform": cell_of(first.get("deform_px"), "deform_px"),
        "misalignment": cell_of(first.get("misalignment_px"), "misalignment_px"),
        "evidence": cell_of(first.get("supported_share"), "supported_share"),
    }


def thumb_of(media: Media, run_sha256: str, image: str) -> str:
    files = media.get((run_sha256, image))
    return f"{MEDIA}/{files.thumb}" if files else ""


def write_picture(site: Site, item: Standing, image: str) -> None:
    lines, sets = [], []
    shared: dict[str, str] = {}
    group = ""
    facts: list[tuple[str, str]] = []
    notes: list[tuple[str, list[str]]] = []
    baselines_from: Line | None = None
    for line in item.measured:
        rows = line.by_image.get(line.method, {}).get(image)
        if not rows:
            continue
        group, baselines_from = rows[0].group, baselines_from or line
        facts = facts or facts_of(rows)
        if said := site.notes_of(line):
            notes.append((line.method, said))
        page = method_place(item.dataset, line)
        lines.append(PictureLine(line.method, page, line.key, "", "", **figures_of(rows)))
        files = site.media.get((line.run_sha256, image))
        if files is not None:
            sets.append({"key": line.key, "label": line.method, "layers": _layers(files)})
            shared = shared or {layer: f"../../{MEDIA}/{files.previews[layer]}" for layer in ("blurry", "sharp")}
            shared |= {f"crops-{layer}": f"../../{MEDIA}/{files.crops[layer]}" for layer in ("blurry", "sharp")}
    for name in ("identity", "ceiling"):
        rows = baselines_from.by_image.get(name, {}).get(image) if baselines_from else None
        if rows:
            lines.append(PictureLine(name, "", "", "", "", kind="baseline", **figures_of(rows)))
    with_layer = {layer for item_set in sets for layer in item_set["layers"]} | set(shared)
    position = item.images.index(image)
    site.write(
        picture_place(item.dataset, image),
        "picture.html",
        standing=item,
        image=image,
        group=group,
        facts=facts,
        notes=notes,
        strip=site.strips.get((item.dataset, image), ""),
        lines=lines,
        sets=sets,
        layers=[{"key": k, "label": label, "src": shared.get(k, "")} for k, label in LAYERS.items() if k in with_layer],
        crops=[(f"crops-{k}", label) for k, label in LAYERS.items() if f"crops-{k}" in with_layer],
        wheel=site.wheel if "flow" in with_layer else "",
        views=[(k, label) for k, label in VIEWS.items() if k in with_layer],
        shared=shared,
        before=item.images[position - 1] if position else "",
        after=item.images[position + 1] if position + 1 < len(item.images) else "",
        page_of=lambda name: picture_place(item.dataset, name),
    )


def _layers(files: PictureFiles) -> dict[str, str]:
    """Files that depend on the method, by layer: previews, crops and views."""
    own = {layer: name for layer, name in files.previews.items() if layer not in ("blurry", "sharp")}
    own |= {f"crops-{layer}": name for layer, name in files.crops.items() if layer not in ("blurry", "sharp")}
    own |= files.views
    return {layer: f"../../{MEDIA}/{name}" for layer, name in own.items()}
