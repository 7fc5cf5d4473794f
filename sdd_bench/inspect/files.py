"""Single files that commands write or read: tables, JSON, flows, arrays, pictures, bundles, archives, text."""

from __future__ import annotations

import csv
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sdd_bench.core.config import toml_values
from sdd_bench.core.errors import ManifestError, SddBenchError, reason_of
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.storage.tables import Form, columns, read_table
from sdd_bench.core.types import Problem
from sdd_bench.images.photograph import IMAGE_SUFFIXES, RAW_SUFFIXES, read_photograph

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_FORM = Form(ManifestError, "Run the command that wrote it again.")
PICTURE_SUFFIXES = IMAGE_SUFFIXES | RAW_SUFFIXES | {".webp", ".svg"}
TEXT_SUFFIXES = frozenset({".md", ".tex", ".jsonl"})
TEXTS = ("SHA256SUMS", "meta_info.txt")
"""Names of texts without such a suffix."""
_SHOWN = 12
_EXPORTED = "leaderboard for a spreadsheet"
_TELLING = {
    _EXPORTED: {"dataset", "kind", "method", "trained_on", "metrics_note"},
    "leaderboard": {"method", "dataset", "ground_truth", "n_images", "source"},
    "misalignment of pairs": {"pair_id", "zoom", "shift_x_px", "rotation_deg", "rms_px"},
    "blur maps": {"name", "mean_sigma_px"},
    "extra measures": {"method", "image", "measure", "value"},
    "scores of pictures": {"method", "image", "ground_truth"},
    "pictures without ground truth": {"method", "image", "drift_px"},
    "pairs of a prepared set": {"pair_id", "split", "blurry_path", "sharp_path"},
    "scenes": {"split", "name", "scene"},
}
"""Columns that every version of a table has, by which it is told from a list that a user wrote."""


def row_of_table(path: Path) -> tuple[str, type[DataclassInstance] | None] | None:
    """Name and row of a table that this package writes, by its heading; None for another CSV.

    What ``leaderboard export --format csv`` writes has a column per ground truth and metric, and no row of its own.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            heading = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    for name, row in _tables().items():
        if _TELLING[name] <= set(heading) <= set(columns(row)):
            return name, row
    return (_EXPORTED, None) if _TELLING[_EXPORTED] <= set(heading) else None


def _tables() -> dict[str, type[DataclassInstance]]:
    from sdd_bench.analysis.table import Row
    from sdd_bench.captures.csv_pairs import SceneRow
    from sdd_bench.defocus.run import BlurRow
    from sdd_bench.evaluation.extras.scores import ExtraRow
    from sdd_bench.evaluation.no_truth.run import NoTruthRow
    from sdd_bench.evaluation.per_image import ImageRow
    from sdd_bench.leaderboard.tables.schema import Entry
    from sdd_bench.prepared.manifest import PairRow

    return {
        "leaderboard": Entry,
        "misalignment of pairs": Row,
        "blur maps": BlurRow,
        "extra measures": ExtraRow,
        "scores of pictures": ImageRow,
        "pictures without ground truth": NoTruthRow,
        "pairs of a prepared set": PairRow,
        "scenes": SceneRow,
    }


def describe_table(path: Path) -> dict[str, Any]:
    """What a table is of, its columns and its length."""
    found = row_of_table(path)
    assert found is not None
    name, row = found
    if row is None:
        lines = _cells(path)
        return {"table": name, "n_rows": len(lines) - 1, "columns": lines[0]}
    rows = list(read_table(path, row, _FORM).values())
    described: dict[str, Any] = {"table": name, "n_rows": len(rows), "columns": list(columns(row))}
    for column in ("method", "split", "source", "kind", "trusted"):
        if column in columns(row):
            counts = Counter(str(getattr(one, column)) for one in rows)
            described[f"by_{column}"] = dict(counts.most_common(_SHOWN))
    return described


def check_table(path: Path) -> tuple[int, list[Problem]]:
    """Every cell of a table is of its column's kind; a leaderboard agrees with the runs beside it."""
    found = row_of_table(path)
    assert found is not None
    try:
        _cells(path) if found[1] is None else read_table(path, found[1], _FORM)
    except SddBenchError as error:
        return 1, [Problem(str(path), str(error).removeprefix(f"{path}: "))]
    if found[0] != "leaderboard":
        return 1, []
    from sdd_bench.leaderboard.tables.verify import verify

    return 1, [Problem(str(path), problem.reason) for problem in verify(path.parent) if problem.item == path.name]


