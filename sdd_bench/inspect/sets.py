"""What exports, folders of captures and Parquet hold, and whether they are whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdd_bench.captures.layouts import read_layout
from sdd_bench.captures.links import links_of_pairs
from sdd_bench.captures.metadata.parquet import content_of, find_parquet, open_parquet, picture_columns, split_of_file
from sdd_bench.core.errors import ImageError, ManifestError, SddBenchError, reason_of
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import Pair, Problem
from sdd_bench.images.formats.header import format_of
from sdd_bench.images.pair import read_headers
from sdd_bench.images.photograph import read_header
from sdd_bench.prepared.export.options import EXPORT_JSON, SUMS
from sdd_bench.prepared.leaks import leaks_of_pairs
from sdd_bench.prepared.manifest import check_file_name
from sdd_bench.prepared.open import open_pictures

_SHOWN = 5


def describe_export(path: Path) -> dict[str, Any]:
    """What an export says of itself.

    Raises:
        ManifestError: Its seal is damaged.
    """
    root = path if path.is_dir() else path.parent
    shape = {"format?": str, "only?": str, "dataset_sha256?": str}
    seal = read_json(root / EXPORT_JSON, shape, ManifestError, "Export the set again.")
    form = seal.get("format", "sdd")
    files = [file for file in root.rglob("*") if file.is_file()]
    described = {
        "format": form,
        "only": seal.get("only", "all"),
        "dataset_sha256": seal.get("dataset_sha256"),
        "n_files": len(files),
        "n_bytes": sum(file.stat().st_size for file in files),
        "finished": (root / SUMS).is_file(),
    }
    if form == "parquet":
        described |= _describe_parquet(root)
    return described


def describe_captures(path: Path) -> dict[str, Any]:
    """What a folder, a CSV or Parquet of pairs holds; Parquet is not unpacked.

    Raises:
        SddBenchError: The pairs cannot be read.
    """
    if find_parquet(path):
        return {"layout": "hf-parquet", **_describe_parquet(path)}
    try:
        found = read_layout(path)
    except SddBenchError as error:
        try:
            pictures = open_pictures(path, split=None)
        except SddBenchError:
            raise error from None
        if pictures.has_truth:
            raise
        splits = Counter(picture.split.value for picture in pictures.pictures)
        return {"layout": pictures.layout, "sharp_pictures": False, "n_pictures": dict(splits)}
    pairs = found.pairs
    described: dict[str, Any] = {
        "layout": found.layout,
        "why": found.why,
        "n_pairs": dict(Counter(pair.split.value for pair in pairs)),
        "n_sharp_pictures": len({pair.sharp_path for pair in pairs}),
        "n_scenes": len({pair.scene for pair in pairs if pair.scene}),
        "groups": dict(Counter(pair.group for pair in pairs if pair.group)),
        "first_pair": f"{pairs[0].blurry_path.relative_to(found.root)} - {pairs[0].sharp_path.relative_to(found.root)}",
        "n_left_out": len(found.problems),
        "left_out": [f"{problem.item}: {problem.reason}" for problem in found.problems[:_SHOWN]],
        "warnings": [
            f"{problem.item}: {problem.reason}" for problem in [*links_of_pairs(found), *leaks_of_pairs(found)]
        ],
    }
    try:
        header = read_header(pairs[0].blurry_path)
        described["first_picture"] = f"{header.format} {header.width}x{header.height}, {header.bit_depth} bits"
    except ImageError as error:
        described["first_picture"] = str(error)
    return described


def _describe_parquet(root: Path) -> dict[str, Any]:
    n_rows: Counter[str] = Counter()
    described: dict[str, Any] = {}
    for path in find_parquet(root):
        with open_parquet(path) as file:
            n_rows[split_of_file(path) or "not named"] += file.metadata.num_rows
            if described or not file.metadata.num_rows:
                continue
            columns = picture_columns(path, file, None)
            batch = next(file.iter_batches(batch_size=1, columns=list(columns)))
            row = batch.to_pylist()[0]
            kinds = []
            for column in columns:
                try:
                    kinds.append(format_of(content_of(row[column])) or "no picture format that is known")
                except ValueError as error:
                    kinds.append(str(error))
            described = {"columns": list(columns), "first_row": kinds, "all_columns": file.schema_arrow.names}
    return {"n_rows": dict(n_rows), **described}


def check_export(path: Path) -> tuple[int, list[Problem]]:
    """Number of files of an export, and what is missing, changed or does not belong to it."""
    root = path if path.is_dir() else path.parent
    try:
        lines = (root / SUMS).read_text(encoding="utf-8").splitlines()
        listed = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    except (OSError, UnicodeDecodeError) as error:
        return 0, [Problem(str(root / SUMS), f"missing or damaged ({reason_of(error)}): the export is not finished")]
    problems = []
    for name, sha256 in listed.items():
        file = root / name
        try:
            check_file_name(name)
        except ValueError as error:
            problems.append(Problem(str(root / SUMS), str(error)))
            continue
        if not file.is_file():
            problems.append(Problem(str(file), "is missing"))
        elif (found := sha256_of(file)) != sha256:
            reason = f"was changed: sha256 is {found[:12]}..., expected {sha256[:12]}..."
            problems.append(Problem(str(file), reason))
    there = (file for file in sorted(root.rglob("*")) if file.is_file() and file.name != SUMS)
    extra = [file for file in there if file.relative_to(root).as_posix() not in listed]
    problems += [Problem(str(file), f"is not listed in {SUMS}") for file in extra]
    return len(listed), problems


def check_captures(path: Path) -> tuple[int, list[Problem], list[Problem]]:
    """Number of pairs, what cannot be used by its header or forms no pair, and what makes scores worthless."""
    found = read_layout(path)
    problems = [*found.problems, *(problem for pair in found.pairs for problem in _check_pair(pair))]
    return 2 * len(found.pairs), problems, [*links_of_pairs(found), *leaks_of_pairs(found)]


def _check_pair(pair: Pair) -> Iterator[Problem]:
    try:
        read_headers(pair.blurry_path, pair.sharp_path)
    except ImageError as error:
        yield Problem(pair.pair_id, str(error))
