r"""Deblurring pictures of any size: padding to the network's multiple, and tiles that leave no seam.

A tile of the output is computed from a window that reaches :math:`r` pixels farther, r the radius of the receptive
field, and starts on the network's grid. Everything the tile depends on lies in the window, so the result is that of the
whole picture but for the order of sums. Windows stop at the picture's border, where the network pads as it would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.errors import ConfigError, ImageError, SddBenchError, reason_of
from sdd_bench.models.network import Network

GIB = 1 << 30


class Span(NamedTuple):
    """Along one axis: the tile ``start`` to ``stop`` is computed from ``first`` to ``last``."""

    start: int
    stop: int
    first: int
    last: int


def spans(size: int, tile: int, overlap: int, multiple: int, *, least: int = 1) -> Iterator[Span]:
    """Tiles that cover ``size``, whose windows start on the grid of ``multiple``.

    Args:
        size: Of the picture; a multiple of ``multiple``.
        tile: Largest side of a window.
        overlap: How far a window reaches beyond its tile.
        multiple: The network's grid.
        least: Smallest side of a window, where the picture is not smaller.

    Raises:
        ConfigError: Nothing would be left of the tile after its overlap.

    Example:
        >>> list(spans(96, 64, 16, 16))
        [Span(start=0, stop=48, first=0, last=64), Span(start=48, stop=96, first=32, last=96)]
    """
    margin, least = _up(overlap, multiple), _up(least, multiple)
    side = tile // multiple * multiple
    if side >= size:
        yield Span(0, size, 0, size)
        return
    if side < (needed := _least_tile(overlap, multiple, least)):
        raise ConfigError(f"tile {tile}: too small for an overlap of {overlap}; expected {needed} or more.")
    start = 0
    while start < size:
        first = max(0, min(start - margin, size - least))
        last = min(size, first + side)
        stop = last if last == size else last - margin
        yield Span(start, stop, first, last)
        start = stop


def tile_side(network: Network, memory_gib: float, overlap: int) -> int:
    """Side of the largest square tile that passes the network in ``memory_gib``.

    Raises:
        ConfigError: Nothing would be left of it after the overlap.
    """
    side = int((memory_gib * GIB / network.bytes_per_pixel) ** 0.5)
    least = _least_tile(overlap, network.size_multiple, network.least_side)
    if side < least:
        needed = _rounded_up(least**2 * network.bytes_per_pixel / GIB)
        raise ConfigError(
            f"memory {memory_gib:g} GiB: a tile of {network.name} needs {needed:g} GiB with its overlap of {overlap} "
            "pixels. Allow as much, or a smaller overlap."
        )
    return side


def _rounded_up(number: float) -> float:
    """To three digits, so that what is shown is enough."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 2)
    return math.ceil(number / unit) * unit


