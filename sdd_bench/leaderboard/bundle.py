"""A submission as one file: the run, the predictions that it scored, and a readme.

::

    README.md           what it is and how to check it
    bundle.json         method, run and the sha256 of every other file
    run/                per_image.csv, summary.json, run.json, extras.csv where there is one
    predictions/        one file a picture

The same run and predictions give the same bytes. A bundle is data: nothing in it is run, and names that would lead out
of the folder are refused.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from sdd_bench import __version__
from sdd_bench.core.errors import LeaderboardError, reason_of
from sdd_bench.core.storage.files import sealed, sha256_of
from sdd_bench.core.types import Problem
from sdd_bench.evaluation.picture.match import SUFFIXES, match_names
from sdd_bench.leaderboard.runs.check import checks_of
from sdd_bench.leaderboard.runs.read import Run, read_json, read_run

SCHEMA = 1
MOST_BYTES = 200 << 30
"""Unpacked size beyond which a bundle is refused."""
_DATE = (1980, 1, 1, 0, 0, 0)
_RUN_FILES = ("per_image.csv", "summary.json", "run.json", "extras.csv")
_README = """# {method} on {dataset}

A submission made by sdd-bench {version}: the scores of {n} pictures, and the predictions that they are of.

    sdd-bench leaderboard verify --bundle THIS.zip                  # hashes, seal, means, all predictions there
    sdd-bench leaderboard verify --bundle THIS.zip --data DATASET   # and scores of a sample, computed again
    sdd-bench leaderboard add run --trained-on ...                  # after unzip

Run {run_sha256}.
"""


@dataclass(frozen=True)
class Bundle:
    """An unpacked bundle."""

    run: Run
    predictions: Path


def write_bundle(run_folder: Path, predictions: Path, out: Path) -> Path:
    """Pack a finished run and its predictions.

    Args:
        run_folder: Run folder of ``evaluate``.
        predictions: Folder of the predictions that it scored.
        out: File to write.

    Returns:
        ``out``.

    Raises:
        LeaderboardError: The run is not finished or was changed, or a prediction is missing or not the one scored.
        OutputError: ``out`` cannot be written.
    """
    run = read_run(run_folder)
    images = sorted({row.image for row in run.rows if row.method == run.method})
    suffix = run.summary.get("suffix")
    found = match_names(images, predictions, suffix=suffix).paths
    files = {f"run/{name}": run_folder / name for name in _RUN_FILES if (run_folder / name).is_file()}
    for image in images:
        if image not in found:
            raise LeaderboardError(f"{predictions}: has no prediction of {image}, which {run_folder} scored.")
        _check_scored(run_folder, image, found[image])
        files[f"predictions/{found[image].name}"] = found[image]
    facts = {
        "schema": SCHEMA,
        "tool_version": __version__,
        "method": run.method,
        "dataset": run.dataset,
        "run_sha256": run.run_sha256,
        "files": {name: sha256_of(path) for name, path in sorted(files.items())},
    }
    readme = _README.format(
        n=len(images), version=__version__, **{k: facts[k] for k in ("method", "dataset", "run_sha256")}
    )
    with sealed(out) as partial, zipfile.ZipFile(partial, "w") as archive:
        _add(archive, "README.md", readme.encode())
        _add(archive, "bundle.json", f"{json.dumps(facts, indent=2, ensure_ascii=False)}\n".encode())
        for name, path in sorted(files.items()):
            _add(archive, name, path.read_bytes())
    return out


def _check_scored(run_folder: Path, image: str, prediction: Path) -> None:
    """Refuse a prediction that is not the one whose record the run keeps."""
    record = run_folder / "pictures" / f"{image}.json"
    if record.is_file() and read_json(record).get("prediction_sha256") != sha256_of(prediction):
        raise LeaderboardError(f"{prediction}: is not the file that {run_folder} scored. Evaluate again, then bundle.")


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o644 << 16
    kind = zipfile.ZIP_STORED if name.startswith("predictions/") else zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, kind)


def verify_bundle(path: Path) -> list[Problem]:
    """Check a bundle: names, hashes, seal, contradictions of the run, and a prediction for every picture.

    Its set may be called as no table can be: who enters it says the table's name.

    Raises:
        LeaderboardError: It is no bundle, or its names or hashes are wrong, so that nothing of it can be believed.
    """
    with opened(path) as bundle:
        problems = [
            Problem(f"{path.name}: {check.what}", check.detail)
            for check in checks_of(bundle.run)
            if check.status == "missing" and check.what != "dataset"
        ]
        images = sorted({row.image for row in bundle.run.rows if row.method == bundle.run.method})
        suffix = bundle.run.summary.get("suffix")
        there = match_names(images, bundle.predictions, suffix=suffix).paths
        problems += [Problem(f"{path.name}: {image}", "no prediction") for image in images if image not in there]
        return problems


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """Unpack a bundle into a temporary folder, after its names and sizes were checked, and check its hashes.

    Raises:
        LeaderboardError: As :func:`verify_bundle`.
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            with zipfile.ZipFile(path) as archive:
                names = _names(path, archive)
                archive.extractall(folder, names)
        except LeaderboardError:
            raise
        except Exception as error:  # whatever a damaged archive leads its reader to
            raise LeaderboardError(
                f"{path}: cannot be read as a zip file ({reason_of(error)}). Get it again."
            ) from error
        facts = read_json(folder / "bundle.json")
        _check_hashes(path, folder, names, facts)
        run = read_run(folder / "run")
        if run.run_sha256 != facts.get("run_sha256"):
            raise LeaderboardError(f"{path}: bundle.json names another run than run/ holds. Bundle it again.")
        yield Bundle(run, folder / "predictions")


def _names(path: Path, archive: zipfile.ZipFile) -> list[str]:
    names = archive.namelist()
    for name in names:
        parts = PurePosixPath(name).parts
        known = name in ("README.md", "bundle.json") or (
            len(parts) == 2
            and (
                (parts[0] == "run" and parts[1] in _RUN_FILES) or (parts[0] == "predictions" and _is_picture(parts[1]))
            )
        )
        if not known or ".." in parts or "\\" in name:
            raise LeaderboardError(f"{path}: holds {name!r}, which no bundle does. Make it by leaderboard bundle.")
    if len(set(names)) != len(names):
        raise LeaderboardError(f"{path}: holds a file twice. Make it by leaderboard bundle.")
    if "bundle.json" not in names:
        raise LeaderboardError(f"{path}: expected bundle.json in it. Make it by leaderboard bundle.")
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MOST_BYTES:
        raise LeaderboardError(f"{path}: would unpack to {size >> 30} GiB; expected at most {MOST_BYTES >> 30}.")
    return names


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def _check_hashes(path: Path, folder: Path, names: list[str], facts: dict[str, Any]) -> None:
    listed = facts.get("files")
    if facts.get("schema") != SCHEMA or not isinstance(listed, dict):
        raise LeaderboardError(f"{path}: bundle.json is not of schema {SCHEMA}. Make it by leaderboard bundle.")
    there = {name for name in names if name not in ("README.md", "bundle.json")}
    apart = sorted(there ^ set(listed))
    if apart:
        raise LeaderboardError(f"{path}: bundle.json and the files differ ({', '.join(apart[:3])}). Get it again.")
    for name in sorted(there):
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != listed[name]:
            raise LeaderboardError(f"{path}: {name} was changed: expected {listed[name]}, got {found}. Get it again.")
