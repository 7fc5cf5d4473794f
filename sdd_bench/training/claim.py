"""The folder of a run: what it is for, and the wish to leave it in good order."""

from __future__ import annotations

import json
from pathlib import Path

from sdd_bench.core.errors import ConfigError, OutputError
from sdd_bench.core.files import write_json, write_text
from sdd_bench.training.config import TrainConfig, to_toml
from sdd_bench.training.data.split import data_digest

OPTIONS_JSON = "options.json"


def claim_run(run: Path, data: Path, config: TrainConfig, flow_signature: str, *, resume: bool) -> None:
    """Write what the run is, or check that what is there says the same."""
    options = config.training() | {"flow_signature": flow_signature}
    ours = json.loads(json.dumps({"schema": 1, "data_sha256": data_digest(data), "config": options}))
    path = run / OPTIONS_JSON
    if path.is_file():
        if not resume:
            raise OutputError(f"{run}: holds a run. Go on with --resume, or choose another output folder.")
        try:
            theirs = json.loads(path.read_text(encoding="utf-8"))
            before, now = theirs["config"] | {"data": theirs["data_sha256"]}, ours["config"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{path}: damaged ({error}). Choose another output folder.") from error
        now = now | {"data": ours["data_sha256"]}
        changes = [f"{key} was {before.get(key)!r}, now {now[key]!r}" for key in now if before.get(key) != now[key]]
        if changes:
            raise ConfigError(f"{run}: was begun with other options ({'; '.join(changes)}).")
    else:
        others = [entry.name for entry in run.iterdir() if entry.suffix != ".partial"]
        if others:
            raise OutputError(f"{run}: holds {others[0]} and no run. Choose a new or empty output folder.")
        write_json(path, ours)
    write_text(run / "config.toml", to_toml(config))
