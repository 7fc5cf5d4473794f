"""Which row of ``misalignment.csv`` is of a pair: that of its pictures, whatever the pair is called now.

``analyze`` measures before splits are dealt, so the id of a pair, which begins with its split, may be another one now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from sdd_bench.core.errors import ManifestError


class OfPictures(Protocol):
    """A row that knows the pictures it was measured on."""

    @property
    def blurry_sha256(self) -> str: ...
    @property
    def sharp_sha256(self) -> str: ...


Row = TypeVar("Row", bound=OfPictures)


def row_of(pair_id: str, sha256: tuple[str, str], rows: Mapping[str, Row]) -> Row | None:
    """The row of a pair; None if it was not measured.

    Args:
        pair_id: Id of the pair.
        sha256: Digests of its files, blurry and sharp.
        rows: Rows by the pair id under which they were measured.

    Raises:
        ManifestError: The pair was not measured, and other pictures were under its id.

    Example:
        >>> from types import SimpleNamespace
        >>> rows = {"test/0001": SimpleNamespace(blurry_sha256="aa", sharp_sha256="bb", zoom=1.01)}
        >>> row_of("train/0001", ("aa", "bb"), rows).zoom
        1.01
    """
    named = rows.get(pair_id)
    if named is not None and _files(named) == sha256:
        return named
    found = next((row for row in rows.values() if _files(row) == sha256), None)
    if found is None and named is not None:
        expected, got = (" and ".join(f"{digest[:12]}..." for digest in files) for files in (_files(named), sha256))
        raise ManifestError(
            f"{pair_id}: its pictures are not those that were measured under this name; expected sha256 {expected}, "
            f"got {got}. Run analyze on this set, and give its misalignment.csv."
        )
    return found


def _files(row: OfPictures) -> tuple[str, str]:
    return row.blurry_sha256, row.sharp_sha256
