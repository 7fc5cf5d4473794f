"""Synthetic captures with a known blur for the other benchmarks: made scenes, and photographs of SDD_BENCH_DATA.

Nothing is misaligned and exposures are alike, so that the sharp picture is the truth pixel by pixel.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize

WIDTH, HEIGHT = 640, 384
COC_LEVELS = ((2.0, 4.0), (4.0, 8.0), (8.0, 12.0))
"""Ranges from which the largest circle of confusion of a picture is drawn, diameters in pixels."""


@dataclass(frozen=True)
class Capture:
    """A blurry picture and what is known of it."""

    level: int
    """Index into :data:`COC_LEVELS`."""
    blurry: NDArray[np.float32]
    sharp: NDArray[np.float32]
    coc_px: NDArray[np.float32]


def captures(n_per_level: int, *, photographs: bool, seed: int = 0) -> list[Capture]:
    """``n_per_level`` pictures of every level; other seeds give other scenes."""
    root = os.environ.get("SDD_BENCH_DATA")
    photos = Path(root) / "photos" if photographs and root else None
    if photographs and photos is None:
        return []
    made: list[Capture] = []
    with tempfile.TemporaryDirectory() as folder:
        for level, coc_range in enumerate(COC_LEVELS):
            place = Path(folder) / str(level)
            options = SynthOptions(
                width=WIDTH,
                height=HEIGHT,
                n_train=0,
                n_test=n_per_level,
                seed=seed + level,
                zoom_range=(1.0, 1.0),
                shift_range=(0.0, 0.0),
                rotation_range=(0.0, 0.0),
                coc_range=coc_range,
                exposure_range=(1.0, 1.0),
                color_cast=0.0,
                truth="full",
                photos=photos,
            )
            synthesize(place, options)
            made += [_read(place, level, f"{index:04d}") for index in range(n_per_level)]
    return made


def _read(place: Path, level: int, name: str) -> Capture:
    blurry, sharp = (
        to_float(read_photograph(place / path).pixels)
        for path in (f"test/blur/{name}.png", f"truth/test/{name}_aligned.png")
    )
    return Capture(level, blurry, sharp, tifffile.imread(place / f"truth/test/{name}_coc.tiff"))
