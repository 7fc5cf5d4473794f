"""Every error sdd-bench raises on purpose.

::

    SddBenchError
    ├── ImageError        a picture cannot be read, or is not what it claims to be
    │   └── UnreadableError   it cannot be read now, for a reason that is not in the file
    ├── PairingError      blurry and sharp files do not form pairs
    ├── ManifestError     dataset.json, pairs.csv or a run folder is missing, damaged or of another kind
    ├── ShardError        an HDF5 shard is missing, damaged or of another schema
    ├── WeightsError      network weights are missing, damaged or do not fit the network
    ├── ConfigError       an option or configuration key is unknown or out of range
    ├── TrainingError     training cannot go on: the loss is not finite
    ├── OutputError       the output cannot be written (disk full, read-only, in the way)
    └── LeaderboardError  a table or a submission breaks the leaderboard's rules

A message names the file, what was expected, what was found, and the next step. What a file says of itself may be of any
length, so the lines of a message are cut where they are long, whoever made them.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator


class SddBenchError(Exception):
    """Base of every error sdd-bench raises on purpose. Its lines are :func:`brief`, whatever they quote."""

    def __init__(self, message: str = "") -> None:
        super().__init__(brief(message))


class ImageError(SddBenchError):
    """A picture cannot be read, or is not what it claims to be."""


class UnreadableError(ImageError):
    """A picture cannot be read now: rights, disk, short memory, or it changes. Nothing is known against its bytes.

    What is sealed never rests on it: the next run tries again.
    """


class PairingError(SddBenchError):
    """Blurry and sharp files do not form pairs."""


class ManifestError(SddBenchError):
    """A manifest or run folder is missing, damaged or of another kind."""


class ShardError(SddBenchError):
    """An HDF5 shard is missing, damaged or of another schema."""


class WeightsError(SddBenchError):
    """Network weights are missing, damaged or do not fit the network."""


class ConfigError(SddBenchError):
    """An option or configuration key is unknown or out of range."""


class TrainingError(SddBenchError):
    """Training cannot go on."""


class OutputError(SddBenchError):
    """The output cannot be written."""


class LeaderboardError(SddBenchError):
    """A table or a submission breaks the leaderboard's rules."""


_SHARED = re.compile(r"shared memory|to file </torch_|killed by signal: Bus error", re.IGNORECASE)
"""How torch says that /dev/shm is full, by which processes that read hand over what they read."""
_SHORT = re.compile(
    r"bad_alloc|(not enough|out of|insufficient|can(no|')t allocate) memory|memory allocation (failed|failure)"
    r"|unable to allocate|can't start new thread|killed by signal: Killed|" + _SHARED.pattern,
    re.IGNORECASE,
)
"""How libraries in C and C++ say that memory was short. A thread that cannot start lacks memory for its stack."""


def is_short_of_shared_memory(error: BaseException) -> bool:
    """Whether the memory that processes share was short; it is short of memory, too.

    Example:
        >>> is_short_of_shared_memory(RuntimeError("unable to allocate shared memory(shm) for file </torch_1_2_3>"))
        True
    """
    return any(not isinstance(each, SddBenchError) and _SHARED.search(str(each)) for each in _chain(error))


def is_short_of_memory(error: BaseException) -> bool:
    """Whether memory was short where ``error`` or what led to it arose.

    Args:
        error: Any exception. Libraries in C have no common class for short memory, so their words are looked at.

    Example:
        >>> is_short_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"))
        True
        >>> is_short_of_memory(ValueError("cut short"))
        False
    """
    return any(
        isinstance(each, MemoryError)
        or (isinstance(each, OSError) and each.errno == errno.ENOMEM)
        or (not isinstance(each, SddBenchError) and _SHORT.search(str(each)) is not None)
        for each in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


_REASON_LENGTH = 200
"""Characters that still read as one line of a message. Some libraries put whole traces into their text."""


def reason_of(error: BaseException) -> str:
    """Why a foreign call failed, in one line that fits into a message of this package.

    Args:
        error: Exception raised by a library, the operating system or damaged data.

    Returns:
        The first line of its text, at most 200 characters. The number and path of an ``OSError`` are left out. The
        exception's name is put first where the text alone says nothing.

    Raises:
        MemoryError: Memory was short, which says nothing against what was read: no verdict is made of it.

    Example:
        >>> reason_of(FileNotFoundError(2, "No such file or directory", "a.png"))
        'No such file or directory'
        >>> reason_of(KeyError("files")), reason_of(EOFError())
        ("KeyError: 'files'", 'EOFError')
    """
    if is_short_of_memory(error):
        raise MemoryError(str(error)) from error
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error).strip()
    if not text or isinstance(error, LookupError):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return text.splitlines()[0][:_REASON_LENGTH]


_LINE_LENGTH, _LINE_END = 1000, 300
"""Characters of a line of a message at most, and of its end that stays when it is cut: the next step stands there."""
_MOST_LINES, _LAST_LINES = 50, 5


def brief(text: str) -> str:
    """``text`` with its long lines, and a long list of lines, cut in the middle: both ends say what is meant.

    A message begins with the file and ends with the next step; between may be what a file says of itself.

    Example:
        >>> brief("a.csv: no column"), len(brief("x" * 10_000)), brief("x\\n" * 10_000).count("x")
        ('a.csv: no column', 1000, 49)
    """
    if len(text) <= _LINE_LENGTH:
        return text
    lines = text.split("\n")
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - _LAST_LINES], "...", *lines[-_LAST_LINES:]]
    return "\n".join(map(_brief_line, lines))


def _brief_line(line: str) -> str:
    if len(line) <= _LINE_LENGTH:
        return line
    gap = " ... "
    return f"{line[: _LINE_LENGTH - len(gap) - _LINE_END]}{gap}{line[-_LINE_END:]}"


_SHOWN_LENGTH = 60
"""Characters of a value that a message shows at most: a path or a digest fits, a table of numbers does not."""


def shown(value: object) -> str:
    """A foreign value in a message, cut where it is long.

    Example:
        >>> shown("sdd"), len(shown("x" * 10_000))
        ("'sdd'", 63)
    """
    text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."
