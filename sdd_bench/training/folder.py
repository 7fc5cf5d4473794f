"""The folder of a run: what it is for, and the wish to leave it in good order."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdd_bench.errors import ConfigError, OutputError
from sdd_bench.files import write_json, write_text
from sdd_bench.training.config import TrainConfig, to_toml
from sdd_bench.training.split import data_digest

OPTIONS_JSON = "options.json"


@dataclass
class Stop:
    """Whether someone asked the loop to save and leave."""

    asked: bool = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """SIGTERM and SIGINT ask the loop to save and leave; a second one leaves at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: Any) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
