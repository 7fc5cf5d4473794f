"""Reading one pair, resizing it and cutting it into patches: the steps of a unit of work before it writes."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

import numpy as np

from sdd_bench.captures.listing import below
from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ImageError, ManifestError, UnreadableError
from sdd_bench.core.storage.files import sha256_or_empty
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import Photograph
from sdd_bench.images.resize import parse_resize, resize_area
from sdd_bench.preparation.align import register_sharp, registrations_of
from sdd_bench.preparation.match import match_sharp, transfers_of
from sdd_bench.preparation.patches import choose, sharpness, windows
from sdd_bench.preparation.plan import Task
from sdd_bench.prepared.manifest import PairRow
from sdd_bench.prepared.shards import PairPatches
from sdd_bench.registration.evidence.roles import SAME, SWAPPED, note_on_roles


@dataclass(frozen=True)
class Loaded:
    """A pair that was read; a pair that failed has a row only."""

    row: PairRow
    photographs: tuple[Photograph, Photograph] | None = None
    patches: PairPatches | None = None


def load_frames(task: Task, index: int) -> Loaded:
    """Read pair ``index`` of the task's unit, and register and match its sharp picture if the options say so.

    Raises:
        ManifestError: The table of registrations, of light or of measurements is of other pictures.
        UnreadableError: A picture cannot be read now, which says nothing about its bytes.
    """
    pair = task.unit.pairs[index]
    row = PairRow(
        pair.pair_id,
        pair.split,
        pair.scene,
        pair.group,
        below(pair.blurry_path, task.source),
        below(pair.sharp_path, task.source),
    )
    options = task.options
    try:
        blurry, sharp = read_pair(pair.blurry_path, pair.sharp_path, max_pixels=options.max_pixels, raw=options.raw)
        sha256 = blurry.sha256, sharp.sha256
        if options.register is not None:
            sharp = register_sharp(sharp, pair.pair_id, sha256, registrations_of(options.register))
        if options.match is not None:
            sharp = match_sharp(sharp, pair.pair_id, sha256, transfers_of(options.match))
    except UnreadableError:
        raise
    except ImageError as error:
        sha256 = sha256_or_empty(pair.blurry_path), sha256_or_empty(pair.sharp_path)
        row = failed_row(task, row, error)
    row = dataclasses.replace(row, blurry_sha256=sha256[0], sharp_sha256=sha256[1])
    measured = task.measured_sha256.get(pair.pair_id)
    if measured is not None and measured != sha256:
        raise ManifestError(
            f"{pair.pair_id}: its pictures are not those that were measured; expected sha256 {measured[0][:12]}... and "
            f"{measured[1][:12]}..., got {sha256[0][:12]}... and {sha256[1][:12]}... Run analyze again."
        )
    if row.status == "failed":
        return Loaded(row)
    height, width = blurry.pixels.shape[:2]
    row = dataclasses.replace(
        row,
        width=width,
        height=height,
        bit_depth=max(blurry.bit_depth, sharp.bit_depth),
        blurry_f_number=blurry.exif.f_number or pair.f_number,
        sharp_f_number=sharp.exif.f_number,
        blurry_focal_length_mm=blurry.exif.focal_length_mm,
        sharp_focal_length_mm=sharp.exif.focal_length_mm,
        blurry_exposure_s=blurry.exif.exposure_s,
        sharp_exposure_s=sharp.exif.exposure_s,
        message=_message(blurry, sharp),
    )
    return Loaded(row, (blurry, sharp))


def load_patches(task: Task, index: int) -> Loaded:
    """Read pair ``index`` of the task's unit as :func:`load_frames` does, resize it and choose its patches."""
    loaded = load_frames(task, index)
    if loaded.photographs is None:
        return loaded
    options, cut = task.options, task.options.cut(task.unit.split)
    try:
        blurry, sharp = (
            resized(photograph.pixels, options.resize, task.bit_depth) for photograph in loaded.photographs
        )
        candidates = windows(*sharp.shape[:2], patch=options.patch, overlap=cut.overlap)
    except ImageError as error:
        return Loaded(failed_row(task, loaded.row, error))
    scores = sharpness(sharp, candidates)
    kept = choose(scores, drop=cut.drop)
    patches = PairPatches(
        row=task.unit.first_row + index,
        blurry=blurry,
        sharp=sharp,
        windows=[candidates[i] for i in kept],
        sharpness=scores[kept],
    )
    return Loaded(dataclasses.replace(loaded.row, n_patches=len(kept)), patches=patches)


def resized(pixels: Pixels, resize: str, bit_depth: int) -> Pixels:
    """A picture resized and converted to ``bit_depth``. Resizing is done at the finer of the two bit depths.

    Args:
        pixels: Picture, (H, W, 3) uint8 or uint16.
        resize: Resizing as text, see :func:`~sdd_bench.images.resize.parse_resize`.
        bit_depth: Bits per sample of the result, 8 or 16.

    Example:
        >>> resized(np.full((4, 4, 3), 255, np.uint8), "0.5", 16)[0, 0].tolist()
        [65535, 65535, 65535]
    """
    if bit_depth == 16 and pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16) * np.uint16(257)
    pixels = resize_area(pixels, parse_resize(resize))
    if bit_depth == 8 and pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels


def _message(blurry: Photograph, sharp: Photograph) -> str:
    sides = (("blurry", blurry), ("sharp", sharp))
    notes = [f"{side}: {photograph.message}" for side, photograph in sides if photograph.message]
    roles = note_on_roles(blurry.pixels, sharp.pixels)
    return "; ".join([*notes, roles] if roles else notes)


def roles_noted(row: PairRow) -> str:
    """What the message of a pair says of its roles, see :mod:`sdd_bench.registration.evidence.roles`.

    Example:
        >>> row = PairRow("test/1", "test", "", "", "a.png", "b.png", message=f"blurry: grey; {SWAPPED}")
        >>> roles_noted(row) == SWAPPED
        True
    """
    said = row.message if row.status == "ok" else ""
    return next((note for note in (SAME, SWAPPED) if said.endswith(note)), "")


def failed_row(task: Task, row: PairRow, error: ImageError) -> PairRow:
    """The row of a pair that failed with ``error``."""
    message = str(error).replace(f"{task.source}{os.sep}", "")  # so that the set does not depend on the source's place
    return dataclasses.replace(row, n_patches=0, status="failed", message=message)
