"""Parquet as Hugging Face's ``datasets`` reads it: ``data/SPLIT-00000-of-00002.parquet``.

``blurry`` and ``sharp`` are structures of PNG bytes and a name; the file's metadata says that they are pictures, so
``load_dataset`` decodes them. Pillow, which it decodes with, has no 16-bit RGB: of a 16-bit set it gives 8 bits, and
the bytes give 16 (``Image(decode=False)``). Row groups are small, so that a picture is read without its neighbours.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.storage.files import sealed
from sdd_bench.core.storage.tables import columns
from sdd_bench.prepared.export.folders import HF_NAMES, Written
from sdd_bench.prepared.export.records import Facts, Piece, Record, records_of

_GROUP_BYTES, _GROUP_ROWS = 16_000_000, 64
"""Limits of a row group."""
_HF_TYPES = {str: "string", int: "int64", float: "float64"}


def parquet_path(piece: Piece) -> Path:
    """The file of a piece."""
    return piece.out / "data" / f"{HF_NAMES[piece.split]}-{piece.number:05d}-of-{piece.total:05d}.parquet"


def export_parquet(piece: Piece) -> Written:
    """Write a piece as a file of Parquet, a row group in memory at a time.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError("Parquet needs pyarrow: pip install 'sdd-bench[parquet]'.") from error
    path = parquet_path(piece)
    if path.is_file():
        return Written(piece.split, piece.number, 0, 1)
    schema = _schema()
    with (
        sealed(path) as partial,
        pq.ParquetWriter(partial, schema, compression="none", use_dictionary=False, write_statistics=False) as writer,
    ):
        group: list[Record] = []
        n_bytes = 0
        for record in records_of(piece):
            group.append(record)
            n_bytes += len(record.blurry) + len(record.sharp)
            if n_bytes >= _GROUP_BYTES or len(group) >= _GROUP_ROWS:
                writer.write_table(_table(group, schema))
                group, n_bytes = [], 0
        if group:
            writer.write_table(_table(group, schema))
    return Written(piece.split, piece.number, 1, 0)


def _schema() -> Any:
    import pyarrow as pa

    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    others = {name: kind for name, (kind, _) in columns(Facts).items()}
    features: dict[str, Any] = {side: {"_type": "Image"} for side in ("blurry", "sharp")}
    features |= {name: {"dtype": _HF_TYPES[kind], "_type": "Value"} for name, kind in others.items()}
    fields = [("blurry", picture), ("sharp", picture), *((name, kinds[kind]) for name, kind in others.items())]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _table(group: list[Record], schema: Any) -> Any:
    import pyarrow as pa

    rows = [
        {
            "blurry": {"bytes": record.blurry, "path": f"{record.facts.name}.png"},
            "sharp": {"bytes": record.sharp, "path": f"{record.facts.name}.png"},
            **dataclasses.asdict(record.facts),
        }
        for record in group
    ]
    return pa.Table.from_pylist(rows, schema=schema)
