"""Whether the two pictures of a pair are what their names say: the blurry one, and the sharp one of the same scene."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.words import counted
from sdd_bench.images.light import grey_plane, linear_planes

SAME = "blurry and sharp are the same picture, value by value; one file was probably copied over the other"
"""What is said of a pair whose two pictures are equal."""
SWAPPED = "the sharp picture shows less detail than the blurry one; the two are probably swapped"
"""What is said of a pair whose roles are probably the wrong way round."""
_MOST_PIXELS = 2_400_000
_TILE_PX = 32
_SWAPPED = 1.25
"""Detail of the blurry picture over that of the sharp one from which they count as swapped. A lens at f/16 loses a
little of the detail it has at f/8, by diffraction, so that less is no sign."""
_FEWEST_TILES = 6


def note_on_roles(blurry: NDArray[Any], sharp: NDArray[Any]) -> str:
    """One sentence if the roles of a pair look wrong, else nothing.

    Args:
        blurry: ``(H, W, 3)``, uint8, uint16 or float in [0, 1].
        sharp: Of the same shape.

    Example:
        >>> picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
        >>> note_on_roles(picture, picture) == SAME
        True
        >>> note_on_roles(picture, cv2.blur(picture, (5, 5))) == SWAPPED
        True
        >>> note_on_roles(cv2.blur(picture, (5, 5)), picture)
        ''
    """
    if blurry.shape == sharp.shape and np.array_equal(blurry, sharp):
        return SAME
    return SWAPPED if detail_ratio(blurry, sharp) > _SWAPPED else ""


def notes_on_set(notes: Mapping[str, str]) -> list[str]:
    """A sentence for every note on the pairs of a set, with the first pair that has it.

    Args:
        notes: What :func:`note_on_roles` says of each pair, by the name of the pair.

    Example:
        >>> notes_on_set({"a": "", "b": "blurry and sharp are swapped", "c": "blurry and sharp are swapped"})
        ['2 of 3 pairs (b, ...): blurry and sharp are swapped.']
    """
    named: dict[str, list[str]] = {}
    for name, note in notes.items():
        if note:
            named.setdefault(note, []).append(name)
    return [
        f"{len(names)} of {counted(len(notes), 'pair')} ({names[0]}{', ...' if len(names) > 1 else ''}): {note}."
        for note, names in named.items()
    ]


def detail_ratio(blurry: NDArray[Any], sharp: NDArray[Any]) -> float:
    """Detail of the blurry picture over that of the sharp one, relative to their light; a median over tiles.

    Detail is what two Gaussians of 1 and 3 px leave between them. Tiles of a grid are compared, so that a small
    displacement does not count, and exposure cancels. It is 1 where too few tiles show any detail.
    """
    factor = max(1, math.ceil(math.sqrt(blurry.shape[0] * blurry.shape[1] / _MOST_PIXELS)))
    if min(*blurry.shape[:2], *sharp.shape[:2]) < 2 * factor:  # nothing is left of a line of pixels
        return 1.0
    energies = [_relative_detail(picture, factor) for picture in (blurry, sharp)]
    rows, columns = (min(energy.shape[axis] for energy in energies) for axis in (0, 1))
    ours, theirs = (energy[:rows, :columns].ravel() for energy in energies)
    known = np.isfinite(ours) & np.isfinite(theirs) & (np.maximum(ours, theirs) > 0.01)
    if np.count_nonzero(known) < _FEWEST_TILES:
        return 1.0
    return float(np.median((ours[known] + 1e-4) / (theirs[known] + 1e-4)))


def _relative_detail(picture: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """RMS of the detail of each tile over its mean light; NaN where it is dark or clipped."""
    grey = grey_plane(linear_planes(picture, factor), (0.25, 0.5, 0.25))
    band = cv2.GaussianBlur(grey, (0, 0), 1.0) - cv2.GaussianBlur(grey, (0, 0), 3.0)
    size = max(1, grey.shape[1] // _TILE_PX), max(1, grey.shape[0] // _TILE_PX)
    power, level = (np.asarray(cv2.resize(p, size, interpolation=cv2.INTER_AREA)) for p in (band * band, grey))
    usable = (level > 0.005) & (level < 0.9)
    return np.where(usable, np.sqrt(np.maximum(power, 0)) / np.maximum(level, 1e-6), np.nan).astype(np.float32)
