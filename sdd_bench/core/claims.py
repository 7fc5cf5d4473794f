"""Claiming an output folder: one run at a time writes into it, and it stays what it was begun as.

A folder is claimed in two steps. :func:`alone_in` locks it. :func:`begin` reads its *seal*, a JSON file of all that
the folder's content depends on: an empty folder gets one, a folder of the same seal is gone on with, any other is
refused. So no folder mixes the work of two commands, and a killed run is finished by the same command.

The lock is of the file ``.lock`` in the folder. A folder itself could be locked, too, but on a network file system
such a lock holds on one machine only; that of a file, open to write, holds on all of them. The operating system takes
it from a process that dies, and the run that ends removes the file, so none is left in a finished folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from sdd_bench.core.errors import ConfigError, OutputError, reason_of
from sdd_bench.core.files import output_errors, write_json

LOCK = ".lock"
_SHOWN = 8
"""Differences that a message lists: more of them say no more than that all is different."""
_VALUE_LENGTH = 60
"""Characters of a value in a message: a path or a digest fits, a table of thousands of numbers does not."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only run that writes into ``folder``, which is made where missing.

    Raises:
        OutputError: Another run holds it, or it cannot be made or locked.
    """
    path = folder / LOCK
    lock = FileLock(path, timeout=0)
    try:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout as error:
        raise OutputError(f"{folder}: another run is writing here. Wait for it, or choose another folder.") from error
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be locked ({reason_of(error)}). Choose a folder on a file system with locks."
        ) from error
    try:
        yield
    finally:
        # Removed while it is held: whoever opened it meanwhile gets the lock of a file that is gone, and refuses it.
        with suppress(OSError):
            path.unlink()
        lock.release()


def begin(
    folder: Path,
    seal: str,
    ours: Mapping[str, Any],
    *,
    what: str,
    digests: Mapping[str, str] = MappingProxyType({}),
    aside: str = "",
    afresh: bool = False,
) -> dict[str, Any]:
    """Begin ``folder`` for ``ours``, or see that it was begun for the same.

    Args:
        folder: From within :func:`alone_in`.
        seal: Path in ``folder`` of the JSON file that says what the folder is for.
        ours: All that the content depends on, as JSON values.
        what: What the folder holds, for messages: "a run".
        digests: For keys whose values say nothing to people, what it means that they differ.
        aside: A key of the seal that is not compared.
        afresh: Nothing of worth was made yet: a seal that is there is written anew.

    Returns:
        What the seal says.

    Raises:
        ConfigError: The folder was begun for something else; names keys, what they were and are.
        OutputError: It holds other files and no seal, or a damaged one, or cannot be written.
    """
    path, ours = folder / seal, json.loads(json.dumps(ours))
    if not path.is_file():
        _refuse_others(folder, seal, what)
    elif not afresh:
        theirs = _read_seal(path)
        refuse_other(folder, {key: theirs[key] for key in theirs if key != aside}, ours, what=what, digests=digests)
        return theirs
    write_json(path, ours)
    return dict(ours)


def _read_seal(path: Path) -> dict[str, Any]:
    try:
        seal = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(seal, dict):
            raise ValueError(f"expected a JSON object, got {type(seal).__name__}")
        return seal
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path}: damaged ({reason_of(error)}). Remove {path.parent}, or choose another output folder."
        ) from error


def _refuse_others(folder: Path, seal: str, what: str) -> None:
    """See that ``folder`` is empty, but for what a killed run of this package may have left."""
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
    """See that ``folder``, which was begun for ``before``, is asked for the same ``now``.

    Arguments as of :func:`begin`.

    Raises:
        ConfigError: It is not; names keys, what they were and are.
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
            yield digests.get(key) or f"{key} was {_shown(old)}, now {_shown(new)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}..."
