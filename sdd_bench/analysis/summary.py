"""The summary of a set: figures that can be compared between sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdd_bench.analysis.table import Row
from sdd_bench.core.words import counted
from sdd_bench.registration.trust import Kind

SCHEMA = 1


def summarize(rows: Sequence[Row], *, name: str, split: str, n_expected: int) -> dict[str, Any]:
    """Content of ``summary.json`` without provenance.

    ``severity`` compares sets: median and 95th percentile over the trusted pairs of the RMS displacement, in pixels
    and per 1000 px of the picture's width. ``distrust`` counts the rows with each kind of reason, ``notes`` those with
    each note.

    Args:
        rows: Rows of the table, one per pair.
        name: Name of the set.
        split: Split of the set.
        n_expected: Number of pairs that the set should have.

    Example:
        >>> from sdd_bench.core.storage.tables import columns
        >>> known = {"trusted": 1, "kind": "shift", "distrust": "", "note": "", "rms_px": 2.5}
        >>> row = Row(**(dict.fromkeys(columns(Row)) | known))
        >>> summary = summarize([row], name="lab", split="test", n_expected=2)
        >>> summary["n_trusted"], summary["severity"]["median_px"], summary["kinds"]["shift"]
        (1, 2.5, 1)
    """
    trusted = [row for row in rows if row.trusted]
    kinds = Counter(row.kind for row in rows)
    reasons = Counter(kind for row in rows for kind in _kinds_of_distrust(row))
    severity = {
        "median_px": _percentile(trusted, "rms_px", 50),
        "p95_px": _percentile(trusted, "rms_px", 95),
        "median_permille": _percentile(trusted, "rms_permille", 50),
        "p95_permille": _percentile(trusted, "rms_permille", 95),
    }
    summary: dict[str, Any] = {
        "schema": SCHEMA,
        "dataset": {"name": name, "split": split, "n_expected": n_expected},
        "n_pairs": len(rows),
        "n_trusted": len(trusted),
        "severity": severity,
        "kinds": {kind.value: kinds[kind.value] for kind in Kind},
        "distrust": dict(reasons),
        "notes": dict(Counter(row.note for row in rows if row.note)),
    }
    for column in ("zoom", "shift_x_px", "shift_y_px", "rotation_deg", "corner_px", "residual_px", "exposure_gain_g"):
        summary[column] = {
            "median": _percentile(trusted, column, 50),
            "low": _percentile(trusted, column, 2.5),
            "high": _percentile(trusted, column, 97.5),
        }
    summary["light"] = _light(rows, trusted)
    errors = [row.corner_error_px for row in rows if row.corner_error_px is not None]
    if errors:
        surprising = sum(row.corner_error_px > 1 for row in trusted if row.corner_error_px is not None)
        summary["corner_error_px"] = {
            "mean": _round(float(np.mean(errors))),
            "largest": _round(max(errors)),
            "n_above_1_px_and_trusted": surprising,
        }
    return summary


def _light(rows: Sequence[Row], trusted: Sequence[Row]) -> dict[str, Any]:
    """How much of the difference is geometry and how much is light, by the means over the trusted pairs."""
    means: dict[str, Any] = {}
    for column in ("raw_psnr_db", "geometry_db", "light_db", "light_richer_db"):
        values = [value for row in trusted if (value := getattr(row, column)) is not None]
        means[column] = _round(float(np.mean(values))) if values else None
    return means | {"n_flagged": sum(bool(row.light_distrust) for row in rows)}


def light_line(summary: dict[str, Any]) -> str:
    """How much of the difference is geometry and how much is light, in one line; empty where it was not measured.

    Example:
        >>> light_line({"light": {"geometry_db": 1.5, "light_db": 3.0, "raw_psnr_db": 20.0, "n_flagged": 0}})
        'sharp against blurry: 20.00 dB PSNR; geometry: +1.50 dB when registered; light: +3.00 dB when matched then.'
    """
    light = summary["light"]
    if light["geometry_db"] is None or light["light_db"] is None:
        return ""
    flagged = f" The light of {light['n_flagged']} pair(s) is in doubt." if light["n_flagged"] else ""
    return (
        f"sharp against blurry: {light['raw_psnr_db']:.2f} dB PSNR; geometry: {light['geometry_db']:+.2f} dB when "
        f"registered; light: {light['light_db']:+.2f} dB when matched then.{flagged}"
    )


def headline(summary: dict[str, Any]) -> str:
    """The set in one line, comparable between sets.

    Example:
        >>> data, none = {"name": "lab", "split": "test"}, {"median_px": None}
        >>> headline({"dataset": data, "severity": none, "n_pairs": 3})
        'lab (test): none of 3 pairs could be trusted.'
    """
    severity, data = summary["severity"], summary["dataset"]
    if severity["median_px"] is None:
        return f"{data['name']} ({data['split']}): none of {counted(summary['n_pairs'], 'pair')} could be trusted."
    return (
        f"{data['name']} ({data['split']}): misaligned by {severity['median_px']:.2f} px median, "
        f"{severity['p95_px']:.2f} px 95th percentile (RMS over a picture; "
        f"{severity['median_permille']:.2f} and {severity['p95_permille']:.2f} per mille of the width); "
        f"{summary['n_trusted']} of {counted(summary['n_pairs'], 'pair')} trusted."
    )


def _kinds_of_distrust(row: Row) -> set[str]:
    return {reason.partition(":")[0] for reason in row.distrust.split("; ") if reason}


def _percentile(rows: Sequence[Row], column: str, percent: float) -> float | None:
    values = [value for row in rows if (value := getattr(row, column)) is not None]
    return _round(float(np.percentile(values, percent))) if values else None


def _round(value: float) -> float:
    return float(f"{value:.7g}")
