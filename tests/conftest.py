"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """Numbers that are the same every time."""
    return np.random.default_rng(20230207)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real photographs named by SDD_BENCH_DATA; the test is skipped without it."""
    root = os.environ.get("SDD_BENCH_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("SDD_BENCH_DATA names no folder of real photographs")
    return Path(root)


@pytest.fixture(scope="session")
def alexnet() -> None:
    """LPIPS's backbone is in the user's cache folder; the test is skipped where no source can be reached."""
    from sdd_bench import weights
    from sdd_bench.errors import WeightsError

    try:
        weights.fetch("alexnet")
    except WeightsError as error:
        pytest.skip(f"LPIPS is untested: {error}")


@pytest.fixture
def photo(rng: np.random.Generator) -> np.ndarray:
    """A picture with natural statistics (1/f amplitudes, coloured), (256, 384, 3) uint8 RGB."""
    height, width = 256, 384
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    spectra = np.fft.rfft2(rng.standard_normal((3, height, width))) / frequency
    planes = np.fft.irfft2(spectra, s=(height, width))
    planes = np.stack([planes[0], planes[0] + 0.4 * planes[1], planes[0] + 0.4 * planes[2]], axis=-1)
    planes = (planes - planes.mean()) / planes.std()
    return np.clip(128 + 48 * planes, 0, 255).astype(np.uint8)
