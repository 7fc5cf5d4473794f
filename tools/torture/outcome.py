"""What a command leaves: every file by its digest, but for what is documented to differ (docs/reliability.md)."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

IGNORED = re.compile(r"(^|/)(tensorboard|cache)(/|$)|^log|(^|/)\.lock$|(^|/)run/report\.html$")
"""Curves of TensorBoard (a run that goes on begins another file), the page that draws them, the cache, our own logs,
locks that stay."""
LEFT_OVER = re.compile(r"\.partial$|(^|/)\.[0-9a-f]{32}")
"""Names that no command leaves when it ends, be it with an error; parts of what is to be gone on with may stay."""
_TIMED = {"seconds", "seconds_per_mpx", "megapixels", "tiled"}


def outcome(folder: Path) -> dict[str, str]:
    """Digest of every file below ``folder`` by its name; folders have ``/`` as theirs."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not IGNORED.search(name):
            found[name] = "/" if path.is_dir() else _digest(path, folder)
    return found


def left_over(folder: Path) -> list[str]:
    """Half-written files below ``folder``."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")))
    return [name for name in names if LEFT_OVER.search(name) and not IGNORED.search(name)]


def differences(expected: dict[str, str], found: dict[str, str]) -> str:
    """How two outcomes differ, in a line; empty if they do not."""
    missing, more = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    changed = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    kinds = (("missing", missing), ("left over", more), ("different", changed))
    return "; ".join(f"{what}: {', '.join(names[:3])} ({len(names)})" for what, names in kinds if names)


def _digest(path: Path, folder: Path | None = None) -> str:
    content = path.read_bytes()
    if path.name == "options.json" and folder is not None:  # a training run says where its data are
        content = content.replace(os.fsencode(folder), b"HERE")
    if path.name == "predict.json":
        content = json.dumps(_timeless(json.loads(content)), sort_keys=True).encode()
    if path.name == "state.pt":  # the same values; which of them were one object in memory is in the bytes, too
        content = _state(path)
    return hashlib.sha256(content).hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _TIMED}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def _state(path: Path) -> bytes:
    import torch

    state = torch.load(path, weights_only=True)
    leaves = torch.utils._pytree.tree_flatten(state)
    return b"".join(
        leaf.numpy().tobytes() if isinstance(leaf, torch.Tensor) else repr(leaf).encode()
        for leaf in [*leaves[0], leaves[1]]
    )
