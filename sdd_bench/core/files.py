"""Files are never half-written: ``NAME.partial``, flush to disk, rename; and sha256 of what is there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sdd_bench.core.errors import OutputError


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_or_empty(path: Path) -> str:
    """SHA-256 of a picture's bytes; empty where it cannot be read, since whoever reads the picture next says why."""
    try:
        return sha256_of(path) if path.is_file() else ""
    except OSError:
        return ""


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write ``path`` into an :class:`OutputError` that says what to do."""
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

    Yields ``NAME.partial`` beside it (its folder is made); on a clean exit the partial file is flushed to
    disk and renamed. On an error it is removed and whatever stood at ``path`` stays.

    Args:
        path: The file.
        shared: Other processes may write the same file at the same time: the partial file has a name of its own.

    Raises:
        OutputError: The disk is full, or the place is not writable.
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
    """Write ``text`` as UTF-8, as a whole or not at all."""
    with sealed(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with a final newline, keys in the order given; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def spreadsheet_safe(text: str) -> str:
    """``text`` as a CSV cell that no spreadsheet runs: a ``'`` goes before a leading ``=``, ``+``, ``-``, ``@``.

    Example:
        >>> spreadsheet_safe("=1+1"), spreadsheet_safe("UNet*")
        ("'=1+1", 'UNet*')
    """
    return f"'{text}" if re.match(r"'*[=+\-@\t\r\n]", text) else text


def spreadsheet_plain(cell: str) -> str:
    """The text that :func:`spreadsheet_safe` made ``cell`` of."""
    return cell[1:] if re.match(r"'+[=+\-@\t\r\n]", cell) else cell
