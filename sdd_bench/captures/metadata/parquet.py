"""A local copy of a Hugging Face set in Parquet: two columns of picture bytes.

The pictures are unpacked once, byte for byte, into the user's cache folder (``SDD_BENCH_CACHE``); from there everything
reads them as files. A few rows are in memory at a time. The split is the start of a file's name
(``train-00000-of-00004.parquet``). The columns ``pair_id`` or ``name``, ``scene``, ``group``, ``f_number`` are read.

Some sets hold JPEG although their originals are 16-bit PNG; a note says how many pictures are JPEG.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from sdd_bench.captures.folders import Found
from sdd_bench.captures.metadata.columns import choose_columns, split_called
from sdd_bench.captures.metadata.imagefolder import read_imagefolder
from sdd_bench.core.errors import ConfigError, PairingError, reason_of
from sdd_bench.core.storage.documents import COUNT, read_json
from sdd_bench.core.storage.files import sealed, write_json
from sdd_bench.core.storage.tables import write_table
from sdd_bench.core.types import Problem, Split
from sdd_bench.images.formats.header import SUFFIXES, format_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_BATCH_ROWS = 4
"""Rows in memory at a time: eight pictures."""
_SEAL = "unpacked.json"
_SHAPE = {"problems": [[str]], "n_jpeg": COUNT, "n_renamed": COUNT}
_TEXTS = ("scene", "group", "f_number", "blurry_f_number")
_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class _Row:
    """A row of ``metadata.csv`` of the unpacked set."""

    blurry_file_name: str
    sharp_file_name: str
    split: str = ""
    scene: str = ""
    group: str = ""
    blurry_f_number: float | None = None


@dataclass
class _Unpacked:
    rows: list[_Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    names: set[tuple[Split | None, str]] = field(default_factory=set)
    n_jpeg: int = 0
    n_renamed: int = 0


def find_parquet(root: Path) -> list[Path]:
    """The Parquet files of a set, in its folder or in ``data``; of one file, itself.

    Example:
        >>> find_parquet(Path("no/such/folder"))
        []
    """
    if root.is_file():
        return [root] if root.suffix.lower() == ".parquet" else []
    return sorted(path for folder in (root, root / "data") for path in folder.glob("*.parquet") if path.is_file())


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet file, whose footer was read.

    Raises:
        ConfigError: pyarrow is not installed.
        PairingError: The file is damaged, cut short or of another kind.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError("Parquet needs pyarrow: pip install 'sdd-bench[parquet]'.") from error
    try:
        return pq.ParquetFile(path, memory_map=True, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise PairingError(f"{path}: damaged, cut short or not Parquet ({reason_of(error)}). Copy it again.") from error


def picture_columns(path: Path, file: pq.ParquetFile, given: tuple[str, str] | None) -> tuple[str, str]:
    """The blurry and the sharp column of a file: of bytes, or of ``{bytes, path}`` as Hugging Face stores pictures.

    Raises:
        PairingError: There are none, or their names do not tell blurry from sharp.
    """
    return choose_columns(str(path), [name for name, kind in _kinds(file).items() if kind is not None], given)


def _kinds(file: pq.ParquetFile) -> dict[str, bool | None]:
    """Of each column, whether it is a structure of bytes (True) or plain bytes (False); None: it holds no pictures."""
    import pyarrow as pa

    kinds: dict[str, bool | None] = {}
    for column in file.schema_arrow:
        kind = column.type
        if pa.types.is_struct(kind):
            inner = kind.get_field_index("bytes")
            kinds[column.name] = True if inner >= 0 and _is_bytes(kind.field(inner).type) else None
        else:
            kinds[column.name] = False if _is_bytes(kind) else None
    return kinds


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def split_of_file(path: Path) -> Split | None:
    """The split that the name of a file begins with; None if it says none.

    Example:
        >>> split_of_file(Path("data/validation-00000-of-00001.parquet"))
        <Split.VAL: 'val'>
    """
    return split_called(re.split(r"[-_.]", path.name)[0])


def read_parquet(root: Path, default_split: Split, columns: tuple[str, str] | None) -> Found:
    """The pairs of a set in Parquet, unpacked.

    Args:
        root: Folder of the set, or one file.
        default_split: Split of files whose name says none.
        columns: Names of the blurry and the sharp column; None: they are told by their names.

    Raises:
        ConfigError: pyarrow is not installed.
        PairingError: A file is damaged, or its columns do not tell blurry from sharp.
        OutputError: The pictures cannot be unpacked: the disk is full, or the cache folder is not writable.
    """
    files = find_parquet(root)
    folder = _folder_of(root, files, columns)
    if not (folder / _SEAL).is_file():
        unpacked = _Unpacked()
        for path in files:
            _unpack(path, folder, split_of_file(path), columns, unpacked)
        write_table(folder / "metadata.csv", _Row, unpacked.rows)
        values = {"problems": [[each.item, each.reason, each.split, each.pair] for each in unpacked.problems]}
        write_json(folder / _SEAL, values | {"n_jpeg": unpacked.n_jpeg, "n_renamed": unpacked.n_renamed})
    seal = read_json(folder / _SEAL, _SHAPE, PairingError, f"Remove {folder}, which is made anew.")
    found = read_imagefolder(folder, default_split, None)
    found.root = folder
    found.problems += [Problem(*each) for each in seal["problems"]]
    found.notes.append(f"the pictures were unpacked into {folder}, which may be removed when the work is done")
    if seal["n_jpeg"]:
        found.notes.append(
            f"{seal['n_jpeg']} of {2 * len(found.pairs)} pictures are JPEG, so they are not lossless: look whether the "
            "set has PNG elsewhere"
        )
    if seal["n_renamed"]:
        found.notes.append(f"{seal['n_renamed']} row(s) have the name of another row; their number was added to it")
    return found


def _folder_of(root: Path, files: list[Path], columns: tuple[str, str] | None) -> Path:
    """The folder for these files, as they are now."""
    states = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    key = json.dumps([str(root.resolve()), states, columns])
    named = os.environ.get("SDD_BENCH_CACHE")
    cache = Path(named) if named else user_cache_path("sdd-bench")
    return cache / "parquet" / f"{_plain(root.resolve().stem) or 'set'}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _unpack(path: Path, folder: Path, split: Split | None, given: tuple[str, str] | None, unpacked: _Unpacked) -> None:
    file = open_parquet(path)
    with file:
        columns = picture_columns(path, file, given)
        for number, row in enumerate(_rows(path, file, columns)):
            item = f"{path.name} row {number}"
            try:
                pictures = [_picture(row[column]) for column in columns]
            except ValueError as error:
                unpacked.problems.append(Problem(item, str(error), split or "", item))
                continue
            name = _name_of(row, columns[0], number)
            if (split, name) in unpacked.names:
                unpacked.n_renamed += 1
                name = f"{name}_{path.stem}_{number:06d}"
            unpacked.names.add((split, name))
            written = []
            for side, (content, suffix) in zip(("blurry", "sharp"), pictures, strict=True):
                target = folder / (split or "pictures") / side / f"{name}{suffix}"
                unpacked.n_jpeg += suffix == SUFFIXES["JPEG"][0]
                written.append(target.relative_to(folder).as_posix())
                if not target.is_file() or target.stat().st_size != len(content):
                    with sealed(target) as partial:
                        partial.write_bytes(content)
            number_f = row.get("blurry_f_number") or row.get("f_number")
            f_number = float(number_f) if isinstance(number_f, (int, float)) else None
            texts = [_text(row.get(column)) for column in ("scene", "group")]
            unpacked.rows.append(_Row(written[0], written[1], split or "", texts[0], texts[1], f_number))


def _rows(path: Path, file: pq.ParquetFile, columns: tuple[str, str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    there = set(file.schema_arrow.names)
    wanted = [*columns, *sorted(there & {*_TEXTS, "pair_id", "name"})]
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
            yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise PairingError(f"{path}: damaged ({reason_of(error)}). Copy it again.") from error


def content_of(cell: Any) -> bytes:
    """The bytes of a picture in a cell.

    Raises:
        ValueError: It has none.

    Example:
        >>> content_of({"bytes": b"PNG", "path": "a.png"})
        b'PNG'
    """
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes) or not content:
        where = f"; it names the file {cell['path']}" if isinstance(cell, dict) and cell.get("path") else ""
        raise ValueError(f"holds no bytes of a picture{where}")
    return content


def _picture(cell: Any) -> tuple[bytes, str]:
    """Bytes and suffix of a picture."""
    content = content_of(cell)
    kind = format_of(content)
    if kind not in SUFFIXES:
        raise ValueError(f"its {len(content)} bytes are {kind or 'no picture format that is known'}")
    return content, SUFFIXES[kind][0]


def _name_of(row: dict[str, Any], blurry: str, number: int) -> str:
    cell = row[blurry]
    hints = (row.get("name"), row.get("pair_id"), cell.get("path") if isinstance(cell, dict) else None)
    for hint in hints:
        if isinstance(hint, str) and (name := _plain(PurePosixPath(hint.replace("\\", "/")).name)):
            return name.rpartition(".")[0] or name if hint is hints[2] else name
    return f"{number:06d}"


def _plain(text: str) -> str:
    """``text`` as a part of a file's name that no system refuses."""
    return _NOT_IN_NAMES.sub("_", text).strip("._")[:100]


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())
