"""Files of maps of circles of confusion: ``NAME_coc.tiff``, ``(H, W)`` float32, diameters in pixels of the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ImageError, reason_of
from sdd_bench.core.storage.files import sealed
from sdd_bench.images.resize import Resize, resize_area

_LARGEST_SIDE_PX = 16384
"""As of the largest set that ``synth`` makes."""


def write_coc(path: Path, coc_px: Plane) -> None:
    """Write a map, without loss; equal maps give equal bytes."""
    with sealed(path) as partial:
        tifffile.imwrite(partial, coc_px, compression="zlib", metadata=None, software=False)


def read_coc(path: Path) -> Plane:
    """Read a map.

    Raises:
        ImageError: The file is missing, damaged or of something else.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_coc(Path(folder) / "0001_coc.tiff", np.full((2, 3), 4.5, np.float32))
        ...     read_coc(Path(folder) / "0001_coc.tiff").max()
        np.float32(4.5)
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            shape, dtype = page.shape, page.dtype  # as declared, before anything is unpacked
            fits = len(shape) == 2 and dtype == np.float32 and max(shape) <= _LARGEST_SIDE_PX
            coc_px = page.asarray() if fits else None
    except Exception as error:  # tifffile raises whatever a damaged file leads it to
        raise ImageError(
            f"{path}: expected a map of circles of confusion, got: {reason_of(error)}. synth --truth full writes them."
        ) from error
    if coc_px is None:
        raise ImageError(
            f"{path}: expected (H, W) float32 with sides up to {_LARGEST_SIDE_PX}, got {shape} of {dtype}."
        )
    return np.asarray(coc_px)


def resize_coc(coc_px: Plane, resize: Resize) -> Plane:
    """The map of the picture that :func:`~sdd_bench.images.resize.resize_area` makes smaller.

    Example:
        >>> resize_coc(np.full((4, 6), 8.0, np.float32), Resize(factor=0.5)).tolist()
        [[4.0, 4.0, 4.0], [4.0, 4.0, 4.0]]
    """
    smaller: Plane = np.asarray(resize_area(coc_px, resize), np.float32)
    return smaller * np.float32((smaller.size / coc_px.size) ** 0.5)
