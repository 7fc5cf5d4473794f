"""What every method on a dataset shares, kept from one evaluation to the next.

For each pair that is the flow of the registered ground truth, ``estimate(blurry, sharp)`` (the registered picture is
one warp away), the transfer of light of the matched one, how blurred each region is, the exposure, and the scores of
identity and ceiling. Keys name all that they depend on (pixels, resize, crop, flow signature, ...), so a changed
dataset or another flow network never meets a stale file, and a copy of a dataset shares the files of the first. How
files are checked, and which leave, is the :mod:`~sdd_bench.core.storage.store`'s.

The folder is ``--cache``, else ``SDD_BENCH_CACHE``, else the user's cache folder (``~/.cache/sdd-bench`` on Linux).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_path
from torch import Tensor

from sdd_bench.core.errors import ConfigError, reason_of
from sdd_bench.core.storage.documents import parse_json
from sdd_bench.core.storage.store import Store, open_store
from sdd_bench.evaluation.picture.records import Baselines, baselines_from_json, baselines_to_json
from sdd_bench.registration.light.transfer import Transfer

FOLDER_VARIABLE = "SDD_BENCH_CACHE"
LIMIT_VARIABLE = "SDD_BENCH_CACHE_LIMIT"
LIMIT_GB = 20.0
"""Some 400 flows of 4096x2160 pictures, more than any public test split has."""
FLOW, LIGHT, BLUR, EXPOSURE, SCORES = "flow", "light", "blur", "exposure", "scores"
_FOLDER = "registered"
"""Below the cache folder, which a user may share with other things."""
_LEVEL = 1
"""Of Zstandard: 5 takes three times as long and saves 4 % (4096x2160, DIS)."""
_JSON_BYTES = 1 << 20
"""A thousand times what the scores, or the transfer of light, of one pair take."""


@dataclass(frozen=True)
class SharedCache:
    """Flows and scores that methods share; without a ``store`` nothing is kept."""

    store: Store | None = None
    note: str = ""
    """What is wrong with the folder that was asked for, for people."""

    def flow(self, key: str, height: int, width: int, compute: Callable[[], Tensor]) -> Tensor:
        """The registered flow ``(2, H, W)`` of a picture, in pixels, read or computed and kept.

        Args:
            key: Digest of all that the flow depends on.
            height: Of the picture.
            width: Of the picture.
            compute: Makes the flow.
        """
        return self._tensor(FLOW, key, (2, height, width), compute)

    def has_flow(self, key: str) -> bool:
        """Whether there is a file of the flow of ``key``; it may be damaged."""
        return self.store is not None and self.store.has(FLOW, key)

    def blur(
        self, key: str, rows: int, columns: int, compute: Callable[[], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """The blur of a pair's regions, ``(rows, columns)`` in pixels, read or measured and kept.

        Args:
            key: Digest of all that it depends on.
            rows: Of regions.
            columns: Of regions.
            compute: Measures it.
        """
        return self._tensor(BLUR, key, (rows, columns), lambda: torch.from_numpy(compute())).numpy()

    def exposure(self, key: str, compute: Callable[[], float]) -> float:
        """The exposure gain of a pair, read or measured and kept.

        Args:
            key: Digest of all that it depends on.
            compute: Measures it.
        """
        content = None if self.store is None else self.store.read(EXPOSURE, key, at_most=_JSON_BYTES)
        if content is not None:
            with suppress(ValueError):
                return float(content)
        gain = compute()
        if self.store is not None:
            self.store.keep(EXPOSURE, key, f"{gain!r}\n".encode("ascii"))
        return gain

    def _tensor(self, kind: str, key: str, shape: tuple[int, ...], compute: Callable[[], Tensor]) -> Tensor:
        if self.store is None:
            return compute()
        blosc2, n_bytes = _blosc2(), 4 * math.prod(shape)
        kept = _unpacked(self.store.read(kind, key, at_most=n_bytes + blosc2.MAX_OVERHEAD), shape)
        if kept is not None:
            return kept
        tensor = compute()
        if n_bytes <= blosc2.MAX_BUFFERSIZE:
            self.store.keep(kind, key, _packed(tensor))
        return tensor

    def transfer(self, key: str, compute: Callable[[], Transfer]) -> Transfer:
        """The transfer of light of a pair, read or computed and kept.

        Args:
            key: Digest of all that the transfer depends on.
            compute: Estimates the transfer.
        """
        content = None if self.store is None else self.store.read(LIGHT, key, at_most=_JSON_BYTES)
        if content is not None:
            with suppress(ConfigError, UnicodeDecodeError):
                return Transfer.from_json(content.decode("ascii"))
        transfer = compute()
        if self.store is not None:
            self.store.keep(LIGHT, key, f"{transfer.to_json()}\n".encode("ascii"))
        return transfer

    def read_baselines(self, key: str) -> Baselines | None:
        """The scores of identity and ceiling, if they are kept."""
        content = None if self.store is None else self.store.read(SCORES, key, at_most=_JSON_BYTES)
        if content is None:
            return None
        try:
            return baselines_from_json(parse_json(content))
        except (ValueError, KeyError, TypeError):
            return None

    def keep_baselines(self, key: str, baselines: Baselines) -> None:
        """Keep the scores of identity and ceiling."""
        if self.store is not None:
            values = json.dumps(baselines_to_json(baselines), indent=2, allow_nan=False)
            self.store.keep(SCORES, key, f"{values}\n".encode("ascii"))


def open_cache(folder: Path | None = None, limit_gb: float | None = None) -> SharedCache:
    """Open the cache; where its folder cannot be used, the ``note`` says so and nothing is kept.

    Args:
        folder: None is ``SDD_BENCH_CACHE``, else the user's cache folder.
        limit_gb: Size limit in GB; None is ``SDD_BENCH_CACHE_LIMIT``, else 20.

    Raises:
        ConfigError: The limit is no number from 0 on.
    """
    folder, limit = shared_folder(folder), _limit(limit_gb)
    try:
        store = open_store(folder, limit)
    except OSError as error:
        note = f"cache {folder}: cannot be used ({reason_of(error)}); nothing is kept for the next method. "
        return SharedCache(None, f"{note}Choose another folder: --cache DIR.")
    if store.writable:
        return SharedCache(store)
    return SharedCache(store, f"cache {folder}: cannot be written to; what it holds is used, nothing is added.")


@dataclass(frozen=True)
class Usage:
    """How much of one kind a store holds."""

    name: str
    n_files: int
    n_bytes: int


def usage(store: Store) -> list[Usage]:
    """How much of each kind ``store`` holds."""
    entries = store.entries()
    kinds = dict.fromkeys([FLOW, LIGHT, BLUR, EXPOSURE, SCORES, *(entry.kind for entry in entries)])
    sizes = {kind: [entry.n_bytes for entry in entries if entry.kind == kind] for kind in kinds}
    return [Usage(kind or "partial", len(sizes[kind]), sum(sizes[kind])) for kind in kinds]


def stored(folder: Path | None = None, limit_gb: float | None = None) -> Store:
    """The store of the cache as it is, to look at or to clear; nothing is made. Arguments as of :func:`open_cache`.

    Raises:
        ConfigError: The limit is no number from 0 on.
    """
    return Store(shared_folder(folder), _limit(limit_gb))


def shared_folder(folder: Path | None) -> Path:
    """Where flows and scores of the cache ``folder`` lie (None as in :func:`open_cache`)."""
    named = os.environ.get(FOLDER_VARIABLE)
    root = folder or (Path(named) if named else user_cache_path("sdd-bench"))
    return root.absolute() / _FOLDER


def _limit(limit_gb: float | None) -> int:
    text = os.environ.get(LIMIT_VARIABLE) if limit_gb is None else repr(limit_gb)
    try:
        limit = float(text or LIMIT_GB)
    except ValueError:
        limit = math.nan
    if not (math.isfinite(limit) and limit >= 0):
        name = LIMIT_VARIABLE if limit_gb is None else "--cache-limit"
        raise ConfigError(f"{name}: expected a number of GB from 0 on, got {text}.")
    return round(limit * 1e9)


@lru_cache(maxsize=1)
def _blosc2() -> ModuleType:
    """Imported with the first flow, when other threads are at work: it takes a tenth of a second."""
    import blosc2

    blosc2.set_releasegil(True)
    return blosc2


def _packed(tensor: Tensor) -> bytes:
    """The float32 values without loss: their first bytes together, then their second ones, ..., in Zstandard."""
    values = tensor.detach().cpu().float().contiguous().numpy().astype("<f4", copy=False)
    blosc2 = _blosc2()
    packed: bytes = blosc2.compress(
        values.tobytes(), typesize=4, clevel=_LEVEL, filter=blosc2.Filter.SHUFFLE, codec=blosc2.Codec.ZSTD
    )
    return packed


def _unpacked(content: bytes | None, shape: tuple[int, ...]) -> Tensor | None:
    blosc2 = _blosc2()
    try:
        if content is None or blosc2.get_cbuffer_sizes(content)[0] != 4 * math.prod(shape):
            return None
        values = np.empty(shape, "<f4")
        blosc2.decompress(content, dst=values)
    except (RuntimeError, ValueError):
        return None
    return torch.from_numpy(values.astype(np.float32, copy=False))
