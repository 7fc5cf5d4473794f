"""Creating HDF5 files so that a full disk is an error, not a crash."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from sdd_bench.core.files import sealed

# Fixed, so that the bytes do not depend on what a library version prefers; the oldest that has virtual datasets.
_LIBVER = ("v110", "v110")


@contextmanager
def create_file(path: Path) -> Iterator[tuple[h5py.File, Disk]]:
    """An HDF5 file to write, which stands at ``path`` when the ``with`` block has ended well, and what it lies on.

    Raises:
        OutputError: The disk is full, or the place is not writable.
    """
    with sealed(path) as partial, Disk(partial, "w+") as disk:
        try:
            with h5py.File(disk, "w", libver=_LIBVER) as file:
                yield file, disk
        except (OSError, RuntimeError, KeyError) as error:
            raise disk.error or error from error
        disk.check()


class Disk(io.FileIO):
    """A file that keeps the first error to itself.

    The HDF5 library cannot close a file it could not write, and crashes the process at its end; so it is told that all
    went well, and who writes the file asks now and then: :meth:`check`.
    """

    error: OSError | None = None

    def check(self) -> None:
        """Raise the first error there was."""
        if self.error is not None:
            raise self.error

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        rest = view
        while len(rest) and self.error is None:
            try:
                rest = rest[super().write(rest) or 0 :]
            except OSError as error:
                self.error = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0
