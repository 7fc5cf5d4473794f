"""A description without ground truth as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = ("figure", "mean [95 % interval]", "of the input", "pictures")
TITLES = {
    "drift_px": "drift, px",
    "deform_px": "deformation, px",
    "sharpness_gain_db": "sharpness gain, dB",
    "noise_gain_db": "noise gain, dB",
}
_FORMATS = {"drift_px": ".2f", "deform_px": ".2f", "sharpness_gain_db": "+.2f", "noise_gain_db": "+.2f"}


def figure_lines(summary: Mapping[str, Any]) -> list[list[str]]:
    """Lines under :data:`COLUMNS`: motion and gains, then extra measures beside those of the input.

    Example:
        >>> found = {"mean": 1.0, "low": None, "high": None, "n": 2}
        >>> figure_lines({"method": "net", "figures": {"drift_px": found}, "extras": {}})
        [['drift, px', '1.00', '-', '2']]
    """
    lines = [
        [TITLES[name], _text(found, _FORMATS[name]), "-", str(found["n"])] for name, found in summary["figures"].items()
    ]
    for name, measure in summary["extras"].items():
        arrow = {"higher": " ↑", "lower": " ↓"}.get(measure["better"], "")
        own, of_input = (measure["scores"].get(who, {}).get("") for who in (summary["method"], "identity"))
        if own is not None:
            before = "-" if of_input is None else _text(of_input, "#.4g")
            lines.append([f"{name}{arrow}", _text(own, "#.4g"), before, str(own["n"])])
    return lines


def _text(found: Mapping[str, Any], form: str) -> str:
    mean = found["mean"]
    if mean is None:
        return "-"
    interval = "" if found["low"] is None else f" [{found['low']:{form}}, {found['high']:{form}}]"
    return f"{mean:{form}}{interval}"
