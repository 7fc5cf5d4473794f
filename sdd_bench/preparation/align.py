"""Registration of sharp pictures to the blurry grid, by the similarities that ``analyze`` measured.

It is off by default, because the paper is about training on misaligned pairs as captured. The measurements are read
from ``misalignment.csv``. The manifest of the set holds their digest, and pairs.csv the transform of each pair. A pair
without a trusted measurement fails, so that no unaligned pair is stored among aligned ones. A table that was measured
on other pictures ends the run. The sharp picture is resampled by a cubic spline and mirrored beyond its border.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sdd_bench.core.errors import ImageError, ManifestError
from sdd_bench.core.storage.tables import Form, read_table
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import sample, spline
from sdd_bench.images.photograph import Photograph
from sdd_bench.preparation.measured import row_of


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
    """Digests of the files that were measured, blurry and sharp."""
    sharp_sha256: str
    trusted: int
    """1 or 0; only trusted ones are used."""


@dataclasses.dataclass(frozen=True)
class RegistrationTable:
    """Reference to a table of measurements. A task holds this reference, and its worker reads the table."""

    path: Path
    sha256: str
    """Digest of the trusted measurements; it does not depend on the path or on other columns and rows."""
    n_pairs: int
    """Number of pairs with a trusted measurement."""

    def as_dict(self) -> dict[str, Any]:
        """The reference as the manifest holds it, without the path.

        Example:
            >>> RegistrationTable(Path("misalignment.csv"), "0123", 4).as_dict()
            {'n_pairs': 4, 'sha256': '0123'}
        """
        return {"n_pairs": self.n_pairs, "sha256": self.sha256}


def registration_table(path: Path) -> RegistrationTable:
    """The reference to the table at ``path``.

    Raises:
        ManifestError: See :func:`read_registrations`.

    Example:
        >>> import tempfile
        >>> names = [field.name for field in dataclasses.fields(Registration)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "misalignment.csv")
        ...     _ = path.write_text(f"{','.join(names)}\\ntest/0001,640,384,1.01,0,2,-1,aa,bb,1\\n")
        ...     table = registration_table(path)
        ...     table.n_pairs, list(registrations_of(table))
        (1, ['test/0001'])
    """
    found = read_registrations(path)
    return RegistrationTable(path.absolute(), _digest(found), len(found))


@lru_cache(maxsize=1)
def registrations_of(table: RegistrationTable) -> Mapping[str, Registration]:
    """The measurements of a table by pair id. The table is read once per process.

    Raises:
        ManifestError: The table is gone, or has changed since the reference was made.

    For an example see :func:`registration_table`.
    """
    found = read_registrations(table.path)
    if _digest(found) != table.sha256:
        raise ManifestError(f"{table.path}: was changed while pictures were registered by it. Run prepare again.")
    return {entry.pair_id: entry for entry in found}


def _digest(registrations: Sequence[Registration]) -> str:
    values = [dataclasses.astuple(entry)[:-1] for entry in registrations]  # all are trusted
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def read_registrations(path: Path) -> tuple[Registration, ...]:
    """The trusted rows of ``misalignment.csv``.

    Raises:
        ManifestError: The file is missing or not such a table, or it has no trusted row or two for one pair.

    Example:
        >>> import tempfile
        >>> names = [field.name for field in dataclasses.fields(Registration)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "misalignment.csv")
        ...     _ = path.write_text(f"{','.join(names)}\\ntest/0001,640,384,1.01,0,2,-1,aa,bb,1\\n")
        ...     found = read_registrations(path)
        >>> found[0].pair_id, found[0].zoom, found[0].shift_x_px
        ('test/0001', 1.01, 2.0)
    """
    form = Form(ManifestError, "Run analyze, and give its misalignment.csv.")
    found = tuple(entry for entry in read_table(path, Registration, form).values() if entry.trusted)
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
        sharp: Sharp picture as captured.
        pair_id: Id of its pair.
        sha256: Digests of the files, blurry and sharp.
        registrations: Measurements by pair id.

    Raises:
        ImageError: The pair has no trusted measurement, or it was measured at another size.
        ManifestError: The pictures measured under this id are other ones.

    Example:
        >>> pixels = np.tile(np.arange(32, dtype=np.uint8)[None, :, None], (32, 1, 3))
        >>> known = Registration("test/0001", 32, 32, 1.0, 0.0, 2.0, 0.0, "aa", "bb", 1)
        >>> moved = register_sharp(Photograph(pixels), "test/0001", ("aa", "bb"), {"test/0001": known})
        >>> int(pixels[16, 10, 0]), int(moved.pixels[16, 10, 0])  # the ramp moves by 2 px
        (10, 12)
    """
    known = row_of(pair_id, sha256, registrations)
    if known is None:
        raise ImageError(f"{pair_id}: has no trusted measurement to register by. Analyze it, or prepare unregistered.")
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
