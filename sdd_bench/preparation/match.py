"""Sharp pictures in the light of their blurry ones, by the transfers of light that ``analyze`` measured.

Off by default, as registration is, and independent of it; with both, a picture is registered first. The transfers are
read from ``misalignment.csv``. The manifest of the set holds each pair's (``light``), and pairs.csv says what was done.
A pair whose light could not be estimated is stored as it is, with the reason; a pair that was not measured fails.

Pixels that are clipped in the sharp picture tell no light: they become what the blurry picture shows where the sharp
one is clipped, see :mod:`~sdd_bench.registration.light.transfer`. Light that a transfer brings beyond white clips.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sdd_bench.core.errors import ConfigError, ImageError, ManifestError
from sdd_bench.core.storage.tables import Form, read_table
from sdd_bench.images.photograph import Photograph, to_float
from sdd_bench.images.write import from_float
from sdd_bench.preparation.measured import row_of
from sdd_bench.prepared.manifest import PairRow
from sdd_bench.registration.light.transfer import Match, Transfer


@dataclasses.dataclass(frozen=True)
class LightRow:
    """The measured light of a pair, as the table holds it."""

    pair_id: str
    blurry_sha256: str
    """Digests of the files that were measured, blurry and sharp."""
    sharp_sha256: str
    light_transfer: str
    """As JSON."""

    @cached_property
    def transfer(self) -> Transfer:
        """The measured transfer.

        Raises:
            ConfigError: The text does not say one.
        """
        return Transfer.from_json(self.light_transfer)


@dataclasses.dataclass(frozen=True)
class LightTable:
    """Reference to a table of transfers. A task holds this reference, and its worker reads the table."""

    path: Path
    sha256: str
    """Digest of the transfers; it does not depend on the path or on other columns."""
    n_pairs: int

    def as_dict(self) -> dict[str, Any]:
        """The reference as the manifest holds it, without the path.

        Example:
            >>> LightTable(Path("misalignment.csv"), "0123", 4).as_dict()
            {'n_pairs': 4, 'sha256': '0123'}
        """
        return {"n_pairs": self.n_pairs, "sha256": self.sha256}


def light_table(path: Path) -> LightTable:
    """The reference to the table at ``path``.

    Raises:
        ManifestError: The file is missing or not such a table, or light was not measured.
    """
    rows = _read(path)
    return LightTable(path.absolute(), _digest(rows), len(rows))


@lru_cache(maxsize=1)
def transfers_of(table: LightTable) -> Mapping[str, LightRow]:
    """Rows of a table by pair id. The table is read once per process.

    Raises:
        ManifestError: The table is gone, or has changed since the reference was made.
    """
    rows = _read(table.path)
    if _digest(rows) != table.sha256:
        raise ManifestError(f"{table.path}: was changed while pictures were matched by it. Run prepare again.")
    return {row.pair_id: row for row in rows}


def light_of(table: LightTable, rows: Sequence[PairRow]) -> dict[str, dict[str, Any]]:
    """The transfers of the pairs that were prepared, by pair id, as the manifest holds them."""
    transfers = transfers_of(table)
    found = {
        row.pair_id: transfer_of(row.pair_id, (row.blurry_sha256, row.sharp_sha256), transfers)
        for row in rows
        if row.status == "ok"
    }
    return {pair_id: json.loads(transfer.to_json()) for pair_id, transfer in found.items() if transfer is not None}


def _read(path: Path) -> tuple[LightRow, ...]:
    form = Form(ManifestError, "Run analyze with this version, and give its misalignment.csv.")
    rows = tuple(read_table(path, LightRow, form).values())
    if len({row.pair_id for row in rows}) < len(rows):
        raise ManifestError(f"{path}: holds two rows of one pair; expected one. Run analyze again.")
    transfers = [_transfer(path, row) for row in rows]
    if all(transfer == Transfer() for transfer in transfers):
        raise ManifestError(
            f"{path}: light was not measured (--match none), so none can be matched. Run analyze again."
        )
    return rows


def _transfer(path: Path, row: LightRow) -> Transfer:
    try:
        return row.transfer
    except ConfigError as error:
        raise ManifestError(f"{path}: light_transfer of {row.pair_id}: {error} Run analyze again.") from error


def _digest(rows: Sequence[LightRow]) -> str:
    return hashlib.sha256(json.dumps([dataclasses.astuple(row) for row in rows]).encode()).hexdigest()


def transfer_of(pair_id: str, sha256: tuple[str, str], transfers: Mapping[str, LightRow]) -> Transfer | None:
    """The measured transfer of a pair, found by its pictures; None if it was not measured.

    Args:
        pair_id: Id of the pair.
        sha256: Digests of its files, blurry and sharp.
        transfers: Rows by pair id, see :func:`transfers_of`.

    Raises:
        ManifestError: The pictures measured under this id are other ones.
    """
    measured = row_of(pair_id, sha256, transfers)
    return None if measured is None else measured.transfer


def match_sharp(
    sharp: Photograph, pair_id: str, sha256: tuple[str, str], transfers: Mapping[str, LightRow]
) -> Photograph:
    """``sharp`` in the light of its blurry picture, exact to a step of 16 bits.

    Args:
        sharp: Sharp picture, as captured or registered.
        pair_id: Id of its pair.
        sha256: Digests of the files, blurry and sharp.
        transfers: Rows by pair id, see :func:`transfers_of`.

    Raises:
        ImageError: The pair was not measured.
        ManifestError: The pictures measured under this id are other ones.
    """
    transfer = transfer_of(pair_id, sha256, transfers)
    if transfer is None:
        raise ImageError(f"{pair_id}: its light was not measured. Analyze it, or prepare without --match.")
    if transfer.model is Match.NONE:
        note = f"not matched in light: {transfer.reason or 'not measured'}"
    else:
        gains = ", ".join(f"{gain:.4f}" for gain in transfer.gains)
        doubt = f"; in doubt: {'; '.join(transfer.match_doubts)}" if transfer.match_doubts else ""
        note = f"matched in light by {transfer.model.value}, gains ({gains}){doubt}"
    message = f"{sharp.message}; {note}" if sharp.message else note
    pixels = sharp.pixels if transfer.model is Match.NONE else _through(sharp, transfer)
    return dataclasses.replace(sharp, pixels=pixels, message=message)


def _through(photograph: Photograph, transfer: Transfer) -> Any:
    return np.ascontiguousarray(from_float(transfer.apply(to_float(photograph.pixels)), photograph.bit_depth))
