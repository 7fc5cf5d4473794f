"""Files that are never half-written (write ``NAME.partial``, flush it to disk, rename it), and their SHA-256."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sdd_bench.core.errors import OutputError


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    Raises:
        OSError: It cannot be read, or is no regular file: a pipe or a device may never end.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     sha256_of(Path(file.name))[:16]
        'e3b0c44298fc1c14'
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "neither a file nor a folder (a device or pipe)", str(path))
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe without waiting for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def sha256_or_empty(path: Path) -> str:
    """SHA-256 of a picture's bytes; empty if it cannot be read, because the code that decodes it then says why.

    Example:
        >>> sha256_or_empty(Path("no/such/picture.png"))
        ''
    """
    try:
        return sha256_of(path) if path.is_file() else ""
    except OSError:
        return ""


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write ``path`` into an :class:`OutputError` that says what to do.

    Example:
        >>> with output_errors(Path("out")):  # doctest: +ELLIPSIS
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        sdd_bench.core.errors.OutputError: out: no space left on the disk. ...
    """
    try:
        yield
    except OSError as error:
        number = error.errno
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(
                f"{path}: no space left on the disk. What was finished is kept; free space and run again."
            ) from error
        if number in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise OutputError(f"{path}: not writable ({error.strerror}). Choose another output folder.") from error
        if number in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY):
            raise OutputError(
                f"{path}: something else is in the way ({error.strerror}). Remove it or choose another output."
            ) from error
        if number == errno.ENAMETOOLONG:
            raise OutputError(f"{path}: the name is too long here. Shorten it, or choose another output.") from error
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def sealed(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Write ``path`` as a whole or not at all.

    Yields the path ``NAME.partial`` beside it to write to; the folder is created. On a clean exit the partial file is
    flushed to disk and renamed. On an error it is removed, and a file that was at ``path`` before stays.

    Args:
        path: File to write.
        shared: Whether other processes may write the same file at the same time. Then the partial file's name is
            random, so that each process has its own.

    Raises:
        OutputError: The disk is full, or ``path`` is not writable.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with sealed(Path(folder, "a.txt")) as partial:
        ...         _ = partial.write_text("whole")
        ...     [path.name for path in Path(folder).iterdir()]
        ['a.txt']
    """
    partial = path.with_name(f".{uuid.uuid4().hex}.partial" if shared else f"{path.name}.partial")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
            _sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, as a whole or not at all.

    Raises:
        OutputError: The disk is full, or ``path`` is not writable.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(Path(folder, "new", "a.txt"), "one line")
        ...     Path(folder, "new", "a.txt").read_text()
        'one line'
    """
    with sealed(path) as partial:
        partial.write_bytes(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with a final newline, keys in the order given.

    Raises:
        OutputError: The disk is full, or ``path`` is not writable.
        ValueError: ``value`` holds NaN or infinity, which JSON does not have.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_json(Path(folder, "a.json"), {"b": 1})
        ...     Path(folder, "a.json").read_text()
        '{\\n  "b": 1\\n}\\n'
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A file name that is not UTF-8 has lone surrogates, which only an escape of JSON can hold.
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
