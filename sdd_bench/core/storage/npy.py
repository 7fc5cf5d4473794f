"""Arrays of ``.npy`` files, no larger than the file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import reason_of


def read_npy(path: Path) -> NDArray[Any]:
    """The array of a file, after its header was checked: a few bytes can promise more than the memory holds.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, holds Python objects, or promises more than it has.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "a.npy"), np.arange(3))
        ...     read_npy(Path(folder, "a.npy")).tolist()
        [0, 1, 2]
    """
    with open(path, "rb") as file:
        is_first = np.lib.format.read_magic(file) == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
        try:
            shape, _, dtype = read_header(file)
        except Exception as error:  # numpy evaluates the header as Python: a damaged one fails in any way
            raise ValueError(f"its header is damaged ({reason_of(error)})") from error
        promised, there = math.prod(shape) * dtype.itemsize, path.stat().st_size - file.tell()
        if promised > there:
            raise ValueError(f"its header promises {promised} bytes, {there} are there")
        file.seek(0)
        values: NDArray[Any] = np.load(file, allow_pickle=False)
        return values
