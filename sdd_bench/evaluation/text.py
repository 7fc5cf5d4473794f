"""A run's summary as a table for people: one line a metric and method, the ground truths side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdd_bench.core.types import GroundTruth

TITLES = {"psnr": "PSNR (dB) ↑", "ssim": "SSIM ↑", "mae": "MAE ↓", "lpips": "LPIPS ↓"}
_FORMATS = {"psnr": ".2f", "ssim": ".4f", "mae": ".4f", "lpips": ".4f"}
COLUMNS = ("metric", "method", *(truth.value for truth in GroundTruth))


def ordered_methods(summary: Mapping[str, Any]) -> list[str]:
    """Identity, the method, ceiling: from the floor to what can be reached."""
    method = summary["method"]
    return [name for name in ("identity", method, "ceiling") if name in summary["scores"]]


def score_lines(summary: Mapping[str, Any], *, intervals: bool = True) -> list[list[str]]:
    """Lines under :data:`COLUMNS`: mean and 95 % interval, and ``+n∞`` where infinite ones are left out."""
    lines = []
    for metric in summary["metrics"]:
        for number, method in enumerate(ordered_methods(summary)):
            scores = summary["scores"][method]
            cells = [_cell(scores[truth.value][metric], _FORMATS[metric], intervals) for truth in GroundTruth]
            lines.append([TITLES[metric] if number == 0 else "", method, *cells])
    return lines


def motion_lines(summary: Mapping[str, Any]) -> list[list[str]]:
    """Lines of method, drift and deformation in pixels."""
    return [
        [method, f"{summary['drift_px'][method]:.2f}", f"{summary['deform_px'][method]:.2f}"]
        for method in ordered_methods(summary)
    ]


def pair_lines(summary: Mapping[str, Any]) -> list[list[str]]:
    """Lines of what moved between blurry and sharp: what, in how many pictures, on how much of them, by how much.

    Example:
        >>> motion = {"similarity_px": 1.5, "in_doubt": [], "n_layered": 0, "layer_share": None, "layer_px": None}
        >>> pair_lines({"n_images": 3, "motion": motion})
        [['as a whole', '3', '', '1.50 px', 'trusted'], ['in layers', '0', '-', '-', '']]
    """
    motion = summary["motion"]
    doubts = len(motion["in_doubt"])
    share = "-" if motion["layer_share"] is None else f"{motion['layer_share']:.0%}"
    flag = f"in doubt: {doubts}" if doubts else "trusted"
    return [
        ["as a whole", str(summary["n_images"]), "", f"{_number(motion['similarity_px'], '.2f')} px", flag],
        ["in layers", str(motion["n_layered"]), share, _pixels(motion["layer_px"]), ""],
    ]


def _pixels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} px"


def level_lines(levels: Sequence[Mapping[str, Any]], metric: str) -> list[list[str]]:
    """Lines of a range in pixels, number of pictures, and the method's mean of ``metric`` per ground truth."""
    return [
        [
            range_text(level["from_px"], level["to_px"]),
            str(level["n"]),
            *(_number(level["scores"][truth.value][metric], _FORMATS[metric]) for truth in GroundTruth),
        ]
        for level in levels
    ]


def extra_lines(summary: Mapping[str, Any]) -> list[list[str]]:
    """Lines of an extra measure, its ground truth and a method: mean and 95 % interval; never ranked."""
    lines = []
    for name, measure in summary["extras"].items():
        arrow = {"higher": " ↑", "lower": " ↓"}.get(measure["better"], "")
        for method in ordered_methods(summary):
            for truth, found in measure["scores"].get(method, {}).items():
                lines.append([f"{name}{arrow}", truth or "-", method, _cell(found, "#.4g", intervals=True)])
    return lines


def region_lines(summary: Mapping[str, Any]) -> list[list[str]]:
    """Lines of a level of blur, its share of the picture, and the method's gain over the input in such regions."""
    lines = []
    for level in summary["regions"][summary["method"]]["levels"]:
        if level["gain_db"] is None:
            continue
        interval = "" if level["low"] is None else f" [{level['low']:+.2f}, {level['high']:+.2f}]"
        focus = " (in focus)" if level["from_px"] == 0 else ""
        lines.append(
            [
                range_text(level["from_px"], level["to_px"]) + focus,
                f"{level['share']:.1%}",
                str(level["n"]),
                f"{level['gain_db']:+.2f}{interval}",
            ]
        )
    return lines


def group_lines(summary: Mapping[str, Any], metric: str) -> list[list[str]]:
    """Lines of a group, number of pictures, and the method's mean of ``metric`` per ground truth."""
    return [
        [
            group,
            str(summary["group_sizes"][group]),
            *(_number(scores[truth.value][metric], _FORMATS[metric]) for truth in GroundTruth),
        ]
        for group, scores in summary["groups"].items()
    ]


def range_text(low_px: float, high_px: float | str | None) -> str:
    """A range in pixels; one without an end has None or ``inf``.

    Example:
        >>> range_text(0.5, 1.0), range_text(8.0, None)
        ('0.5 to 1', '8 or more')
    """
    return f"{low_px:g} to {high_px:g}" if isinstance(high_px, (int, float)) else f"{low_px:g} or more"


def _cell(estimate: Mapping[str, Any], form: str, intervals: bool) -> str:
    text = _number(estimate["mean"], form)
    if intervals and estimate["low"] is not None:
        text += f" [{_number(estimate['low'], form)}, {_number(estimate['high'], form)}]"
    if estimate["n_infinite"]:
        text += f" +{estimate['n_infinite']}∞"
    return text


def _number(value: float | str | None, form: str) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else format(value, form)
