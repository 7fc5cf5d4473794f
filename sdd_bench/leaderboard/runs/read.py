"""Reading of a run folder that is submitted to a table, with checks of its seal and form.

The results of ``sdd-bench evaluate`` are trusted only as far as they can be checked: ``run.json`` seals the other files
by their SHA-256, and the means of ``summary.json`` must be those of ``per_image.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.storage import documents
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.storage.tables import Form, read_table
from sdd_bench.evaluation.per_image import ImageRow

SCHEMA = 1
FORM = Form(LeaderboardError, "Run sdd-bench evaluate again.")
"""Of ``per_image.csv``."""
_SHA256 = 64
"""Characters of a digest in hex."""
_SHAPE = {
    "method": str,
    "dataset": {"name": str, "split": str, "pixels_sha256": str},
    "complete": bool,
    "n_images": documents.COUNT,
    "n_expected": documents.COUNT,
    "bit_depth": (int, str),
    "resize": str,
    "crop": str,
    "warp": str,
    "signature": {"*": str},
    "scores": {"*": {"*": {"*": dict}}},
    "drift_px": dict,
    "flow": {"name": str},
    "provenance": {"options": dict},
    "problems": [{"item": str, "reason": str}],
}
"""Shape of ``summary.json``."""


class RunFiles(NamedTuple):
    """Paths of the three files of a run, in its own folder or kept beside a table."""

    figures: Path
    summary: Path
    seal: Path

    @classmethod
    def within(cls, folder: Path) -> RunFiles:
        """Paths in a run folder, by the names that ``sdd-bench evaluate`` gives."""
        return cls(folder / "per_image.csv", folder / "summary.json", folder / "run.json")


@dataclass(frozen=True)
class Run:
    """A run whose files match its seal."""

    files: RunFiles
    run_sha256: str
    summary: Mapping[str, Any]
    rows: tuple[ImageRow, ...]

    @property
    def folder(self) -> Path:
        """Folder of the run's files."""
        return self.files.seal.parent

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.summary["method"])

    @property
    def dataset(self) -> str:
        """Name of the scored set."""
        return str(self.summary["dataset"]["name"])


def read_rows(path: Path) -> tuple[ImageRow, ...]:
    """Read a ``per_image.csv``.

    Raises:
        LeaderboardError: The file cannot be read, or is no such table.
    """
    return tuple(read_table(path, ImageRow, FORM).values())


def read_run(folder: Path) -> Run:
    """Read a run folder and check its seal.

    Raises:
        LeaderboardError: The folder holds no finished run, or one of another schema or changed since it was sealed.
    """
    files = RunFiles.within(folder)
    if not files.seal.is_file():
        raise LeaderboardError(f"{folder}: expected a finished run (no run.json). Run sdd-bench evaluate to its end.")
    return read_files(files, next_step="Run sdd-bench evaluate again.")


def read_files(files: RunFiles, *, next_step: str) -> Run:
    """Read the files of a run and check its seal.

    Args:
        files: Paths of the files.
        next_step: Advice for a file that is missing or was changed, for the error.

    Raises:
        LeaderboardError: The files are no run, of another schema, or changed since they were sealed.
    """
    hashes = read_json(files.seal).get("files")
    if not isinstance(hashes, dict):
        raise LeaderboardError(f"{files.seal}: expected a list of files with their SHA-256. {next_step}")
    for name, path in (("per_image.csv", files.figures), ("summary.json", files.summary)):
        if not path.is_file():
            raise LeaderboardError(f"{path}: missing from the run. {next_step}")
        found = sha256_of(path)
        if found != hashes.get(name):
            raise LeaderboardError(
                f"{path}: changed since the run was sealed: expected sha256 {str(hashes.get(name))[:_SHA256]}, "
                f"got {found}. {next_step}"
            )
    summary = read_json(files.summary)
    if summary.get("schema") != SCHEMA:
        raise LeaderboardError(f"{files.summary}: expected schema {SCHEMA}, got {summary.get('schema')!r}.")
    if wrong := documents.misfit(summary, _SHAPE):
        raise LeaderboardError(f"{files.summary}: {wrong}. Run sdd-bench evaluate again.")
    return Run(files, sha256_of(files.seal), summary, read_rows(files.figures))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a run.

    Raises:
        LeaderboardError: The file cannot be read, or holds no JSON object.
    """
    value: dict[str, Any] = documents.read_json(path, dict, LeaderboardError, "Run sdd-bench evaluate again.")
    return value
