"""Whether an output folder may be continued: only the same work, of the same pictures, by the same libraries."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sdd_bench import __version__
from sdd_bench.core.errors import ManifestError, OutputError
from sdd_bench.core.files import output_errors, sha256_of, write_json
from sdd_bench.preparation.plan import PreparePlan
from sdd_bench.preparation.work import PLAN_JSON, part_path, read_part
from sdd_bench.prepared.manifest import DATASET_JSON, PARTS, Manifest, PairRow, read_manifest

_LIBRARIES = ("numpy", "opencv-python-headless", "h5py", "hdf5plugin", "blosc2")


def check_output(out: Path) -> None:
    """Refuse a folder that holds anything but a prepared set or what a killed run left.

    Raises:
        OutputError: It does, or is no folder.
    """
    with output_errors(out):
        entries = sorted(entry.name for entry in out.iterdir()) if out.exists() else []
    if entries and PARTS not in entries:
        raise OutputError(
            f"{out}: holds {entries[0]} and is no prepared set. Choose an empty folder, so that nothing is mixed."
        )


def begin(out: Path, planned: PreparePlan) -> str:
    """Write the plan down, or check that what was begun in ``out`` is the same work.

    A plan of which no unit was finished gives way to the new one.

    Returns:
        The sha256 of the plan: units know by it which run they belong to.

    Raises:
        ManifestError: Other work was begun there, or its pictures changed since.
    """
    wanted = {
        "tool_version": __version__,
        "libraries": {library: version(library) for library in _LIBRARIES},
        "options": planned.options.as_dict(),
        "bit_depth": planned.bit_depth,
        "layout": planned.source.layout,
        "listing_sha256": planned.listing_sha256,
    }
    path = out / PARTS / PLAN_JSON
    parts = [entry for entry in path.parent.glob("*.json") if entry != path]
    if not parts or not path.exists():
        write_json(path, wanted)
        return sha256_of(path)
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ManifestError(f"{path}: damaged ({error}). Remove {out} and run again.") from error
    _refuse_difference(out, begun, wanted, "begun")
    plan_sha256 = sha256_of(path)
    for unit in planned.units:
        part = read_part(out, unit.name, plan_sha256)
        if part is not None:
            _refuse_changed(out, part_path(out, unit.name), part.rows, planned)
    return plan_sha256


def check_finished(out: Path, planned: PreparePlan) -> Manifest:
    """The manifest of a finished set that is the work of ``planned``.

    Checked quickly: options, names and sizes are the same, pictures touched since have the same bytes, and every file
    of the set is there in its size.

    Raises:
        ManifestError: It is other work, of other pictures, or damaged.
    """
    manifest = read_manifest(out)
    made = {
        "options": manifest.options,
        "bit_depth": manifest.bit_depth,
        "layout": manifest.source.layout,
        "listing_sha256": manifest.source.listing_sha256,
    }
    wanted = {
        "options": planned.options.as_dict(),
        "bit_depth": planned.bit_depth,
        "layout": planned.source.layout,
        "listing_sha256": planned.listing_sha256,
    }
    _refuse_difference(out, made, wanted, "made")
    _refuse_changed(out, out / DATASET_JSON, manifest.pairs, planned)
    for record in manifest.files:
        path = out / record.name
        if not path.is_file() or path.stat().st_size != record.n_bytes:
            raise ManifestError(f"{path}: missing or cut short since the set was made. Prepare it again elsewhere.")
    return manifest


def _refuse_difference(out: Path, before: dict[str, Any], now: dict[str, Any], verb: str) -> None:
    differences = []
    for key, value in now.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            names = [name for name in value if value[name] != old.get(name)]
            differences += [f"{name} was {old.get(name)!r}, is now {value[name]!r}" for name in names]
        elif key == "listing_sha256" and old != value:
            differences.append("files were added, removed, renamed or changed in size in the source")
        elif old != value:
            differences.append(f"{key} was {old!r}, is now {value!r}")
    if differences:
        raise ManifestError(
            f"{out}: was {verb} differently: {'; '.join(differences)}. "
            "Run with what it was, or choose a new output folder."
        )


def _refuse_changed(out: Path, seal: Path, rows: tuple[PairRow, ...], planned: PreparePlan) -> None:
    """Names and sizes agree already; pictures touched after ``seal`` was written must have the bytes they had."""
    sealed_ns = seal.stat().st_mtime_ns
    for row in rows:
        for name, sha256 in ((row.blurry_path, row.blurry_sha256), (row.sharp_path, row.sharp_sha256)):
            path = planned.source.root / name
            status = path.stat()
            if sha256 and max(status.st_mtime_ns, status.st_ctime_ns) > sealed_ns and sha256_of(path) != sha256:
                raise ManifestError(f"{path}: changed since {out} used it. Restore it, or choose a new output folder.")
