"""Sharp pictures brought onto the blurry grid, by what ``analyze`` measured.

Off by default: training on misaligned pairs as captured is what the paper is about. What is used comes from
``misalignment.csv``. The manifest of the set holds the digest of the measurements, pairs.csv the transform of each
pair. A pair without a trusted measurement fails rather than being stored unaligned among aligned ones; a table of other
pictures than those to be registered ends the run. Resampling is a cubic spline; where the sharp picture does not reach,
it is mirrored.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sdd_bench.core.errors import ImageError, ManifestError
from sdd_bench.core.files import spreadsheet_plain
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import sample, spline
from sdd_bench.images.photograph import Photograph


@dataclasses.dataclass(frozen=True)
class Registration:
    """The measured similarity of a pair, in pixels of its full picture."""

    pair_id: str
    width: int
    height: int
    zoom: float
    rotation_deg: float
    shift_x_px: float
    shift_y_px: float
    blurry_sha256: str
    """Of the files measured."""
    sharp_sha256: str


@dataclasses.dataclass(frozen=True)
class RegistrationTable:
    """Names a table of measurements: a task takes this along, and the worker reads the table."""

    path: Path
    sha256: str
    """Digest of the trusted measurements, wherever the table lies and whatever else it holds."""
    n_pairs: int
    """Pairs with a trusted measurement."""

    def as_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {"n_pairs": self.n_pairs, "sha256": self.sha256}


def registration_table(path: Path) -> RegistrationTable:
    """The name of the table at ``path``.

    Raises:
        ManifestError: As :func:`read_registrations`.
    """
    found = read_registrations(path)
    return RegistrationTable(path.absolute(), _digest(found), len(found))


@lru_cache(maxsize=1)
def registrations_of(table: RegistrationTable) -> Mapping[str, Registration]:
    """The measurements of a table by pair; read once per process.

    Raises:
        ManifestError: The table is gone, or was changed since it was named.
    """
    found = read_registrations(table.path)
    if _digest(found) != table.sha256:
        raise ManifestError(f"{table.path}: was changed while pictures were registered by it. Run prepare again.")
    return {entry.pair_id: entry for entry in found}


def _digest(registrations: Sequence[Registration]) -> str:
    values = [dataclasses.astuple(entry) for entry in registrations]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def read_registrations(path: Path) -> tuple[Registration, ...]:
    """The trusted rows of ``misalignment.csv``.

    Raises:
        ManifestError: It is missing, no such table, has no trusted row, or two of one pair.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["trusted"] == "1"]
        found = tuple(
            Registration(
                spreadsheet_plain(row["pair_id"]),
                int(row["width"]),
                int(row["height"]),
                float(row["zoom"]),
                float(row["rotation_deg"]),
                float(row["shift_x_px"]),
                float(row["shift_y_px"]),
                spreadsheet_plain(row["blurry_sha256"]),
                spreadsheet_plain(row["sharp_sha256"]),
            )
            for row in rows
        )
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise ManifestError(f"{path}: not the misalignment.csv of analyze ({error!r}). Run analyze first.") from error
    if not found:
        raise ManifestError(f"{path}: not one pair of it is trusted, so none can be registered.")
    if len({entry.pair_id for entry in found}) < len(found):
        raise ManifestError(f"{path}: holds two trusted rows of one pair; expected one. Run analyze again.")
    return found


def register_sharp(
    sharp: Photograph, pair_id: str, sha256: tuple[str, str], registrations: Mapping[str, Registration]
) -> Photograph:
    """``sharp`` on the grid of its blurry picture.

    Args:
        sharp: The picture as captured.
        pair_id: Of its pair.
        sha256: Of the files, blurry and sharp.
        registrations: What was measured, by pair.

    Raises:
        ImageError: The pair has no trusted measurement, or one of another size.
        ManifestError: Other pictures were measured under its name.
    """
    known = registrations.get(pair_id)
    if known is None:
        raise ImageError(f"{pair_id}: has no trusted measurement to register by. Analyze it, or prepare unregistered.")
    if sha256 != (known.blurry_sha256, known.sharp_sha256):
        raise ManifestError(
            f"{pair_id}: its pictures are not those that were measured under this name; expected sha256 "
            f"{known.blurry_sha256[:12]}... and {known.sharp_sha256[:12]}..., got {sha256[0][:12]}... and "
            f"{sha256[1][:12]}... Run analyze on this set, and register by its table."
        )
    height, width = sharp.pixels.shape[:2]
    if (known.width, known.height) != (width, height):
        raise ImageError(
            f"{pair_id}: was measured at {known.width}x{known.height}, but is {width}x{height}. Analyze it again."
        )
    similarity = Similarity(known.zoom, known.rotation_deg, known.shift_x_px, known.shift_y_px)
    largest = 2**sharp.bit_depth - 1
    pixels = np.empty_like(sharp.pixels)
    for channel in range(3):
        values = sample(spline(sharp.pixels[..., channel].astype(np.float32)), similarity)
        pixels[..., channel] = np.clip(np.rint(values), 0, largest)
    note = (
        f"registered by zoom {known.zoom:.6f}, rotation {known.rotation_deg:.5f} deg, "
        f"shift ({known.shift_x_px:.3f}, {known.shift_y_px:.3f}) px"
    )
    message = f"{sharp.message}; {note}" if sharp.message else note
    return dataclasses.replace(sharp, pixels=pixels, message=message)