def window_shape(
    height: int, width: int, pixels: int, overlap: int, multiple: int, *, least: int = 1
) -> tuple[int, int]:
    """Height and width of the windows of at most ``pixels`` that cover a picture with the least repeated work.

    Args:
        height: Of the picture; a multiple of ``multiple``.
        width: The same.
        pixels: At least those of the smallest square window.
        overlap: How far a window reaches beyond its tile.
        multiple: The network's grid.
        least: Smallest side of a window.

    Example:
        >>> window_shape(2160, 4096, 3_500_000, 144, 16)
        (2160, 1616)
    """
    smallest = _least_tile(overlap, multiple, least)

    def covered(side: int, tile: int) -> int:
        return sum(span.last - span.first for span in spans(side, tile, overlap, multiple, least=least))

    shapes = []
    for rows in range(min(smallest, height), height + 1, multiple):
        columns = min(pixels // rows // multiple * multiple, width)
        if columns >= min(smallest, width):
            shapes.append((covered(height, rows) * covered(width, columns), rows, columns))
    return min(shapes)[1:]


def _least_tile(overlap: int, multiple: int, least: int) -> int:
    return max(2 * _up(overlap, multiple) + multiple, _up(least, multiple))


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def deblur(
    network: Network,
    blurry: NDArray[np.float32],
    *,
    tile: int | None = None,
    pixels: int | None = None,
    overlap: int = 0,
    self_ensemble: bool = False,
) -> NDArray[np.float32]:
    """Deblur one picture.

    Args:
        network: From :func:`sdd_bench.models.network.load_network`.
        blurry: RGB in [0, 1], (H, W, 3), any size.
        tile: Largest side of what passes the network at once; None takes as much as ``pixels`` allows.
        pixels: Most pixels that pass at once, in windows of the best shape; None takes the picture as a whole.
        overlap: How far, in pixels, a tile's window reaches beyond it.
        self_ensemble: Mean over the eight flips and turns of the picture.

    Returns:
        Deblurred RGB, (H, W, 3).

    Raises:
        ConfigError: The tile is too small for the overlap.
        ImageError: The network failed, or returned another size or something not finite.
        MemoryError: The network asked for more memory than there is.
    """
    if not self_ensemble:
        return _deblur(network, blurry, tile, pixels, overlap)
    total = np.zeros(blurry.shape, np.float64)
    for turns in range(4):
        turned = np.rot90(blurry, turns)
        total += np.rot90(_deblur(network, turned, tile, pixels, overlap), -turns)
        total += np.rot90(_deblur(network, turned[:, ::-1], tile, pixels, overlap)[:, ::-1], -turns)
    return (total / 8).astype(np.float32)


def window_of(
    network: Network, height: int, width: int, *, tile: int | None = None, pixels: int | None = None, overlap: int = 0
) -> tuple[int, int]:
    """Height and width of the largest window that passes the network at once; no less than the picture's: it is whole.

    Args:
        network: Network with its multiple and its least side.
        height: Of the picture.
        width: Of the picture.
        tile: As in :func:`deblur`.
        pixels: As in :func:`deblur`.
        overlap: As in :func:`deblur`.
    """
    rows, columns = (_padded(network, side) for side in (height, width))
    if tile is None and pixels is not None and pixels < rows * columns:
        return window_shape(rows, columns, pixels, overlap, network.size_multiple, least=network.least_side)
    return (rows, columns) if tile is None else (tile, tile)


def _padded(network: Network, side: int) -> int:
    return _up(max(side, network.least_side), network.size_multiple)


def _deblur(
    network: Network, blurry: NDArray[np.float32], tile: int | None, pixels: int | None, overlap: int
) -> NDArray[np.float32]:
    height, width = blurry.shape[:2]
    least, multiple = network.least_side, network.size_multiple
    bottom, right = (_padded(network, side) - side for side in (height, width))
    padded = np.pad(blurry, ((0, bottom), (0, right), (0, 0)), mode="reflect")
    picture = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1)))[None]
    rows, columns = picture.shape[2:]
    high, wide = window_of(network, height, width, tile=tile, pixels=pixels, overlap=overlap)
    out = torch.empty_like(picture)
    for y in spans(rows, high, overlap, multiple, least=least):
        for x in spans(columns, wide, overlap, multiple, least=least):
            done = _checked(network, _run(network, picture[:, :, y.first : y.last, x.first : x.last]), y, x)
            out[:, :, y.start : y.stop, x.start : x.stop] = done
    return np.ascontiguousarray(out[0, :, :height, :width].permute(1, 2, 0).numpy())


def _run(network: Network, window: Tensor) -> Tensor:
    try:
        return network.deblur(window)
    except SddBenchError:
        raise
    except Exception as error:  # whatever someone's network raises
        height, width = window.shape[2:]
        raise ImageError(
            f"{network.name}: failed on {width}x{height} pixels ({reason_of(error)}). Does it need a size_multiple "
            "attribute?"
        ) from error


def _checked(network: Network, done: Tensor, y: Span, x: Span) -> Tensor:
    expected = (1, 3, y.last - y.first, x.last - x.first)
    if tuple(done.shape) != expected:
        raise ImageError(
            f"{network.name}: returned {tuple(done.shape)} for {expected}; a network must keep the size of what it "
            "gets. Does it need a size_multiple attribute?"
        )
    tile = done[:, :, y.start - y.first : y.stop - y.first, x.start - x.first : x.stop - x.first]
    if not bool(tile.isfinite().all()):
        raise ImageError(f"{network.name}: returned numbers that are not finite; its weights have diverged.")
    return tile
