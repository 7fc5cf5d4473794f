"""Where files of weights lie, and that each is the right one."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdd_bench.core.errors import WeightsError
from sdd_bench.core.files import output_errors, sealed, sha256_of
from sdd_bench.core.types import OnProgress, Problem
from sdd_bench.weights import alexnet
from sdd_bench.weights.table import TABLE, Weight

_PACKAGE = Path(__file__).parents[1]


class State(StrEnum):
    """What is at the place of a file of weights."""

    READY = "ready"
    ABSENT = "absent"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Listed:
    """An entry of the table, and what is at its place."""

    weight: Weight
    state: State
    path: str


def cache_dir() -> Path:
    """The folder of fetched weights: ``SDD_BENCH_CACHE`` where set, else the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("SDD_BENCH_CACHE") or platformdirs.user_cache_dir("sdd-bench"))


def place(name: str) -> Path:
    """Where the file of ``name`` is, or would be.

    Raises:
        WeightsError: There are no weights of that name.
    """
    weight = _entry(name)
    return (_PACKAGE if weight.bundled else cache_dir()) / weight.file


def sha256(name: str) -> str:
    """The sha256 the file of ``name`` must have."""
    return _entry(name).sha256


def state(name: str) -> State:
    """Whether the file of ``name`` is there and has its sha256."""
    file = place(name)
    if not file.is_file():
        return State.ABSENT
    return State.READY if sha256_of(file) == sha256(name) else State.DAMAGED


def path(name: str) -> Path:
    """The file of ``name``, its sha256 checked.

    Raises:
        WeightsError: The name is unknown, or the file is absent or damaged.
    """
    found = state(name)
    if found is State.READY:
        return place(name)
    raise WeightsError(f"{_complaint(name, found)} {_remedy(name)}")


def fetch(name: str, *, file: Path | None = None, on_progress: OnProgress | None = None) -> Path:
    """Put the file of ``name`` into the cache folder; returns at once where it is there already.

    Args:
        name: Of the table; a bundled one is only checked.
        file: Take the weights from this file instead of the network.
        on_progress: Called with the megabytes of a download.

    Raises:
        WeightsError: No source could be reached, or what came is not what the table says.
        OutputError: The cache folder cannot be written.
    """
    from filelock import FileLock

    if _entry(name).bundled or (file is None and state(name) is State.READY):
        return path(name)
    target = place(name)
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(target.name + ".lock"))
        lock.acquire()
    try:
        if file is not None:
            _store(name, alexnet.canonical(alexnet.read(file)), str(file))
        elif state(name) is not State.READY:  # another process may have fetched it while this one waited
            _fetch(name, on_progress)
    finally:
        lock.release()
    return target


def _fetch(name: str, on_progress: OnProgress | None) -> None:
    """Try one source after the other."""
    reasons = []
    for source in alexnet.SOURCES:
        try:
            _store(name, alexnet.canonical(source.load(on_progress)), source.name)
        except WeightsError as error:
            reasons.append(f"  {source.name}: {error}")
        else:
            return
    raise WeightsError(
        f"{name}: no source gave the weights.\n" + "\n".join(reasons) + f"\n{alexnet.BY_HAND}\n"
        f"{place(name)} of a machine that has them will do as well."
    )


def _store(name: str, content: bytes, origin: str) -> None:
    got = hashlib.sha256(content).hexdigest()
    if got != sha256(name):
        raise WeightsError(
            f"{origin}: expected the tensors of {name} (sha256 {sha256(name)} as stored), got others ({got}). "
            "Is it another training of the network?"
        )
    with sealed(place(name)) as partial:
        partial.write_bytes(content)


def listing() -> list[Listed]:
    """Every entry of the table, with what is at its place."""
    return [Listed(weight, state(name), str(place(name))) for name, weight in TABLE.items()]


def fetched_names() -> tuple[str, ...]:
    """The weights that do not come with the package."""
    return tuple(name for name, weight in TABLE.items() if not weight.bundled)


def verify() -> list[Problem]:
    """What is wrong with the files that are there; fetched weights may be absent, bundled ones may not."""
    problems = []
    for name, weight in TABLE.items():
        found = state(name)
        if found is State.DAMAGED or (found is State.ABSENT and weight.bundled):
            problems.append(Problem(name, f"{_complaint(name, found)} {_remedy(name)}"))
    return problems


def _complaint(name: str, found: State) -> str:
    file = place(name)
    if found is State.ABSENT:
        return f"{file}: the weights {name} ({TABLE[name].purpose}) are not there."
    return f"{file}: the weights {name} are damaged: expected sha256 {sha256(name)}, got {sha256_of(file)}."


def _remedy(name: str) -> str:
    return "Install sdd-bench again." if TABLE[name].bundled else f"Run: sdd-bench weights fetch {name}"


def _entry(name: str) -> Weight:
    if name not in TABLE:
        raise WeightsError(f"weights {name!r}: unknown; known: {', '.join(TABLE)}.")
    return TABLE[name]
