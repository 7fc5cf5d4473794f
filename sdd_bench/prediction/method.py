"""From a picture to its prediction, by a network in tiles or by a classical method; and all that it depends on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.threads import few_threads
from sdd_bench.images.metadata import read_metadata
from sdd_bench.images.photograph import Photograph, to_float
from sdd_bench.images.write import from_float, write_png
from sdd_bench.models.network import Network
from sdd_bench.prediction.classical import Classical, read_true_sigma
from sdd_bench.prediction.options import PredictOptions
from sdd_bench.prediction.tiling import deblur, tile_side, window_of

UNKNOWN_RADIUS_PX = 128
"""Overlap of tiles where nothing says how far the network looks."""

Run = Callable[[str, NDArray[np.float32]], tuple[NDArray[np.float32], bool]]
"""From a picture's name and pixels to its prediction, and whether tiles made it another than the whole would be."""


@dataclass(frozen=True)
class Made:
    """A prediction that was written."""

    sha256: str
    """Of its file."""
    seconds: float
    """Time that the method took, without reading and writing."""
    megapixels: float
    tiled: bool = False
    """Whether it passed in tiles a network whose output depends on the whole picture."""


def method_of(
    method: Network | Classical, options: PredictOptions, true_maps: Mapping[str, Path]
) -> tuple[dict[str, Any], Run]:
    """What a prediction depends on beside the picture, as JSON values, and the function that makes it.

    Args:
        method: Network, or classical method.
        options: How.
        true_maps: Files of true maps by the names of pictures, for ``oracle-map``.

    Raises:
        ConfigError: An option does not go with the method, or the memory does not suffice for a tile.
    """
    return _classical(method, options, true_maps) if isinstance(method, Classical) else _tiled(method, options)


def write_prediction(
    run: Run, name: str, picture: Path, photograph: Photograph, out: Path, options: PredictOptions
) -> Made:
    """Deblur the ``photograph`` read from ``picture`` and write ``OUT/NAME.png``, with the file's tags and profile.

    Raises:
        ImageError: The method fails on the picture.
        MemoryError: There is not enough.
        OutputError: The file cannot be written.
    """
    depth = photograph.bit_depth if options.bit_depth == "same" else int(options.bit_depth)
    blurry = to_float(photograph.pixels)
    begun = time.perf_counter()
    with few_threads(blurry.shape[0] * blurry.shape[1]):
        deblurred, tiled = run(name, blurry)
    seconds = time.perf_counter() - begun
    path = out / f"{name}.png"
    write_png(path, from_float(deblurred, depth), metadata=read_metadata(picture))
    return Made(sha256_of(path), seconds, blurry.shape[0] * blurry.shape[1] / 1e6, tiled)


def _tiled(network: Network, options: PredictOptions) -> tuple[dict[str, Any], Run]:
    """All that a prediction depends on beside the picture; tiles change nothing that see as far as the network does."""
    radius = network.receptive_radius_px
    overlap = options.overlap
    if overlap is None:
        overlap = UNKNOWN_RADIUS_PX if radius is None else radius
    pixels = None if options.tile else tile_side(network, options.memory_gib, overlap) ** 2
    made_with = {
        "schema": 2,
        "model": network.name,
        "sha256": network.sha256,
        **network.settings,
        "self_ensemble": options.self_ensemble,
        "bit_depth": options.bit_depth,
        "overlap": overlap if radius is None else min(overlap, radius),
    }

    def run(_: str, picture: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
        cut: dict[str, Any] = {"tile": options.tile, "pixels": pixels, "overlap": overlap}
        height, width = picture.shape[:2]
        high, wide = window_of(network, height, width, **cut)
        tiled = radius is None and (high < height or wide < width)
        return deblur(network, picture, **cut, self_ensemble=options.self_ensemble), tiled

    return made_with, run


def _classical(method: Classical, options: PredictOptions, true_maps: Mapping[str, Path]) -> tuple[dict[str, Any], Run]:
    """As :func:`_tiled`; pictures pass whole, since edges are weighed against those of all the picture."""
    if options.tile is not None or options.overlap is not None or options.self_ensemble:
        raise ConfigError(f"{method.name}: takes pictures whole and once; leave out tile, overlap and self-ensemble.")
    made_with = {
        "schema": 2,
        "model": method.name,
        "sha256": method.sha256,
        **method.settings,
        "bit_depth": options.bit_depth,
    }

    def run(name: str, picture: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
        truth = read_true_sigma(true_maps[name]) if method.needs_truth and name in true_maps else None
        return method.deblur(picture, truth), False

    return made_with, run
