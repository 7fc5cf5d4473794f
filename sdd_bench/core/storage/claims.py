"""Claiming an output folder: one run at a time writes into it, and all of its content is the work of one command.

A folder is claimed in two steps:

1. :func:`alone_in` locks it.
2. :func:`begin` reads its *seal*, a JSON file of everything that the folder's content depends on. An empty folder gets
   a seal. A folder with the same seal is continued. Any other folder is refused.

So no folder mixes the work of two commands, and a killed run is finished by the same command.

The lock (:mod:`sdd_bench.core.storage.locks`) is on the file ``.lock`` in the folder. A run that ends removes the file,
so a finished folder has none.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from sdd_bench.core.errors import ConfigError, OutputError, shown
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import output_errors, write_json
from sdd_bench.core.storage.locks import LockedError, locked

LOCK = ".lock"
_SHOWN = 8
"""Differences that a message lists at most. A longer list says only that everything is different."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only run that writes into ``folder`` while the ``with`` block runs; a missing folder is created.

    Raises:
        OutputError: Another run holds the lock, or the folder cannot be created or locked.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, alone_in(Path(folder)):
        ...     (Path(folder) / LOCK).exists()
        True
    """
    path = folder / LOCK
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, "the folder", at_most_s=0))
        except LockedError as error:
            raise OutputError(
                f"{folder}: another run is writing here. Wait for it, or choose another folder."
            ) from error
        try:
            yield
        finally:
            # Removed while it is held: a run that opened it meanwhile locks a file that is gone, which is refused.
            with suppress(OSError):
                path.unlink()


def begin(
    folder: Path,
    seal: str,
    ours: Mapping[str, Any],
    *,
    what: str,
    digests: Mapping[str, str] = MappingProxyType({}),
    aside: Collection[str] = (),
    afresh: bool = False,
) -> dict[str, Any]:
    """Begin ``folder`` for ``ours``, or check that it was begun for the same.

    Args:
        folder: Output folder, locked by :func:`alone_in`.
        seal: Path, below ``folder``, of the JSON file that says what the folder is for.
        ours: Everything that the content depends on, as JSON values.
        what: Name of the content for messages, such as "a run".
        digests: Keys whose values mean nothing to people, each with what a difference means.
        aside: Keys of the seal that are not compared.
        afresh: Whether an existing seal is replaced, because nothing of value was written yet.

    Returns:
        The content of the seal.

    Raises:
        ConfigError: The folder was begun for something else; the message names the keys, their old and new values.
        OutputError: The folder holds other files and no seal, its seal is damaged, or it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = begin(Path(folder), "run.json", {"seed": 1}, what="a run")
        ...     begin(Path(folder), "run.json", {"seed": 1}, what="a run")
        {'seed': 1}
    """
    path, ours = folder / seal, json.loads(json.dumps(ours))
    if not path.is_file():
        _refuse_others(folder, seal, what)
    elif not afresh:
        theirs = _read_seal(path)
        refuse_other(folder, {key: theirs[key] for key in theirs if key not in aside}, ours, what=what, digests=digests)
        return theirs
    write_json(path, ours)
    return dict(ours)


def _read_seal(path: Path) -> dict[str, Any]:
    next_step = f"Remove {path.parent}, or choose another output folder."
    seal: dict[str, Any] = read_json(path, dict, OutputError, next_step)
    return seal


def _refuse_others(folder: Path, seal: str, what: str) -> None:
    """Check that ``folder`` is empty, apart from what a killed run of this package may have left."""
    own = {LOCK, PurePath(seal).parts[0]}
    with output_errors(folder):
        others = sorted(path.name for path in folder.iterdir() if path.suffix != ".partial" and path.name not in own)
    if others:
        raise OutputError(
            f"{folder}: holds {others[0]} and is not {what} (has no {seal}). Choose a new or empty output folder."
        )


def refuse_other(
    folder: Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    what: str,
    digests: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Check that ``now`` equals ``before``, what ``folder`` was begun for. For the arguments see :func:`begin`.

    Raises:
        ConfigError: They differ; the message names the keys, their old and new values.

    Example:
        >>> refuse_other(Path("out"), {"seed": 1}, {"seed": 2}, what="a run")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        sdd_bench.core.errors.ConfigError: out: holds a run that was begun differently (seed was 1, now 2). ...
    """
    found = list(_differences(before, now, digests))
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ConfigError(
            f"{folder}: holds {what} that was begun differently ({'; '.join(found[:_SHOWN])}{more}). Run with what it "
            "was, or choose another output folder."
        )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], digests: Mapping[str, str]) -> Iterator[str]:
    for key in {**now, **before}:
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, digests)
        elif old != new:
            yield digests.get(key) or f"{key} was {shown(old)}, now {shown(new)}"
