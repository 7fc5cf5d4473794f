"""Flow files in the Middlebury ``.flo`` format.

Little-endian: the float 202021.25 (which reads "PIEH"), width and height as int32, then (x, y) pairs of float32 row by
row. A vector with a component beyond 1e9 means "unknown" (:data:`UNKNOWN_FROM`); it is read and written unchanged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.errors import ImageError
from sdd_bench.core.storage.files import sealed

UNKNOWN_FROM = 1e9
"""Components of this size or more mean that the flow of a pixel is not known."""

_TAG = np.float32(202021.25).tobytes()
_LARGEST_SIDE = 99_999
"""Largest side that is read; a larger one can only come from a damaged header."""


def read_flo(path: Path) -> NDArray[np.float32]:
    """Read a flow, ``(2, H, W)`` in pixels, channel 0 = x to the right.

    Raises:
        ImageError: The file is missing, no flow file, or shorter or longer than its header says.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_flo(Path(folder) / "shift.flo", np.ones((2, 3, 4)))
        ...     read_flo(Path(folder) / "shift.flo").shape
        (2, 3, 4)
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror}); expected a .flo file.") from error
    if len(data) < 12 or data[:4] != _TAG:
        raise ImageError(f"{path}: expected a .flo file that starts with PIEH, got {data[:4]!r}.")
    width, height = (int(value) for value in np.frombuffer(data, "<i4", count=2, offset=4))
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        raise ImageError(f"{path}: a flow of {width}x{height} pixels is not plausible; the file is damaged.")
    expected = 12 + 8 * width * height
    if len(data) != expected:
        raise ImageError(
            f"{path}: {width}x{height} needs {expected} bytes, got {len(data)}; the file is truncated or damaged."
        )
    vectors = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)
    return np.ascontiguousarray(vectors.transpose(2, 0, 1), dtype=np.float32)


def write_flo(path: Path, flow: NDArray[np.floating] | Tensor) -> None:
    """Write a flow ``(2, H, W)`` in pixels, completely or not at all.

    Raises:
        ImageError: ``flow`` is not ``(2, H, W)``.
        OutputError: The file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_flo(Path(folder) / "shift.flo", np.ones((2, 3, 4)))
        ...     (Path(folder) / "shift.flo").stat().st_size
        108
    """
    values = flow.detach().cpu().numpy() if isinstance(flow, Tensor) else np.asarray(flow)
    if values.ndim != 3 or values.shape[0] != 2:
        raise ImageError(f"{path}: expected a flow (2, H, W), got {values.shape}.")
    _, height, width = values.shape
    with sealed(path) as partial, open(partial, "wb") as file:
        file.write(_TAG + np.array([width, height], "<i4").tobytes())
        file.write(values.transpose(1, 2, 0).astype("<f4").tobytes())
