"""WebDataset: archives ``SPLIT-000000.tar`` of ``KEY.blurry.png``, ``KEY.sharp.png`` and ``KEY.json``.

A key is the number of the record in its archive, with the archive's number before it; the JSON holds name, pair, scene
and figures. Headers hold no date and no owner, so the same set gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from pathlib import Path

from sdd_bench.core.storage.files import sealed
from sdd_bench.prepared.export.folders import HF_NAMES, Written
from sdd_bench.prepared.export.records import Piece, records_of


def webdataset_path(piece: Piece) -> Path:
    """The archive of a piece."""
    return piece.out / f"{HF_NAMES[piece.split]}-{piece.number:06d}.tar"


def export_webdataset(piece: Piece) -> Written:
    """Write a piece as an archive."""
    path = webdataset_path(piece)
    if path.is_file():
        return Written(piece.split, piece.number, 0, 1)
    with sealed(path) as partial, tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number, record in enumerate(records_of(piece)):
            key = f"{piece.number:06d}{number:06d}"
            facts = json.dumps(dataclasses.asdict(record.facts), ensure_ascii=False).encode()
            for suffix, content in (("blurry.png", record.blurry), ("sharp.png", record.sharp), ("json", facts)):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return Written(piece.split, piece.number, 1, 0)
