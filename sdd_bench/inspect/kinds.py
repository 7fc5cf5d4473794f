"""The kind of a path: everything that a command writes or reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from sdd_bench.captures.recognise import candidates
from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage.documents import read_json
from sdd_bench.inspect.files import PICTURE_SUFFIXES, TEXT_SUFFIXES, TEXTS, row_of_table
from sdd_bench.prepared.export.options import EXPORT_JSON
from sdd_bench.prepared.manifest import is_prepared

RUN_JSON = "run.json"
OPTIONS_JSON = "options.json"
"""File with the options of a training run, in its folder."""


class Kind(StrEnum):
    """Kinds that ``info`` and ``validate`` understand."""

    DATASET = "prepared dataset"
    EXPORT = "export of a dataset"
    CAPTURES = "pairs of pictures"
    SHARD = "shard"
    FLOW = "flow of a dataset"
    RUN = "run"
    TRAINING = "training run"
    TRAINING_CHECKPOINT = "checkpoint of a training run"
    SAFETENSORS = "safetensors"
    CHECKPOINT = "checkpoint"
    PROGRAM = "exported program"
    PREDICTIONS = "predictions"
    BLUR_MAPS = "blur maps"
    ANALYSIS = "analysis"
    RUN_WITHOUT_TRUTH = "run without ground truth"
    BOARDS = "leaderboards"
    PAGES = "pages"
    CACHE = "cache of evaluate"
    COLLECTION = "folder of results"
    TABLE = "table"
    DOCUMENT = "document"
    FLOW_FILE = "flow file"
    ARRAY = "array"
    PICTURE = "picture"
    BUNDLE = "bundle"
    ARCHIVE = "archive of records"
    PAGE = "page"
    TEXT = "text"


_SUFFIXES = {
    ".h5": Kind.SHARD,
    ".hdf5": Kind.SHARD,
    ".safetensors": Kind.SAFETENSORS,
    ".ckpt": Kind.CHECKPOINT,
    ".pt": Kind.CHECKPOINT,
    ".pth": Kind.CHECKPOINT,
    ".pt2": Kind.PROGRAM,
    ".json": Kind.DOCUMENT,
    ".toml": Kind.DOCUMENT,
    ".flo": Kind.FLOW_FILE,
    ".npy": Kind.ARRAY,
    ".zip": Kind.BUNDLE,
    ".tar": Kind.ARCHIVE,
    ".html": Kind.PAGE,
    **dict.fromkeys(sorted(TEXT_SUFFIXES), Kind.TEXT),
    **dict.fromkeys(sorted(PICTURE_SUFFIXES), Kind.PICTURE),
}
_MARKS = {
    "predict.json": Kind.PREDICTIONS,
    "blur_map.json": Kind.BLUR_MAPS,
    "misalignment.csv": Kind.ANALYSIS,
}
"""Files that only one kind of folder has."""
_MOST_CHILDREN = 200
_CACHED = re.compile(r"[0-9a-f]{64}\.[a-z]+")


def kind_of(path: Path) -> Kind:
    """Kind of ``path``, by its name and the files in it. The content is not checked.

    Raises:
        ManifestError: The path is missing or of no known kind.

    Example:
        >>> from sdd_bench.weights import path
        >>> str(kind_of(path("pwcnet")))
        'safetensors'
    """
    if not path.exists():
        raise ManifestError(f"{path}: does not exist.")
    if is_prepared(path):
        return Kind.DATASET
    if (path / EXPORT_JSON).is_file() or (path.name == EXPORT_JSON and path.is_file()):
        return Kind.EXPORT
    if (path / RUN_JSON).is_file() or (path.name == RUN_JSON and path.is_file()):
        return Kind.RUN
    if (path / "config.toml").is_file() and ((path / OPTIONS_JSON).is_file() or (path / "checkpoints").is_dir()):
        return Kind.TRAINING
    if (path / "state.pt").is_file():
        return Kind.TRAINING_CHECKPOINT
    if path.is_file() and path.suffix.lower() in _SUFFIXES:
        return Kind.FLOW if path.name.startswith("flow-") and path.suffix == ".h5" else _SUFFIXES[path.suffix.lower()]
    if path.is_file() and path.name in TEXTS:
        return Kind.TEXT
    if path.is_file() and path.suffix.lower() == ".csv" and row_of_table(path):
        return Kind.TABLE
    if path.is_dir() and (kind := _kind_of_results(path)):
        return kind
    if (path.is_file() and path.suffix.lower() in (".csv", ".parquet")) or (path.is_dir() and candidates(path)):
        return Kind.CAPTURES
    if path.is_dir() and next(known_within(path), None):
        return Kind.COLLECTION
    raise ManifestError(
        f"{path}: expected a prepared set (a folder with dataset.json), a run (a folder with {RUN_JSON}), a training "
        "run (a folder with config.toml and options.json), one of its checkpoints, an export, predictions, blur maps, "
        "an analysis, leaderboards, pages, a cache, captures in a known layout, a CSV of pairs, Parquet, a folder of "
        f"such folders, or a file {', '.join(_SUFFIXES)}. A set or run without its JSON is unfinished: run the command "
        "that made it again."
    )


def known_within(folder: Path) -> Iterator[tuple[Path, Kind]]:
    """The subfolders of a known kind, with their kind; folders that hold such folders again are among them."""
    children = sorted(child for child in folder.iterdir() if child.is_dir() and not child.is_symlink())
    for child in children[:_MOST_CHILDREN]:
        try:
            yield child, kind_of(child)
        except ManifestError:
            continue


def _kind_of_results(folder: Path) -> Kind | None:
    """Kind of a folder of results, by the files in it."""
    for name, kind in _MARKS.items():
        if (folder / name).is_file():
            return kind
    options = folder / OPTIONS_JSON
    if options.is_file() and (folder / "summary.json").is_file() and _says(options, "kind") == "no-truth":
        return Kind.RUN_WITHOUT_TRUTH
    if (folder / "index.html").is_file():
        return Kind.PAGES
    below = folder / "registered"
    if any(_CACHED.fullmatch(path.name) for place in (folder, below) if place.is_dir() for path in place.iterdir()):
        return Kind.CACHE
    for table in sorted(folder.glob("*.csv")):
        if (found := row_of_table(table)) and found[0] == "leaderboard":
            return Kind.BOARDS
    return None


def _says(path: Path, key: str) -> object:
    try:
        return read_json(path, dict, ManifestError, "").get(key)
    except ManifestError:
        return None
