"""Where the pictures of a run lie on this machine, so that pages show them later from the run alone.

The list lies beside the sealed tables and is not sealed: a run that is given away or moved is the same run without it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sdd_bench.core.errors import ManifestError, reason_of
from sdd_bench.core.storage.files import write_json
from sdd_bench.core.types import Pair, Split
from sdd_bench.evaluation.picture.match import Match

SOURCES_JSON = "sources.json"
_SCHEMA = 1


def write_sources(run: Path, matches: Sequence[Match]) -> None:
    """Write the paths of the blurry, sharp and predicted pictures of a run.

    Raises:
        OutputError: The run folder cannot be written.
    """
    pictures = [
        {
            "name": match.pair.name,
            "split": match.pair.split.value,
            "blurry": str(match.pair.blurry_path.absolute()),
            "sharp": str(match.pair.sharp_path.absolute()),
            "prediction": str(match.prediction_path.absolute()),
        }
        for match in matches
    ]
    write_json(run / SOURCES_JSON, {"schema": _SCHEMA, "pictures": pictures})


def read_sources(run: Path) -> tuple[Match, ...]:
    """The pictures of a run.

    Raises:
        ManifestError: The run does not say where its pictures are, or its list is damaged, or a picture is gone.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = [Path(folder, name) for name in ("blurry.png", "sharp.png", "predicted.png")]
        ...     _ = [path.write_bytes(b"") for path in paths]
        ...     write_sources(Path(folder), [Match(Pair("a", Split.TEST, *paths[:2]), paths[2])])
        ...     [match.prediction_path.name for match in read_sources(Path(folder))]
        ['predicted.png']
    """
    path = run / SOURCES_JSON
    advice = (
        "Evaluate it again (what is scored stays), or name them: leaderboard render --pictures-from RUN DATA "
        "PREDICTIONS."
    )
    if not path.is_file():
        raise ManifestError(f"{run}: does not say where its pictures are (no {SOURCES_JSON}). {advice}")
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["pictures"]
        found = tuple(
            Match(
                Pair(item["name"], Split(item["split"]), Path(item["blurry"]), Path(item["sharp"])),
                Path(item["prediction"]),
            )
            for item in listed
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path}: damaged ({reason_of(error)}). {advice}") from error
    for match in found:
        for picture in (match.pair.blurry_path, match.pair.sharp_path, match.prediction_path):
            if not picture.is_file():
                raise ManifestError(f"{picture}: a picture of {run} that is no longer there. {advice}")
    return found
