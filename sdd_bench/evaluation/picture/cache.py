"""What every method on a dataset shares, kept beside it: flows of the registered ground truth, scores of the baselines.

``DATA/registered/NAME-<key>.flo`` is ``estimate(blurry, sharp)``; the registered picture itself is one warp away.
``NAME-<key>.json`` holds the scores of identity and ceiling. Keys name all that a file depends on (pixels, resize,
crop, flow signature, ...), so a changed dataset or another flow network never meets a stale file. Files appear whole
under their name; two processes that compute one at the same time write the same content.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sdd_bench.core.errors import ImageError
from sdd_bench.core.files import sealed, write_json
from sdd_bench.evaluation.picture.records import Baselines, baselines_from_json, baselines_to_json
from sdd_bench.flow.flo import read_flo, write_flo

FOLDER = "registered"
_KEY_DIGITS = 16


@dataclass(frozen=True)
class SharedCache:
    """Files of one dataset; ``folder`` None keeps nothing."""

    folder: Path | None

    def flow(self, name: str, key: str, height: int, width: int, compute: Callable[[], Tensor]) -> Tensor:
        """The registered flow ``(2, H, W)`` of a picture, read or computed and kept."""
        path = self._path(name, key, ".flo")
        if path is not None and path.is_file():
            try:
                flow = torch.from_numpy(read_flo(path))
            except ImageError:
                flow = torch.empty(0)
            if flow.shape == (2, height, width):
                return flow
        flow = compute()
        if path is not None:
            with sealed(path, shared=True) as partial:
                write_flo(partial, flow)
        return flow

    def read_baselines(self, name: str, key: str) -> Baselines | None:
        """The scores of identity and ceiling, if they are kept."""
        path = self._path(name, key, ".json")
        if path is None or not path.is_file():
            return None
        try:
            return baselines_from_json(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError):
            return None

    def keep_baselines(self, name: str, key: str, baselines: Baselines) -> None:
        """Keep the scores of identity and ceiling."""
        path = self._path(name, key, ".json")
        if path is not None:
            with sealed(path, shared=True) as partial:
                write_json(partial, baselines_to_json(baselines))

    def _path(self, name: str, key: str, suffix: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{name}-{key[:_KEY_DIGITS]}{suffix}"


def cache_folder(root: Path, run: Path) -> Path:
    """Beside the dataset; in the run folder when the dataset cannot be written to."""
    beside, instead = root / FOLDER, run / FOLDER
    try:
        beside.mkdir(exist_ok=True)
    except OSError:
        return instead
    return beside if os.access(beside, os.W_OK | os.X_OK) else instead
