"""Creating HDF5 files in such a way that a full disk is an error, not a crash."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from sdd_bench.core.storage.files import sealed

# Format versions, fixed so that the bytes do not depend on the library's default; the oldest with virtual datasets.
_LIBVER = ("v110", "v110")


@contextmanager
def create_file(path: Path) -> Iterator[tuple[h5py.File, Disk]]:
    """Create an HDF5 file, which appears at ``path`` only after the ``with`` block ended without an error.

    Yields:
        The HDF5 file to write to, and the :class:`Disk` file below it.

    Raises:
        OutputError: The disk is full, or ``path`` is not writable.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with create_file(Path(folder, "a.h5")) as (file, disk):
        ...         file["numbers"] = [1, 2]
        ...         disk.check()
        ...     with h5py.File(Path(folder, "a.h5")) as file:
        ...         file["numbers"][:].tolist()
        [1, 2]
    """
    with sealed(path) as partial, Disk(partial, "w+") as disk:
        try:
            with h5py.File(disk, "w", libver=_LIBVER) as file:
                yield file, disk
        except (OSError, RuntimeError, KeyError) as error:
            raise disk.error or error from error
        disk.check()


class Disk(io.FileIO):
    """A file that stores its first error and does not raise it.

    The HDF5 library cannot close a file that it failed to write, and then crashes the process at exit. So this file
    reports success to HDF5. The code that writes the file must call :meth:`check` regularly.
    """

    error: OSError | None = None

    def check(self) -> None:
        """Raise the first error, if an error occurred."""
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
