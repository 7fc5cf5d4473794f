"""Check that an output folder may be continued: with the same work on the same pictures, by the same libraries."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from sdd_bench.core import protocol
from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage.claims import begin, refuse_other
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.preparation.plan import PreparePlan
from sdd_bench.preparation.work import PLAN_JSON, part_path, read_part
from sdd_bench.prepared.manifest import DATASET_JSON, PARTS, Manifest, PairRow, read_manifest

_LIBRARIES = ("numpy", "opencv-python-headless", "h5py", "hdf5plugin", "blosc2")
"""Libraries whose version may change the bytes of a set."""
_WHAT = "a prepared set"
_DIGESTS = {"listing_sha256": "files were added, removed, renamed or changed in size in the source"}


def begin_work(out: Path, planned: PreparePlan) -> str:
    """Write the plan to ``out``, or check that the work begun there is the same.

    If no unit of an earlier plan was finished, the new plan replaces it.

    Returns:
        The sha256 of the plan, by which a unit knows the run that it belongs to.

    Raises:
        ConfigError: Other work was begun in ``out``.
        ManifestError: The pictures changed since the work was begun.
        OutputError: ``out`` holds other files than a killed run leaves.
    """
    ours = {
        "protocol": protocol.PREPARATION,
        "libraries": {library: version(library) for library in _LIBRARIES},
        **_work_of(planned),
    }
    path = out / PARTS / PLAN_JSON
    no_part = all(entry == path for entry in path.parent.glob("*.json"))
    begin(out, f"{PARTS}/{PLAN_JSON}", ours, what=_WHAT, digests=_DIGESTS, afresh=no_part)
    plan_sha256 = sha256_of(path)
    for unit in planned.units:
        part = read_part(out, unit.name, plan_sha256)
        if part is not None:
            _refuse_changed(out, part_path(out, unit.name), part.rows, planned)
    return plan_sha256


def _work_of(planned: PreparePlan) -> dict[str, Any]:
    return {
        "options": planned.options.as_dict(),
        "bit_depth": planned.bit_depth,
        "layout": planned.source.layout,
        "listing_sha256": planned.listing_sha256,
    }


def check_finished(out: Path, planned: PreparePlan) -> Manifest:
    """The manifest of the finished set in ``out``, after a quick check that it is the result of ``planned``.

    Options, names and sizes must be the same, pictures that were touched since must have the same bytes, and every file
    of the set must exist with its size.

    Raises:
        ConfigError: The set is the result of other work.
        ManifestError: Its pictures changed since, or the set is damaged.
    """
    manifest = read_manifest(out)
    made = {
        "options": manifest.options,
        "bit_depth": manifest.bit_depth,
        "layout": manifest.source.layout,
        "listing_sha256": manifest.source.listing_sha256,
    }
    refuse_other(out, made, _work_of(planned), what=_WHAT, digests=_DIGESTS)
    _refuse_changed(out, out / DATASET_JSON, manifest.pairs, planned)
    for record in manifest.files:
        path = out / record.name
        if not path.is_file() or path.stat().st_size != record.n_bytes:
            raise ManifestError(f"{path}: missing or cut short since the set was made. Prepare it again elsewhere.")
    return manifest


def _refuse_changed(out: Path, seal: Path, rows: tuple[PairRow, ...], planned: PreparePlan) -> None:
    """Check the bytes of pictures touched after ``seal`` was written; names and sizes were compared before."""
    sealed_ns = seal.stat().st_mtime_ns
    for row in rows:
        for name, sha256 in ((row.blurry_path, row.blurry_sha256), (row.sharp_path, row.sharp_sha256)):
            path = planned.source.root / name
            status = path.stat()
            if sha256 and max(status.st_mtime_ns, status.st_ctime_ns) > sealed_ns and sha256_of(path) != sha256:
                raise ManifestError(f"{path}: changed since {out} used it. Restore it, or choose a new output folder.")
