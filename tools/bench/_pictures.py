"""Pictures for the other benchmarks: patches of the photographs in SDD_BENCH_DATA, or made with natural statistics."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

PATCH, N = 512, 42


def natural_pictures(depth: int, n: int = N) -> list[NDArray[np.generic]]:
    """``n`` pictures of 512x512, RGB, uint8 or uint16; at 16 bit with sensor noise below the 8-bit steps."""
    rng = np.random.default_rng(0)
    root = os.environ.get("SDD_BENCH_DATA")
    eight = _real(Path(root), n, rng) if root else [_made(rng) for _ in range(n)]
    if depth == 8:
        return list(eight)
    return [np.clip(257.0 * p + rng.normal(0, 300, p.shape), 0, 65535).astype(np.uint16) for p in eight]


def mosaic(width: int, height: int) -> NDArray[np.generic]:
    """Patches of 512x512 beside and below each other, as one picture of 8 bit."""
    columns, rows = -(-width // PATCH), -(-height // PATCH)
    patches = natural_pictures(8, columns * rows)
    lines = [np.concatenate(patches[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
    return np.ascontiguousarray(np.concatenate(lines, axis=0)[:height, :width])


def _real(root: Path, n: int, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    found = []
    files = sorted((root / "aperture").rglob("*.*")) + sorted((root / "focus_6mp").glob("*.*"))
    for path in files:
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        rows, columns = picture.shape[0] // PATCH, picture.shape[1] // PATCH
        whole = picture[: rows * PATCH, : columns * PATCH, ::-1].reshape(rows, PATCH, columns, PATCH, 3)
        found.extend(np.ascontiguousarray(whole.swapaxes(1, 2)).reshape(-1, PATCH, PATCH, 3))
    return [found[i] for i in rng.permutation(len(found))[:n]]


def _made(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Amplitudes fall as 1/f, colours are correlated, and noise of 2 grey levels lies on top."""
    frequency = np.hypot(np.fft.fftfreq(PATCH)[:, None], np.fft.rfftfreq(PATCH)[None])
    frequency[0, 0] = 1.0
    planes = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((3, PATCH, PATCH))) / frequency, s=(PATCH, PATCH))
    planes = np.stack([planes[0], planes[0] + 0.3 * planes[1], planes[0] + 0.3 * planes[2]], axis=-1)
    pixels = 128 + 48 * (planes - planes.mean()) / planes.std() + rng.normal(0, 2, planes.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)