def _cells(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    if any(len(line) != len(lines[0]) for line in lines):
        raise ManifestError(f"{path}: a row has more or fewer cells than the heading. Export it again.")
    return lines


def describe_document(path: Path) -> dict[str, Any]:
    """The keys of a JSON or TOML file, and its short values."""
    value = _document(path)
    if not isinstance(value, dict):
        return {"n_values": len(value) if isinstance(value, list) else 1}
    plain = {key: one for key, one in value.items() if isinstance(one, (str, int, float, bool)) or one is None}
    return {"keys": list(value), "values": plain}


def check_document(path: Path) -> tuple[int, list[Problem]]:
    """Whether a JSON or TOML file can be read."""
    try:
        _document(path)
    except SddBenchError as error:
        return 1, [Problem(str(path), str(error).removeprefix(f"{path}: "))]
    return 1, []


def _document(path: Path) -> Any:
    if path.suffix == ".toml":
        return toml_values(path)
    return read_json(path, object, ManifestError, "Run the command that wrote it again.")


def describe_flow_file(path: Path) -> dict[str, Any]:
    """Size and length of a flow."""
    from sdd_bench.flow.flo import UNKNOWN_FROM, read_flo

    flow = read_flo(path)
    known = (np.abs(flow) < UNKNOWN_FROM).all(axis=0) & np.isfinite(flow).all(axis=0)
    length = np.hypot(*flow)[known]
    return {
        "width": flow.shape[2],
        "height": flow.shape[1],
        "known_share": round(float(known.mean()), 4),
        "mean_px": round(float(length.mean()), 4) if length.size else None,
        "longest_px": round(float(length.max()), 4) if length.size else None,
    }


def check_flow_file(path: Path) -> tuple[int, list[Problem]]:
    """Whether a flow can be read, and holds no NaN."""
    from sdd_bench.flow.flo import read_flo

    return 1, list(_problems(path, lambda: _finite(read_flo(path))))


def describe_array(path: Path) -> dict[str, Any]:
    """Shape and kind of an array of NumPy."""
    values = _array(path)
    return {"shape": list(values.shape), "dtype": str(values.dtype)}


def check_array(path: Path) -> tuple[int, list[Problem]]:
    """Whether an array can be read, and holds no NaN or infinite number."""
    return 1, list(_problems(path, lambda: _finite(_array(path))))


def _array(path: Path) -> Any:
    from sdd_bench.core.storage.npy import read_npy

    try:
        return read_npy(path)
    except (OSError, ValueError, EOFError) as error:
        raise ManifestError(f"{path}: no array of NumPy, or damaged ({reason_of(error)}).") from error


def describe_picture(path: Path) -> dict[str, Any]:
    """Size and bit depth of a picture."""
    if path.suffix.lower() == ".svg":
        _read_svg(path)
        return {"format": "SVG", "n_bytes": path.stat().st_size}
    pixels = _pixels(path)
    height, width = pixels.shape[:2]
    return {"width": width, "height": height, "bits": 8 * pixels.dtype.itemsize, "sha256": sha256_of(path)}


def check_picture(path: Path) -> tuple[int, list[Problem]]:
    """Whether all of a picture can be decoded."""
    reader = _read_svg if path.suffix.lower() == ".svg" else _pixels
    return 1, list(_problems(path, lambda: reader(path)))


def _pixels(path: Path) -> Any:
    if path.suffix.lower() in (".tif", ".tiff", ".webp"):
        try:
            if path.suffix.lower() == ".webp":
                from PIL import Image

                with Image.open(path) as picture:
                    return np.asarray(picture)
            import tifffile

            values = tifffile.imread(path)  # a map of circles of confusion is no photograph
            if values.ndim == 2 and values.dtype.kind == "f":
                return values
        except Exception as error:  # whatever a damaged picture leads its reader to
            raise ManifestError(f"{path}: cannot be decoded ({error!r:.200}).") from error
    return read_photograph(path).pixels


def _read_svg(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    if "<svg" not in text or not text.rstrip().endswith("</svg>"):
        raise ManifestError(f"{path}: no SVG, or cut short. Draw it again.")


def describe_bundle(path: Path) -> dict[str, Any]:
    """Method and set of a submission."""
    from sdd_bench.leaderboard.bundle import opened

    with opened(path) as bundle:
        n_predictions = sum(file.is_file() for file in bundle.predictions.iterdir())
        return {
            "method": bundle.run.method,
            "dataset": bundle.run.dataset,
            "run_sha256": bundle.run.run_sha256,
            "n_predictions": n_predictions,
        }


def check_bundle(path: Path) -> tuple[int, list[Problem]]:
    """As ``leaderboard verify --bundle``."""
    from sdd_bench.leaderboard.bundle import verify_bundle

    try:
        return 1, verify_bundle(path)
    except SddBenchError as error:
        return 1, [Problem(str(path), str(error).removeprefix(f"{path}: "))]


def describe_archive(path: Path) -> dict[str, Any]:
    """How many records a tar archive of ``export --format webdataset`` holds."""
    names = [name for name, _ in _members(path)]
    kinds = Counter(name.partition(".")[2] for name in names)
    return {"n_files": len(names), "kinds": dict(kinds), "first": names[:3]}


def check_archive(path: Path) -> tuple[int, list[Problem]]:
    """Whether every member of an archive can be read, and every record has both pictures."""
    try:
        names = [name for name, _ in _members(path)]
    except ManifestError as error:
        return 1, [Problem(str(path), str(error).removeprefix(f"{path}: "))]
    kinds: dict[str, set[str]] = {}
    for name in names:
        kinds.setdefault(name.partition(".")[0], set()).add(name.partition(".")[2])
    problems = [
        Problem(f"{path.name}: {key}", "lacks a picture; export the set again")
        for key, there in kinds.items()
        if not {"blurry.png", "sharp.png"} <= there
    ]
    return len(names), problems


def _members(path: Path) -> Iterator[tuple[str, int]]:
    """Name and size of every member; all of each is read."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member)
                size = 0
                while file is not None and (part := file.read(1 << 20)):
                    size += len(part)
                yield member.name, size
    except Exception as error:  # whatever a damaged archive leads its reader to
        raise ManifestError(f"{path}: cut short, or no tar archive ({reason_of(error)}). Export it again.") from error


def describe_text(path: Path) -> dict[str, Any]:
    """The heading and length of a card or another text."""
    lines = _text(path).splitlines()
    heading = next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), "")
    return {"heading": heading or next(iter(lines), "")[:80], "n_lines": len(lines)}


def check_text(path: Path) -> tuple[int, list[Problem]]:
    """Whether a text is UTF-8; the checksums of an export or of others are compared with the files."""
    problems = list(_problems(path, lambda: _text(path)))
    if path.name == "SHA256SUMS" and not problems:
        from sdd_bench.inspect.sets import check_export

        return check_export(path.parent)
    return 1, problems


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as UTF-8 text ({reason_of(error)}).") from error


def _finite(values: Any) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ManifestError("holds NaN or infinite numbers")


def _problems(path: Path, read: Callable[[], Any]) -> Iterator[Problem]:
    try:
        read()
    except (SddBenchError, OSError) as error:
        yield Problem(str(path), str(error).removeprefix(f"{path}: "))
