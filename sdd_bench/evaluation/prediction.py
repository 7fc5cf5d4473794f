"""What made the predictions of a run, as ``predict`` says beside them in ``predict.json``.

It is taken only where the seal names every scored file with its SHA-256, and the files are still those: a row of a
leaderboard then names the network that made its figures, and what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage.documents import COUNT, read_json
from sdd_bench.core.storage.files import sha256_or_empty

SEAL = "predict.json"
_MADE = {"sha256": str, "seconds?": float, "megapixels?": float}
_TEXT = (None, str)
_SHAPE = {"model?": _TEXT, "sha256?": _TEXT, "device?": _TEXT, "params?": (None, COUNT), "made": {"*": _MADE}}
_NO_OPTIONS = ("schema", "model", "sha256", "pictures", "made", "params", "device")


def prediction_of(files: Mapping[str, Path]) -> tuple[dict[str, Any] | None, str]:
    """What made ``files``, as JSON values for the summary of a run; None where nothing that can be believed says it.

    Args:
        files: Predictions by the names of their pictures, all in one folder.

    Returns:
        ``model``, ``sha256`` of its weights, ``params`` (number of parameters), ``seconds_per_mpx`` on ``device``, and
        ``options``, and a sentence where ``predict.json`` says something else than the files.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     prediction_of({"0001": Path(folder, "0001.png")})
        (None, '')
    """
    path = next(iter(files.values())).with_name(SEAL)
    if not path.is_file():
        return None, ""
    try:
        seal = read_json(path, _SHAPE, ManifestError, "")
        made = {name: seal["made"][name] for name in files}
        rate = _rate(list(made.values()))
    except (ManifestError, KeyError, ArithmeticError):
        return None, f"{SEAL} beside the predictions does not say of all of them how they were made: predict them anew."
    changed = [name for name, file in files.items() if made[name]["sha256"] != sha256_or_empty(file)]
    if changed:
        shown = ", ".join(changed[:3])
        return None, f"{len(changed)} prediction(s) ({shown}) are not as predict made them, so no network is named."
    return {
        "model": seal.get("model"),
        "sha256": seal.get("sha256"),
        "params": seal.get("params"),
        "seconds_per_mpx": rate,
        "device": seal.get("device"),
        "options": {key: value for key, value in seal.items() if key not in _NO_OPTIONS},
    }, ""


def _rate(made: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds per megapixel over the predictions whose time is known."""
    known = [(item["seconds"], item["megapixels"]) for item in made if "seconds" in item and "megapixels" in item]
    megapixels = math.fsum(size for _, size in known)
    return float(f"{math.fsum(seconds for seconds, _ in known) / megapixels:.4g}") if megapixels else None
